//! Defines the program's exit codes. `docs/exit-codes.md` has the table.

use std::process::ExitCode;

/// Exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// PASS, or a command that succeeded.
    Pass,
    /// FAIL: a gate is broken.
    Fail,
    /// A mistake of the user, before anything was started.
    Mistake,
    Inconclusive,
    /// longhaul failed, and no gate was broken before.
    Fault,
    /// Interrupted, with no gate broken so far.
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
