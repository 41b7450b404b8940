//! Simulates an inference engine and its machine: prefill, decode, queue, KV cache, memory, kills,
//! injected faults ("ailments") and noise.
//!
//! Pure: time is an argument (`At`), randomness a function of the seed. Only `sim::world` uses a
//! clock, and nothing here opens a socket, so that the same model and the same responses serve a
//! real port (`serve`) and the traits of `world` in virtual time. `docs/simulator.md` names the
//! source of each part of the model, and the assumptions.

pub(crate) mod ailment;
pub(crate) mod answer;
pub(crate) mod cache;
pub(crate) mod engine;
pub(crate) mod http;
pub(crate) mod job;
pub(crate) mod machine;
pub(crate) mod metrics;
pub(crate) mod scheduler;
pub(crate) mod setup;
pub(crate) mod step_time;
pub(crate) mod tokenizer;
pub(crate) mod world;

pub(crate) use ailment::Ailment;
pub(crate) use engine::SimEngine;
pub(crate) use job::{EngineEvent, Finish, JobId, ProcessExit, SimJob};
pub(crate) use machine::MachineState;
pub(crate) use setup::{MODELLED, Setup};
