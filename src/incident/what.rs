//! What an incident is, once it is explained: its kinds, its cause and how sure
//! that is, and how the server came back. Nouns only; `cause` finds them.

use std::collections::BTreeMap;

use crate::fact::{Segment, Seq};
use crate::measure::Count;
use crate::unit::At;
use crate::words::words;

/// What an incident was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum IncidentKind {
    /// The engine, the driver or the kernel ran out of memory.
    OutOfMemory,
    /// The server died and nobody had asked it to, whatever its exit code.
    Crash,
    /// It answered, and nothing that was asked of it moved.
    Hang,
    /// It was another process, or the same from the start, than before.
    Restart,
    /// It was not there for a while.
    Outage,
}

words!(IncidentKind {
    OutOfMemory: "out of memory",
    Crash: "crash",
    Hang: "hang",
    Restart: "restart",
    Outage: "outage",
});

impl IncidentKind {
    /// The measure that counts it.
    pub(crate) fn count(self) -> Count {
        match self {
            IncidentKind::OutOfMemory => Count::Ooms,
            IncidentKind::Crash => Count::Crashes,
            IncidentKind::Hang => Count::Hangs,
            IncidentKind::Restart => Count::Restarts,
            IncidentKind::Outage => Count::Outages,
        }
    }
}

/// Why it happened: the first of these whose evidence is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cause {
    /// The box booted anew.
    HostReboot,
    /// Nothing of the box answered, and it went on without a boot.
    HostWedge,
    /// Somebody stopped, restarted or froze the server.
    Operator,
    /// longhaul did it itself: a drill, or an order of its own.
    Own,
    /// The kernel's OOM killer, for want of the box's memory.
    KernelOom,
    /// The kernel's OOM killer, at the limit of the server's cgroup or container.
    CgroupOom,
    /// A program that guards memory: earlyoom, systemd-oomd.
    UserspaceKiller,
    /// Memory ran out in CUDA, the driver or the engine.
    DriverOom,
    /// The GPU or its driver failed.
    GpuFault,
    /// The engine died of itself.
    EngineCrash,
    /// It was there, and nothing moved.
    Hang,
    /// The way to it was broken; the server was well.
    Network,
    Unknown,
}

words!(Cause {
    HostReboot: "host_reboot",
    HostWedge: "host_wedge",
    Operator: "operator",
    Own: "own",
    KernelOom: "kernel_oom",
    CgroupOom: "cgroup_oom",
    UserspaceKiller: "userspace_killer",
    DriverOom: "driver_oom",
    GpuFault: "gpu_fault",
    EngineCrash: "engine_crash",
    Hang: "hang",
    Network: "network",
    Unknown: "unknown",
});

impl Cause {
    /// In plain words, for reports.
    pub(crate) fn plain(self) -> &'static str {
        match self {
            Cause::HostReboot => "its box rebooted",
            Cause::HostWedge => "its box froze: nothing of it answered",
            Cause::Operator => "somebody stopped or restarted it",
            Cause::Own => "longhaul's own doing",
            Cause::KernelOom => "its box ran out of memory",
            Cause::CgroupOom => "out of memory at its container's limit",
            Cause::UserspaceKiller => "killed by a program that guards memory",
            Cause::DriverOom => "out of GPU memory",
            Cause::GpuFault => "the GPU failed",
            Cause::EngineCrash => "the engine died",
            Cause::Hang => "it hung: it answered, and nothing moved",
            Cause::Network => "out of reach; the server itself was well",
            Cause::Unknown => "cause unknown",
        }
    }
}

/// How sure a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Confidence {
    /// Whoever did it, or saw it done, says so.
    Certain,
    /// The signs fit, and fit something else hardly.
    Likely,
    /// The signs fit, and fit other things too; or there are none.
    Guess,
}

words!(Confidence { Certain: "certain", Likely: "likely", Guess: "guess" });

/// How the server came back, rung by rung; what was not seen is `None`. The way begins at
/// the incident's `from`, the last good sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// longhaul knew that something was wrong.
    pub detected: Option<At>,
    /// A process was there again.
    pub process: Option<At>,
    /// Something answered at its address.
    pub port: Option<At>,
    /// It listed its model, or said again what it is.
    pub model: Option<At>,
    /// The first token of a whole answer: the end of the time to recovery.
    pub first_token: Option<At>,
    /// The same at the depth of what was in flight when it broke.
    pub same_depth: Option<At>,
}

/// Something that befell the server. One incident may be several things at
/// once, a crash and an outage for instance, and counts once in each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Incident {
    /// What it was, the gravest first.
    pub kinds: Vec<IncidentKind>,
    pub cause: Cause,
    /// How sure that is.
    pub confidence: Confidence,
    /// The segment it happened in; instants are on its anchor.
    pub segment: Segment,
    /// The last good sign before it.
    pub from: At,
    /// The first good sign after it; `None` where none came.
    pub until: Option<At>,
    /// Entries that show it, the gravest first, the first few.
    pub evidence: Vec<Seq>,
    /// What was seen, in words, on one line.
    pub words: String,
    /// Requests that it met in flight.
    pub in_flight: u64,
    /// The deepest of these, tokens of context.
    pub depth: Option<u64>,
    /// How it came back.
    pub recovery: Recovery,
    /// The first token of a whole answer afterwards, by the depth of its group; asks whose depth
    /// grows are together under `None`. What was sent before that is recovery and not steady
    /// state.
    pub again: BTreeMap<Option<u64>, At>,
}

impl Incident {
    /// Whether it was this, among other things.
    pub(crate) fn is(&self, kind: IncidentKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// The gravest thing that it was.
    pub(crate) fn kind(&self) -> IncidentKind {
        self.kinds.first().copied().unwrap_or(IncidentKind::Outage)
    }

    /// Whether nothing could be had of the server for a while.
    pub(crate) fn is_away(&self) -> bool {
        self.is(IncidentKind::Outage) || self.is(IncidentKind::Hang)
    }

    /// Whether longhaul did it itself, so that it is measured and no failure.
    pub(crate) fn is_expected(&self) -> bool {
        self.cause == Cause::Own
    }

    /// Whether it is a failure, for the time between failures: a crash, an OOM, a hang or an
    /// outage that a gate on these would count, so that nobody ordered it.
    pub(crate) fn is_failure(&self) -> bool {
        Count::FAILURES.into_iter().any(|count| self.counts(count))
    }

    /// Whether a gate counts it. What longhaul did itself counts nowhere, an operator's doing
    /// is a restart and nothing else; memory that ran out in either was asked for by nobody.
    pub(crate) fn counts(&self, count: Count) -> bool {
        let allowed = match self.cause {
            Cause::Own => count == Count::Ooms,
            Cause::Operator => matches!(count, Count::Restarts | Count::Ooms),
            _ => true,
        };
        allowed && self.kinds.iter().any(|kind| kind.count() == count)
    }

    /// Whether a request of a group of this depth, sent then, met a server that was not yet
    /// what it had been. Holds for the last incident before that instant.
    pub(crate) fn is_recovering(&self, sent: At, depth: Option<u64>) -> bool {
        (self.is_away() || self.is(IncidentKind::Restart))
            && sent > self.from
            && self.again.get(&depth).is_none_or(|first| sent < *first)
    }
}
