//! Implements the OpenAI-compatible API as this client uses it: streaming chat completions and
//! completions.

pub(crate) mod body;
pub(crate) mod chunk;
mod frame;
mod text;

pub(crate) use body::{body, bound_field, path, path_of, spoken};
pub(crate) use chunk::{Chunk, Usage};
