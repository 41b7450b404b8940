//! Describes an explained incident: its kinds, its cause with confidence, and the server's
//! recovery. Types only; `cause` fills them.

use std::collections::BTreeMap;

use crate::fact::{Segment, Seq};
use crate::measure::Count;
use crate::unit::At;
use crate::words::words;

/// Kind of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum IncidentKind {
    /// Memory ran out in the engine, the driver or the kernel.
    OutOfMemory,
    /// The server exited without being asked to, whatever its exit code.
    Crash,
    /// The server answered probes, and its requests made no progress.
    Hang,
    /// The server's process was replaced, or was restarted.
    Restart,
    /// The server was down for some time.
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
    /// Returns the measure that counts this kind.
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

/// Cause of an incident: the first of these with evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cause {
    /// The machine rebooted.
    HostReboot,
    /// The machine stopped answering, and continued without a reboot.
    HostWedge,
    /// An operator stopped, restarted or froze the server.
    Operator,
    /// longhaul itself: a drill, or another order.
    Own,
    /// The kernel's OOM killer, because the machine's memory ran out.
    KernelOom,
    /// The kernel's OOM killer, at the limit of the server's cgroup or container.
    CgroupOom,
    /// A program that guards memory: earlyoom, systemd-oomd.
    UserspaceKiller,
    /// Memory ran out in CUDA, the driver or the engine.
    DriverOom,
    /// The GPU or its driver failed.
    GpuFault,
    /// The engine exited by itself.
    EngineCrash,
    /// The process was there, and made no progress.
    Hang,
    /// The network path failed; the server was healthy.
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
    /// Returns the cause in plain words, for reports.
    pub(crate) fn plain(self) -> &'static str {
        match self {
            Cause::HostReboot => "its machine rebooted",
            Cause::HostWedge => "its machine froze: nothing on it answered",
            Cause::Operator => "somebody stopped or restarted it",
            Cause::Own => "longhaul's own doing",
            Cause::KernelOom => "its machine ran out of memory",
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

/// Confidence in a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Confidence {
    /// The source of the action, or a witness of it, reports it.
    Certain,
    /// The signs fit this cause, and hardly any other.
    Likely,
    /// The signs fit other causes too, or there are none.
    Guess,
}

words!(Confidence { Certain: "certain", Likely: "likely", Guess: "guess" });

/// Recovery of the server, step by step; a step that was not observed is `None`. It begins at the
/// incident's `from`, the last good sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// Detection of the incident by longhaul.
    pub detected: Option<At>,
    /// Start of a new process.
    pub process: Option<At>,
    /// First answer at the server's address.
    pub port: Option<At>,
    /// First model list, or repeated identity.
    pub model: Option<At>,
    /// First token of a whole answer: the end of the time to recovery.
    pub first_token: Option<At>,
    /// First token at the depth of the requests that were in flight at the failure.
    pub same_depth: Option<At>,
}

/// Incident of the server. It may be of several kinds, a crash and an outage for instance, and
/// counts once in each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Incident {
    /// Kinds, the gravest first.
    pub kinds: Vec<IncidentKind>,
    pub cause: Cause,
    /// Confidence in the cause.
    pub confidence: Confidence,
    /// Segment of the incident, whose anchor the instants refer to.
    pub segment: Segment,
    /// Last good sign before it.
    pub from: At,
    /// First good sign after it; `None` without one.
    pub until: Option<At>,
    /// Entries that show it, the gravest first, the first few.
    pub evidence: Vec<Seq>,
    /// Description on one line.
    pub words: String,
    /// Requests in flight that it affected.
    pub in_flight: u64,
    /// Largest depth of these, tokens of context.
    pub depth: Option<u64>,
    /// Recovery of the server.
    pub recovery: Recovery,
    /// First token of a whole answer afterwards, by the depth of its group; asks whose depth grows
    /// are together under `None`. A request sent before it belongs to the recovery and not to the
    /// steady state.
    pub again: BTreeMap<Option<u64>, At>,
}

impl Incident {
    /// Whether the incident is of this kind, among others.
    pub(crate) fn is(&self, kind: IncidentKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Returns the gravest kind.
    pub(crate) fn kind(&self) -> IncidentKind {
        self.kinds.first().copied().unwrap_or(IncidentKind::Outage)
    }

    /// Whether the server did not serve for some time.
    pub(crate) fn is_away(&self) -> bool {
        self.is(IncidentKind::Outage) || self.is(IncidentKind::Hang)
    }

    /// Whether longhaul caused it, so that it is measured but is no failure.
    pub(crate) fn is_expected(&self) -> bool {
        self.cause == Cause::Own
    }

    /// Whether it is a failure for the time between failures: an unordered crash, OOM, hang or
    /// outage, as a gate on these counts it.
    pub(crate) fn is_failure(&self) -> bool {
        Count::FAILURES.into_iter().any(|count| self.counts(count))
    }

    /// Whether a gate counts it. Of longhaul's own actions only an OOM counts, of an operator's
    /// only a restart and an OOM, because nobody orders that memory runs out.
    pub(crate) fn counts(&self, count: Count) -> bool {
        let allowed = match self.cause {
            Cause::Own => count == Count::Ooms,
            Cause::Operator => matches!(count, Count::Restarts | Count::Ooms),
            _ => true,
        };
        allowed && self.kinds.iter().any(|kind| kind.count() == count)
    }

    /// Whether a request of a group of this depth, sent then, met a server that had not recovered.
    /// Holds for the last incident before that instant.
    pub(crate) fn is_recovering(&self, sent: At, depth: Option<u64>) -> bool {
        (self.is_away() || self.is(IncidentKind::Restart))
            && sent > self.from
            && self.again.get(&depth).is_none_or(|first| sent < *first)
    }
}
