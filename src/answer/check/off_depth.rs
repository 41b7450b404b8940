//! `off_depth`: the prompt was not as long as planned, by the server's own count.

use super::CheckInput;

pub(super) fn fires(signs: &CheckInput) -> bool {
    let counted = signs.request.prompt_tokens;
    counted.is_some_and(|counted| signs.request.cell.is_off_depth(counted))
}
