//! Carries the events of the simulated server, other than its responses, to their consumer in
//! another task or thread.

use tokio::sync::mpsc;

use crate::sim::ProcessExit;
use crate::unit::At;
use crate::world::TargetOrder;

/// Capacity of the channel: bounds the memory of events that nobody reads.
const SIGNS_MAX: usize = 4096;

/// An event of the simulated server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SimEvent {
    /// The server logged a line.
    Said(String),
    /// Its process ended.
    Exited(ProcessExit),
    /// The machine booted after a power cut.
    Booted,
    /// A process was started, with this process id.
    Started(u32),
    /// An order was executed, as far as possible at once. Its consequences follow as events.
    Ordered {
        order: TargetOrder,
        /// Number of the action that gave the order.
        action: u64,
        /// Whether the order ended a process; or the reason why it failed.
        outcome: Result<bool, &'static str>,
    },
    /// Number of events lost before this one, because the channel was full.
    Lost(u64),
}

/// Receiver of events.
pub(crate) type EventHandler = Box<dyn FnMut(At, SimEvent)>;

/// Channel of events.
pub(crate) type SimEvents = mpsc::Receiver<(At, SimEvent)>;

/// Creates a channel of events from one task or thread to another.
pub(crate) fn signs() -> (impl FnMut(At, SimEvent) + Send + 'static, SimEvents) {
    let (sender, signs) = mpsc::channel(SIGNS_MAX);
    let mut lost = 0;
    let tell = move |at, sign| {
        let gap_told = lost == 0 || sender.try_send((at, SimEvent::Lost(lost))).is_ok();
        if gap_told {
            lost = 0;
        }
        // Fails if the channel is full or closed.
        if !gap_told || sender.try_send((at, sign)).is_err() {
            lost += 1;
        }
    };
    (tell, signs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_is_bounded_and_the_gap_is_told() {
        let (mut tell, mut signs) = signs();
        for number in 0..SIGNS_MAX + 3 {
            tell(At(number as u64), SimEvent::Booted);
        }
        assert_eq!(signs.try_recv(), Ok((At(0), SimEvent::Booted)));
        assert_eq!(signs.try_recv(), Ok((At(1), SimEvent::Booted)));
        tell(At(9000), SimEvent::Started(7));
        let mut rest = Vec::new();
        while let Ok(sign) = signs.try_recv() {
            rest.push(sign);
        }
        assert_eq!(rest.len(), SIGNS_MAX);
        assert_eq!(
            rest[SIGNS_MAX - 2..],
            [(At(9000), SimEvent::Lost(3)), (At(9000), SimEvent::Started(7))]
        );
    }
}
