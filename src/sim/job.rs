//! What goes into the engine and what comes out of it.

use super::answer::Token;

use crate::words::words;

/// A request that the engine has taken, numbered in the order of arrival over all its starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobId(pub u64);

/// A request as the engine sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SimJob {
    /// The prompt's tokens, template included.
    pub prompt: Vec<u32>,
    /// Keeps its prefix apart from others' in the cache.
    pub salt: Option<String>,
    /// The most tokens of the answer; cut to what `max_model_len` leaves.
    pub max_tokens: u64,
    /// The answer does not end by itself before this.
    pub min_tokens: u64,
    /// The answer does not end by itself at all.
    pub ignore_eos: bool,
    /// Whether the answer begins with reasoning.
    pub reasoning: bool,
}

/// Why an answer ended, in the server's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    /// At `max_tokens`.
    Length,
}

words!(Finish { Stop: "stop", Length: "length" });

/// How the server's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessExit {
    /// Killed from outside: connections end in the middle of a message. Exit code 137.
    Killed,
    /// The engine died below it: every stream gets an error frame first. vLLM then exits with code 0.
    EngineDied,
    /// Asked to end: every stream gets the same error frame (vLLM does not drain). Exit code 0.
    Terminated,
    /// It never got ready: its process ended during start-up, with exit code 1.
    StartFailed,
    /// The box lost its power: silence, and connections that are reset when it is back.
    PowerCut,
}

impl ProcessExit {
    /// The exit code of the process, as a shell shows it.
    pub(crate) fn code(self) -> i32 {
        match self {
            ProcessExit::Killed => 137,
            ProcessExit::EngineDied | ProcessExit::Terminated => 0,
            ProcessExit::StartFailed => 1,
            // What Docker writes after the next boot, since nobody saw the end.
            ProcessExit::PowerCut => 255,
        }
    }
}

/// Something that became of a request or of the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    /// A step gave a request tokens, or ended it, or both.
    Output {
        job: JobId,
        /// The step's tokens; several with speculative decoding, none where an empty answer ends.
        tokens: Vec<Token>,
        /// Prompt tokens that came from the cache.
        cached: u64,
        /// Set with the last tokens.
        finish: Option<Finish>,
    },
    /// The request ended in an error of the server, the engine's death among them.
    Failed {
        job: JobId,
        /// The server's words.
        message: &'static str,
    },
    /// The request's stream ended without a reason.
    Cut { job: JobId },
    /// The server wrote a line to its log.
    Said(String),
    /// The server's process is gone, and the port refuses; nothing at all
    /// answers after [`Exit::PowerCut`], until [`Happening::Booted`].
    Exited(ProcessExit),
    /// The box is back from a power cut, and its port refuses.
    Booted,
    /// A process was started; the port still refuses.
    Started,
    /// The port is open.
    Ready,
}

/// What streams are told when the engine dies (vLLM up to 0.32).
pub(crate) const ENGINE_DEAD: &str =
    "EngineCore encountered an issue. See stack trace (above) for the root cause.";
/// What a request is told when the engine's finish reason is `error`.
pub(crate) const REQUEST_FAILED: &str = "Internal server error";
