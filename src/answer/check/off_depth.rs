//! `off_depth`: the prompt was not as long as planned, by the server's own count.

use super::Signs;

/// Tokens by which a prompt may always be off: a chat template's play.
const SLACK_TOKENS: u64 = 16;

/// Off by more than 1 % and by more than 16 tokens.
pub fn fires(signs: &Signs) -> bool {
    let planned = signs.request.cell.input();
    signs
        .request
        .prompt_tokens
        .is_some_and(|counted| counted.abs_diff(planned) > SLACK_TOKENS.max(planned / 100))
}
