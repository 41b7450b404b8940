//! The OpenAI-compatible API as this client speaks it: streaming chat
//! completions and completions.

pub mod body;
pub mod chunk;

pub use body::{body, path};
pub use chunk::{Chunk, Usage};
