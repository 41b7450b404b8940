//! `replacement`: a character in the output was already broken in the server.

use super::CheckInput;

/// U+FFFD stood in the text.
pub(super) fn fires(signs: &CheckInput) -> bool {
    signs.replaced
}
