//! `not_cached`: a context that was there before was computed again.

use super::CheckInput;
use crate::fact::Class;

/// Caches keep whole blocks; the last one is never full. The largest block in the
/// field is of this order.
const BLOCK_TOKENS: u64 = 128;

/// Class warm, and the server says that it served less than 90 % of the depth from cache.
pub(super) fn fires(signs: &CheckInput) -> bool {
    let depth = signs.request.cell.depth;
    signs.request.class == Class::Warm
        && signs
            .request
            .cached_tokens
            .is_some_and(|cached| depth.saturating_sub(cached) > BLOCK_TOKENS.max(depth / 10))
}
