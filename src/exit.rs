//! What the program says with its exit code. `docs/exit-codes.md` has the table.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// PASS, or the command did what it was asked for.
    Pass,
    /// FAIL: a gate is broken.
    Fail,
    /// The user's mistake, before anything was started.
    Mistake,
    Inconclusive,
    /// longhaul failed, and nothing was broken before.
    Fault,
    /// Interrupted, nothing broken so far.
    Interrupted,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Fail => 1,
            Exit::Mistake => 2,
            Exit::Inconclusive => 3,
            Exit::Fault => 4,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
