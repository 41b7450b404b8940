//! What becomes of the simulated server, beside what goes over its port, on its way to
//! whoever follows it: another task, or another thread.

use tokio::sync::mpsc;

use crate::sim::ProcessExit;
use crate::unit::At;
use crate::world::TargetOrder;

/// Signs that wait to be read: bounds what a server that nobody follows piles up.
const SIGNS_MAX: usize = 4096;

/// Something that became of the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SimEvent {
    /// It wrote a line to its log.
    Said(String),
    /// Its process is gone.
    Exited(ProcessExit),
    /// The box is back from a power cut.
    Booted,
    /// A process was started, of this number.
    Started(u32),
    /// An order was carried out as far as it can be at once. What comes of it follows.
    Ordered {
        order: TargetOrder,
        /// The number of the action that gave it.
        action: u64,
        /// Whether there was a process that it ended; or why it could not be carried out.
        outcome: Result<bool, &'static str>,
    },
    /// So many signs before this one were lost, because nobody read them.
    Lost(u64),
}

/// Who is told of signs.
pub(crate) type Tell = Box<dyn FnMut(At, SimEvent)>;

/// Signs as they come.
pub(crate) type SimEvents = mpsc::Receiver<(At, SimEvent)>;

/// A way for signs, from one task or thread to another.
pub(crate) fn signs() -> (impl FnMut(At, SimEvent) + Send + 'static, SimEvents) {
    let (sender, signs) = mpsc::channel(SIGNS_MAX);
    let mut lost = 0;
    let tell = move |at, sign| {
        let gap_told = lost == 0 || sender.try_send((at, SimEvent::Lost(lost))).is_ok();
        if gap_told {
            lost = 0;
        }
        // Fails where the queue is full, or where nobody follows any more.
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
