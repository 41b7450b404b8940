//! `replacement`: a character of the output was already invalid in the server.

use super::CheckInput;

/// Whether U+FFFD was in the text.
pub(super) fn fires(signs: &CheckInput) -> bool {
    signs.replaced
}
