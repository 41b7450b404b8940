//! What somebody who may starts and ends of the server's process, whatever ails it.

use super::{Life, SimEngine};
use crate::sim::job::ProcessExit;
use crate::unit::At;

/// From the end of a process to the start of the next, when one is to follow the other:
/// what it held must be back first.
const BETWEEN_US: u64 = 2_000_000;

impl SimEngine {
    /// Somebody starts the server at `at`; it takes as long as the machine's starts do.
    ///
    /// # Errors
    /// In words: its process is there, or its box is not.
    pub(crate) fn launch(&mut self, at: At) -> Result<(), &'static str> {
        self.run_to(at);
        match self.life {
            Life::Down { .. } => {
                self.life = Life::Down { back: Some((self.now, self.later(self.start_us()))) };
                Ok(())
            }
            Life::Away { .. } => Err(AWAY),
            Life::Starting { .. } | Life::Failing { .. } | Life::Up => Err("it runs already"),
        }
    }

    /// Somebody ends the server at `at`: it is asked, and killed where it hangs. It does
    /// not come back by itself, whatever it would have done. Says whether there was a process to end.
    ///
    /// # Errors
    /// In words: its box is not there.
    pub(crate) fn stop(&mut self, at: At) -> Result<bool, &'static str> {
        self.run_to(at);
        match self.life {
            Life::Away { .. } => Err(AWAY),
            Life::Down { .. } => {
                self.life = Life::Down { back: None };
                Ok(false)
            }
            Life::Starting { .. } | Life::Failing { .. } | Life::Up => {
                let hangs = self.frozen.is_some();
                self.exit(if hangs { ProcessExit::Killed } else { ProcessExit::Terminated }, None);
                Ok(true)
            }
        }
    }

    /// Somebody ends the server at `at`, where there is one, and starts it. Says whether
    /// there was one.
    ///
    /// # Errors
    /// In words: its box is not there.
    pub(crate) fn restart(&mut self, at: At) -> Result<bool, &'static str> {
        let ended = self.stop(at)?;
        let begins = self.later(if ended { BETWEEN_US } else { 0 });
        let ready = At(begins.0.saturating_add(self.start_us()));
        self.life = Life::Down { back: Some((begins, ready)) };
        Ok(ended)
    }
}

/// Why nothing can be done with a server whose box is away.
const AWAY: &str = "the box does not answer";
