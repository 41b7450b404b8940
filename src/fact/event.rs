//! All facts but requests: the rows of `events.csv` and `readings.csv`. What a
//! row's fixed columns do not hold stands in its `detail`, as these structures.

use serde::{Deserialize, Serialize};

use super::{Cell, Class, Group, Phase};
use crate::unit::At;

/// What a segment is. Everything needed to do it again stands in `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Version of longhaul.
    pub version: String,
    /// Whether the server is longhaul's own model of one.
    pub simulated: bool,
    /// Wall time of the segment's anchor, microseconds since 1970.
    pub wall_us: u64,
    /// The kernel's boot id, where it can be read.
    pub boot_id: Option<String>,
    /// The address that is driven.
    pub endpoint: String,
}

/// A phase began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseBegan {
    pub phase: Phase,
    /// Why the one before it ended.
    pub because: String,
}

/// How a prompt length was fitted to the server's own token count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// `tokenize`, `usage` or `token_ids`.
    pub method: String,
    /// Context before the prompt, tokens.
    pub depth: u64,
    pub prompt: u64,
    /// What the server counted for a sample of it, template included, where it was asked.
    pub counted: Option<u64>,
}

/// What the server or the box says it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// What it is about: `model`, `max_model_len`, `version`, `abilities`, `plan` …
    pub subject: String,
    /// What the recipe or plan declares, where it does.
    pub declared: Option<String>,
    /// What was seen.
    pub seen: String,
    /// Whether the two differ in a way that a reader must know.
    pub differs: bool,
    /// A sentence for the report, where there is something to say.
    pub note: String,
}

impl Seen {
    /// What was seen, with nothing to compare it with.
    pub fn plain(subject: &str, seen: String) -> Seen {
        let subject = subject.to_owned();
        Seen { subject, declared: None, seen, differs: false, note: String::new() }
    }

    /// Something that a reader must know, in a sentence of its own.
    pub fn note(subject: &str, note: String) -> Seen {
        Seen { differs: true, note, ..Seen::plain(subject, String::new()) }
    }

    /// What is to be said of it.
    pub fn words(&self) -> String {
        if self.note.is_empty() {
            let declared = self.declared.as_deref().unwrap_or("nothing");
            format!("{}: declared {declared}, seen {}", self.subject, self.seen)
        } else {
            format!("{}: {}", self.subject, self.note)
        }
    }
}

/// What became of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetWord {
    /// longhaul started it.
    Launched,
    /// A rung of readiness was reached (`rung` says which).
    Ready,
    /// It stopped answering.
    Away,
    /// It answers again.
    Back,
    /// Its process ended.
    Exited,
    /// Its box booted anew, and its process ended with it.
    Rebooted,
    /// It is another process than before.
    Restarted,
    /// Its process was begun again by somebody else: a container engine, a service manager.
    Started,
    /// Somebody sent it a signal through its container engine (`exit.signal` says which).
    Signalled,
    /// Somebody froze it through its container engine.
    Paused,
    /// It was thawed.
    Unpaused,
    /// Its container engine says that memory ran out in it.
    OutOfMemory,
    /// Its container is gone.
    Removed,
    /// It answers its health probe, and nothing that was asked of it moves.
    Hung,
    /// What hung moves again.
    Moving,
    /// What longhaul wanted of it could not be done; `evidence` says why.
    Failed,
}

/// Something became of the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetFact {
    pub word: TargetWord,
    /// Which rung of readiness: `process`, `port`, `model`, `first_token`.
    pub rung: Option<String>,
    /// When it began, where that was before it was known.
    pub since: Option<At>,
    /// The evidence, in words.
    pub evidence: String,
    /// How its process ended, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exited>,
    /// The action of longhaul's own that it came of, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<u64>,
}

impl TargetFact {
    /// What became of it, and how that is known.
    pub fn new(word: TargetWord, evidence: impl Into<String>) -> TargetFact {
        let evidence = evidence.into();
        TargetFact { word, rung: None, since: None, evidence, exit: None, action: None }
    }

    /// A rung of readiness was reached.
    pub fn ready(rung: &str) -> TargetFact {
        TargetFact { rung: Some(rung.to_owned()), ..TargetFact::new(TargetWord::Ready, "") }
    }

    /// The same, begun earlier than it was known.
    #[must_use]
    pub fn since(self, since: At) -> TargetFact {
        TargetFact { since: Some(since), ..self }
    }
}

/// How a process ended, as far as its parent or its container engine tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// Its exit code. 0 means nothing: vLLM exits with it when its engine dies.
    pub code: Option<i64>,
    /// The signal that ended it, or that was sent to it.
    pub signal: Option<i64>,
    /// Whether its container engine says that its cgroup's OOM killer struck.
    pub oom_killed: Option<bool>,
}

/// What longhaul was told or did itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Marks what the action caused.
    pub id: u64,
    /// `interrupt`, `stop_on_fail` …
    pub what: String,
    /// More of it.
    pub note: String,
}

impl Action {
    /// Whether it is an order to the target.
    pub fn is_order(&self) -> bool {
        matches!(self.what.as_str(), LAUNCH | RESTART | STOP)
    }
}

/// The order to start the target, as an action.
pub const LAUNCH: &str = "launch";
/// The order to end it and start it again.
pub const RESTART: &str = "restart";
/// The order to end it.
pub const STOP: &str = "stop";

/// How far every lane of a phase has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Issued {
    /// The phase whose slots these are.
    pub phase: Phase,
    /// One more than the last slot that was sent, by lane: what lies between a lane's last row
    /// and it was sent and never ended. Further down, what has no row was never sent.
    pub next: Vec<u64>,
}

/// A round of a cell ended: what many streams did together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    pub phase: Phase,
    /// The workload's name.
    pub workload: String,
    /// The kind of ask.
    pub class: Class,
    /// Depth × load × shape.
    pub cell: Cell,
    /// Which pass over all cells.
    pub lap: u64,
    /// 0, or the n-th appended repeat.
    pub repeat: u32,
    pub requests: u64,
    /// Of these, answered whole.
    pub good: u64,
    /// When nothing stood in its way any more: requests of a closed round were due at once.
    pub began: At,
    /// First token of any stream.
    pub first: Option<At>,
    /// Last token of any stream.
    pub last: Option<At>,
    /// Output tokens of all streams, where the server counts them.
    pub tokens: Option<u64>,
    /// Tokens that came with the streams' first chunks, where known.
    pub first_tokens: Option<u64>,
    /// The most tokens in any one second over all streams.
    pub peak_tokens: Option<u64>,
    /// How long `/v1/models` took, microseconds, where it was asked.
    pub models_us: Option<u64>,
}

impl Batch {
    /// What its requests are counted with.
    pub fn group(&self) -> Group {
        Group { workload: self.workload.clone(), class: self.class, cell: Some(self.cell) }
    }
}

/// What a gap lies between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapKind {
    /// Time between tokens: a chunk's gap shared out over its tokens.
    Itl,
    /// Time between chunks.
    Gap,
}

/// Histograms that request rows cannot carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gaps {
    pub kind: GapKind,
    pub phase: Phase,
    /// The workload's name; a row without it is of a ladder.
    #[serde(default = "Gaps::ladder", skip_serializing_if = "Gaps::is_ladder")]
    pub workload: String,
    /// The kind of ask.
    pub class: Class,
    /// Depth × load × shape.
    pub cell: Cell,
    /// When the interval began.
    pub from: At,
    /// Values in it.
    pub n: u64,
    /// HDR histogram, microseconds, V2 deflate, base64.
    pub histogram: String,
}

impl Gaps {
    /// What its requests are counted with.
    pub fn group(&self) -> Group {
        Group { workload: self.workload.clone(), class: self.class, cell: Some(self.cell) }
    }

    fn ladder() -> String {
        "ladder".to_owned()
    }

    fn is_ladder(workload: &str) -> bool {
        workload == "ladder"
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// longhaul itself.
    Own,
    /// The engine's metrics and health.
    Engine,
    /// The host's memory and load.
    Host,
    Process,
    Gpu,
    Container,
    Kernel,
    Disk,
}

impl Source {
    pub const ALL: [Source; 8] = [
        Source::Own,
        Source::Engine,
        Source::Host,
        Source::Process,
        Source::Gpu,
        Source::Container,
        Source::Kernel,
        Source::Disk,
    ];

    /// The word in rows.
    pub fn word(self) -> &'static str {
        match self {
            Source::Own => "own",
            Source::Engine => "engine",
            Source::Host => "host",
            Source::Process => "process",
            Source::Gpu => "gpu",
            Source::Container => "container",
            Source::Kernel => "kernel",
            Source::Disk => "disk",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Source> {
        Source::ALL.into_iter().find(|source| source.word() == word)
    }
}

/// An observer read: a folded interval of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub source: Source,
    /// Node, pid, GPU or labels; empty where there is one only.
    pub instance: String,
    /// The series, its unit last in the name.
    pub name: String,
    /// Samples in the interval.
    pub n: u64,
    pub min: f64,
    pub mean: f64,
    pub max: f64,
    pub last: f64,
}

impl Reading {
    /// A reading of one value.
    pub fn single(source: Source, name: &str, value: f64) -> Reading {
        Reading {
            source,
            instance: String::new(),
            name: name.to_owned(),
            n: 1,
            min: value,
            mean: value,
            max: value,
            last: value,
        }
    }
}

/// An observer was due and could not read: blindness is data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missed {
    pub source: Source,
    /// What it would have read.
    pub what: String,
    /// Why it could not.
    pub why: String,
    /// How many times in a row, within one interval.
    pub times: u64,
    /// Why, as a word; rows of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<MissedReason>,
}

/// Why an observer could not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedReason {
    /// It gave no answer in time.
    NoAnswer,
    /// Nobody took the connection.
    Refused,
    /// It was there, and what it gave could not be read.
    Unreadable,
    /// It came faster than it could be read.
    TooFast,
}

impl Missed {
    /// Something that was missed once.
    pub fn once(source: Source, what: &str, reason: MissedReason, why: String) -> Missed {
        Missed { source, what: what.to_owned(), why, times: 1, reason: Some(reason) }
    }

    /// Why; of a row of an earlier version as far as its words tell.
    pub fn reason(&self) -> MissedReason {
        let told = self.why.to_lowercase();
        self.reason.unwrap_or(if told.contains("refused") {
            MissedReason::Refused
        } else if told.contains("no answer") {
            MissedReason::NoAnswer
        } else {
            MissedReason::Unreadable
        })
    }
}

/// How bad a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    /// Worth a look.
    Warning,
    Error,
    /// The engine is gone.
    Fatal,
}

/// A log line that means something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Whose log: the server's own (`process`, `container`) or the kernel's.
    #[serde(default = "Said::server")]
    pub source: Source,
    /// The signature's name.
    pub signature: String,
    pub severity: Severity,
    /// The line, bounded.
    pub line: String,
}

impl Said {
    /// Whose log it is where a row does not say.
    fn server() -> Source {
        Source::Process
    }
}

/// The wall clock as seen from the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// What the wall clock says, microseconds since 1970.
    pub wall_us: u64,
    /// How far it has moved against the timeline since the anchor, microseconds.
    pub drift_us: i64,
}

/// What of longhaul failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The journal could not be written.
    Journal,
    /// It could not keep its own pace.
    Pace,
    /// The clock jumped or the machine slept.
    Clock,
    /// A task of its own broke.
    Panic,
}

/// longhaul's own failure: the run, or the part it touches, is INCONCLUSIVE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    pub kind: FaultKind,
    pub why: String,
    /// Whether the run ends with it.
    pub fatal: bool,
}

/// Why a segment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedBecause {
    /// The plan was carried out.
    Done,
    /// The user asked; what was in flight was allowed to end.
    Interrupted,
    /// The user asked twice; nothing was waited for.
    InterruptedTwice,
    /// A gate was broken and the user had asked to stop then.
    StopOnFail,
    /// The server was away longer than the scenario allows.
    Away,
    /// A server that longhaul started is gone, and is not started again.
    Gone,
    /// Outages used up what may be added to the duration.
    OutOfTime,
    /// An attached server never answered.
    NeverAnswered,
    /// A server that longhaul started never became ready.
    NeverReady,
    /// longhaul failed.
    Fault,
}

/// The segment ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    pub because: ClosedBecause,
    pub note: String,
}
