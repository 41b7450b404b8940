//! A model of an engine and of the box it stands in: prefill, decode, queue,
//! KV cache, memory, kills, ailments and noise.
//!
//! Pure: time is an argument (`At`), randomness an address below a seed. Only
//! `sim::world` knows a clock, and nothing here a socket, so that the same model
//! and the same words stand behind a real port (`serve`) and behind the seams of
//! `world` in virtual time.
//! `docs/simulator.md` says what is modelled after what, and what is assumed.

pub mod ailment;
pub mod answer;
pub mod cache;
pub mod engine;
pub mod face;
pub mod job;
pub mod machine;
pub mod metrics;
pub mod pace;
pub mod scheduler;
pub mod setup;
pub mod tokenizer;
pub mod world;

pub use ailment::Ailment;
pub use engine::SimEngine;
pub use job::{Finish, Happening, JobId, ProcessExit, SimJob};
pub use machine::BoxView;
pub use setup::Setup;
