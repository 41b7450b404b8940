//! A model of an engine and of the box it stands in: prefill, decode, queue,
//! KV cache, memory, kills, ailments and noise.
//!
//! Pure: time is an argument (`At`), randomness an address below a seed. Only
//! `sim::world` knows a clock, and nothing here a socket, so that the same model
//! and the same words stand behind a real port (`serve`) and behind the seams of
//! `world` in virtual time.
//! `docs/simulator.md` says what is modelled after what, and what is assumed.

pub(crate) mod ailment;
pub(crate) mod answer;
pub(crate) mod cache;
pub(crate) mod engine;
pub(crate) mod face;
pub(crate) mod job;
pub(crate) mod machine;
pub(crate) mod metrics;
pub(crate) mod pace;
pub(crate) mod scheduler;
pub(crate) mod setup;
pub(crate) mod tokenizer;
pub(crate) mod world;

pub(crate) use ailment::Ailment;
pub(crate) use engine::SimEngine;
pub(crate) use job::{Finish, Happening, JobId, ProcessExit, SimJob};
pub(crate) use machine::BoxView;
pub(crate) use setup::Setup;
