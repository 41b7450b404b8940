//! Runs the checks of every answer that is over, one file each. A check never changes how a request
//! ended: its name is added to the row.

mod cached;
mod long_answers;
mod not_cached;
mod off_depth;
mod replacement;
mod short_answers;
mod swallowed;
mod think_marks;
mod too_fast;
mod wrong_model;

use crate::fact::Request;
use crate::measure::RequestShare;

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
    /// Whether there was anything to see on any channel.
    pub visible: bool,
    pub tools: u64,
    /// Model that the answer names.
    pub model: Option<&'a str>,
    /// Names of the requested model: that of the requests, and those by which the server lists it.
    pub names: &'a [String],
    /// Whether the text had a replacement character.
    pub replaced: bool,
    /// Whether the visible content had a mark of reasoning.
    pub think_marks: bool,
}

type Check = (&'static str, fn(&CheckInput) -> bool);

/// All checks, in the order in which rows name them.
const CHECKS: [Check; 10] = [
    (RequestShare::OffDepth.word(), off_depth::fires),
    ("not_cached", not_cached::fires),
    ("cached", cached::fires),
    (RequestShare::Swallowed.word(), swallowed::fires),
    (RequestShare::ShortAnswers.word(), short_answers::fires),
    (RequestShare::LongAnswers.word(), long_answers::fires),
    (RequestShare::TooFast.word(), too_fast::fires),
    (RequestShare::WrongModel.word(), wrong_model::fires),
    (RequestShare::Replacement.word(), replacement::fires),
    ("think_marks", think_marks::fires),
];

/// Returns the names of the checks that fire.
pub(crate) fn fired(signs: &CheckInput) -> Vec<String> {
    CHECKS.iter().filter(|(_, fires)| fires(signs)).map(|(name, _)| (*name).to_owned()).collect()
}
