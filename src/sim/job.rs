//! Defines the engine's jobs (input) and events (output).

use super::answer::Token;

use crate::words::words;

/// Number of an accepted request, in order of arrival across all starts of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobId(pub u64);

/// A generation request without its HTTP parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SimJob {
    /// Tokens of the prompt, chat template included.
    pub prompt: Vec<u32>,
    /// Cache salt: separates its prefix from others' in the prefix cache.
    pub salt: Option<String>,
    /// Maximum of output tokens; limited to what `max_model_len` leaves.
    pub max_tokens: u64,
    /// Minimum of output tokens before a natural end.
    pub min_tokens: u64,
    /// Whether the response has no natural end.
    pub ignore_eos: bool,
    /// Whether the response begins with reasoning.
    pub reasoning: bool,
}

/// Finish reason of a response, with vLLM's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    /// End at `max_tokens`.
    Length,
}

words!(Finish { Stop: "stop", Length: "length" });

/// Kind of end of the server's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessExit {
    /// Killed by a signal: connections break in the middle of a message. Exit code 137.
    Killed,
    /// The engine's process ended: every stream gets an error frame first. vLLM then exits with
    /// code 0.
    EngineDied,
    /// Ended by SIGTERM: every stream gets the same error frame (vLLM does not drain). Exit code 0.
    Terminated,
    /// The process ended during start-up. Exit code 1.
    StartFailed,
    /// The machine lost power: connections are silent, and reset when it has booted again.
    PowerCut,
}

impl ProcessExit {
    /// Returns the exit code of the process as a shell reports it.
    pub(crate) fn code(self) -> i32 {
        match self {
            ProcessExit::Killed => 137,
            ProcessExit::EngineDied | ProcessExit::Terminated => 0,
            ProcessExit::StartFailed => 1,
            // Docker records this after the next boot, since it did not observe the end.
            ProcessExit::PowerCut => 255,
        }
    }
}

/// An event of a request or of the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EngineEvent {
    /// A step produced tokens for a request, or ended it, or both.
    Output {
        job: JobId,
        /// Tokens of the step: several with speculative decoding, none where an empty response
        /// ends.
        tokens: Vec<Token>,
        /// Prompt tokens that came from the cache.
        cached: u64,
        /// Finish reason, set with the last tokens.
        finish: Option<Finish>,
    },
    /// The request ended with a server error, the end of the engine included.
    Failed {
        job: JobId,
        /// vLLM's error message.
        message: &'static str,
    },
    /// The request's stream ended without a finish reason.
    Cut { job: JobId },
    /// The server wrote a line to its log.
    Said(String),
    /// The server's process ended, and the port refuses connections. After
    /// [`ProcessExit::PowerCut`] nothing answers until [`EngineEvent::Booted`].
    Exited(ProcessExit),
    /// The machine has booted after a power cut; its port refuses connections.
    Booted,
    /// A process was started; the port still refuses.
    Started,
    /// The port is open.
    Ready,
}

/// Error message of streams when the engine ends (vLLM up to 0.32).
pub(crate) const ENGINE_DEAD: &str =
    "EngineCore encountered an issue. See stack trace (above) for the root cause.";
/// Error message of a request whose finish reason in the engine is `error`.
pub(crate) const REQUEST_FAILED: &str = "Internal server error";
