//! Runs the checks of every answer that is over, one file each. A check never changes how a request
//! ended: its name is added to the row.

mod cached;
mod not_cached;
mod off_depth;
mod replacement;
mod swallowed;

use crate::fact::Request;

/// Input of the checks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckInput<'a> {
    /// Request row, without its checks.
    pub request: &'a Request,
    /// Tokens of the prompt that the chat template adds; 0 where they are not known.
    pub template_tokens: u64,
    /// Tokens in the server's count that cannot have been received on any channel.
    pub unseen_tokens: u64,
    /// Bytes of text on all channels.
    pub text_bytes: u64,
    pub tools: u64,
    /// Whether the text had a replacement character.
    pub replaced: bool,
}

type Check = (&'static str, fn(&CheckInput) -> bool);

/// All checks, in the order in which rows name them.
const CHECKS: [Check; 5] = [
    ("off_depth", off_depth::fires),
    ("not_cached", not_cached::fires),
    ("cached", cached::fires),
    ("swallowed", swallowed::fires),
    ("replacement", replacement::fires),
];

/// Returns the names of the checks that fire.
pub(crate) fn fired(signs: &CheckInput) -> Vec<String> {
    CHECKS.iter().filter(|(_, fires)| fires(signs)).map(|(name, _)| (*name).to_owned()).collect()
}
