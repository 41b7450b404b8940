//! `swallowed`: the server counted output that nobody saw: a parser ate it.

use super::CheckInput;

/// Stop tokens and the marks around reasoning have no text.
const SLACK_TOKENS: u64 = 8;

/// A tool call's frame (its marks, the keys of its JSON) is counted and not shown.
const SLACK_TOKENS_PER_TOOL: u64 = 24;

/// Tokens but no text at all, or more unseen tokens than 5 %, than 8, and than what
/// tool calls need. A token that was seen has at least one byte of text; so this
/// sees only what is far off, and never a speculative chunk.
pub(super) fn fires(signs: &CheckInput) -> bool {
    let Some(output) = signs.request.output_tokens.filter(|output| *output > 0) else {
        return false;
    };
    if signs.request.finish.is_none() {
        return false;
    }
    let slack = SLACK_TOKENS.max(output / 20) + signs.tools * SLACK_TOKENS_PER_TOOL;
    signs.text_bytes == 0 && signs.tools == 0 || signs.unseen_tokens > slack
}
