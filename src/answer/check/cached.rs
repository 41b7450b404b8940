//! `cached`: a context that should be new was served from cache, so its prefill was not measured.

use super::CheckInput;
use crate::fact::{Class, shared_head};

/// Whether the class is cold and the server reports more tokens from cache than the head that all
/// prompts share, and more than 1 % of the prompt.
pub(super) fn fires(signs: &CheckInput) -> bool {
    let planned = signs.request.cell.input();
    let head = shared_head(signs.template_tokens);
    signs.request.class == Class::Cold
        && signs.request.cached_tokens.is_some_and(|cached| cached > head.max(planned / 100))
}
