//! `short_answers`: the answer ended far before the requested length.

use super::CheckInput;

pub(super) fn fires(signs: &CheckInput) -> bool {
    signs.request.is_far_short()
}
