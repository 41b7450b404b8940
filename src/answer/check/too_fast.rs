//! `too_fast`: the tokens came faster than a server can write them.

use super::CheckInput;

pub(super) fn fires(signs: &CheckInput) -> bool {
    signs.request.is_too_fast()
}
