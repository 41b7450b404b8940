//! `cached`: a context that should be new was served from cache, so its prefill was not measured.

use super::CheckInput;
use crate::fact::Class;

/// Tokens that all prompts may share, since they begin with the same chat template.
const SHARED_TOKENS: u64 = 64;

/// Whether the class is cold and the server reports more than 64 tokens and more than 1 % of the
/// prompt from cache.
pub(super) fn fires(signs: &CheckInput) -> bool {
    let planned = signs.request.cell.input();
    signs.request.class == Class::Cold
        && signs
            .request
            .cached_tokens
            .is_some_and(|cached| cached > SHARED_TOKENS.max(planned / 100))
}
