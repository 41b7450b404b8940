//! `not_cached`: a context that was sent before was computed again.

use super::CheckInput;
use crate::fact::Class;

/// Tokens of a cache block: caches keep whole blocks, and the last block is never full. The largest
/// in use is of this order.
const BLOCK_TOKENS: u64 = 128;

/// Whether the class is warm and the server reports less than 90 % of the depth from cache.
pub(super) fn fires(signs: &CheckInput) -> bool {
    let depth = signs.request.cell.depth;
    signs.request.class == Class::Warm
        && signs
            .request
            .cached_tokens
            .is_some_and(|cached| depth.saturating_sub(cached) > BLOCK_TOKENS.max(depth / 10))
}
