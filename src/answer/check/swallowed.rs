//! `swallowed`: the server counted output that never arrived: a parser dropped it.

use super::CheckInput;

/// Tokens without text in any answer: stop tokens, and the marks around reasoning.
const SLACK_TOKENS: u64 = 8;

/// Tokens without text in a tool call: its marks and the keys of its JSON are counted, not sent.
const SLACK_TOKENS_PER_TOOL: u64 = 24;

/// Whether there was nothing to see though tokens were counted or blanks came, or more unseen tokens
/// than 5 %, than 8, and than tool calls need. A token that was received has at least one byte of
/// text, so only large differences fire, and never a speculative chunk. A model may begin with
/// blanks, so an answer of a few tokens may be blank.
pub(super) fn fires(signs: &CheckInput) -> bool {
    let request = signs.request;
    if !request.ended.is_good() {
        return false;
    }
    if !signs.visible && request.chunks > 0 && request.cell.output > SLACK_TOKENS {
        return true;
    }
    let Some(output) = request.output_tokens.filter(|output| *output > 0) else {
        return false;
    };
    let slack = SLACK_TOKENS.max(output / 20) + signs.tools * SLACK_TOKENS_PER_TOOL;
    signs.text_bytes == 0 && signs.tools == 0 || signs.unseen_tokens > slack
}
