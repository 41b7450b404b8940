//! Starts and ends the server's process by order, independently of faults.

use super::{EngineStage, SimEngine};
use crate::sim::job::ProcessExit;
use crate::unit::At;

/// Time from the end of a process to the start of the next in a restart: resources must be released
/// first.
const BETWEEN_US: u64 = 2_000_000;

impl SimEngine {
    /// Starts the server at `at`. The start takes the machine's start time.
    ///
    /// # Errors
    /// The process already runs, or the machine has no power.
    pub(crate) fn launch(&mut self, at: At) -> Result<(), &'static str> {
        self.run_to(at);
        match self.life {
            EngineStage::Down { .. } => {
                self.life =
                    EngineStage::Down { back: Some((self.now, self.later(self.start_us()))) };
                Ok(())
            }
            EngineStage::Away { .. } => Err(AWAY),
            EngineStage::Starting { .. } | EngineStage::Failing { .. } | EngineStage::Up => {
                Err("it runs already")
            }
        }
    }

    /// Ends the server at `at` by SIGTERM, or by a kill during a hang. Cancels any pending start.
    /// Returns whether there was a process to end.
    ///
    /// # Errors
    /// The machine has no power.
    pub(crate) fn stop(&mut self, at: At) -> Result<bool, &'static str> {
        self.run_to(at);
        match self.life {
            EngineStage::Away { .. } => Err(AWAY),
            EngineStage::Down { .. } => {
                self.life = EngineStage::Down { back: None };
                Ok(false)
            }
            EngineStage::Starting { .. } | EngineStage::Failing { .. } | EngineStage::Up => {
                let hangs = self.frozen.is_some();
                self.exit(if hangs { ProcessExit::Killed } else { ProcessExit::Terminated }, None);
                Ok(true)
            }
        }
    }

    /// Ends the server at `at` if it runs, and starts it. Returns whether it ran.
    ///
    /// # Errors
    /// The machine has no power.
    pub(crate) fn restart(&mut self, at: At) -> Result<bool, &'static str> {
        let ended = self.stop(at)?;
        let begins = self.later(if ended { BETWEEN_US } else { 0 });
        let ready = At(begins.0.saturating_add(self.start_us()));
        self.life = EngineStage::Down { back: Some((begins, ready)) };
        Ok(ended)
    }
}

/// Error of an order while the machine has no power.
const AWAY: &str = "the machine does not answer";
