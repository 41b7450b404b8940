//! `think_marks`: the visible content holds a mark of reasoning, which a reasoning parser removes.

use super::CheckInput;

/// Whether the content has `<think>` or `</think>`.
pub(super) fn fires(signs: &CheckInput) -> bool {
    signs.think_marks
}
