//! `replacement`: a character in the output was already broken in the server.

use super::Signs;

/// U+FFFD stood in the text.
pub fn fires(signs: &Signs) -> bool {
    signs.replaced
}
