//! Defines the actions of a run on the server: drills, which are deliberate interruptions, and the
//! restart policy for failures.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Mistake;
use crate::spec::field::Field;
use crate::words::words;

/// Drill: a deliberate action on the server during the soak. Its consequences are measured and are
/// no failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drill {
    pub kind: DrillKind,
    /// Time in service under load; the drill begins with the next round.
    pub at: Duration,
}

/// Kind of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrillKind {
    /// The server is stopped and started.
    Restart,
    /// The server is stopped, and started after this duration.
    Stop(Duration),
    /// No requests are sent for this duration: some servers fail while idle.
    Idle(Duration),
    /// Every request is aborted before it ends, for this duration.
    Aborts(Duration),
}

impl DrillKind {
    /// Returns the word in scenarios and reports.
    pub(crate) fn word(self) -> &'static str {
        match self {
            DrillKind::Restart => "restart",
            DrillKind::Stop(_) => "stop",
            DrillKind::Idle(_) => "idle",
            DrillKind::Aborts(_) => "aborts",
        }
    }

    /// Whether it needs a server that longhaul started.
    pub(crate) fn gives_orders(self) -> bool {
        matches!(self, DrillKind::Restart | DrillKind::Stop(_))
    }
}

/// Condition for the restart of a server that longhaul started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RestartWhen {
    /// Never: the run ends with the server.
    Never,
    /// After the process has ended.
    #[default]
    OnExit,
    /// After the process has ended or hangs.
    OnHang,
}

words!(RestartWhen { Never: "never", OnExit: "on_exit", OnHang: "on_hang" });

/// Restart policy of a server that longhaul started, for its end or hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Restart {
    /// Condition for a restart.
    pub when: RestartWhen,
    /// Maximum number of restarts. With a driver that leaks, every failed start takes memory from
    /// the machine.
    pub at_most: u32,
    /// Minimum time between the end and the next start.
    pub cool_down: Duration,
}

impl Default for Restart {
    fn default() -> Restart {
        Restart { when: RestartWhen::default(), at_most: 3, cool_down: Duration::from_secs(30) }
    }
}

/// Maximum of `at_most`: a run with more restarts tests nothing else.
const RESTARTS_MAX: u64 = 1_000;
/// Maximum number of drills: each costs a round.
const DRILLS_MAX: usize = 100;

/// Parses `drills`.
///
/// # Errors
/// The first mistake, with its place.
pub(super) fn drills(field: &Field<'_>, longest: Duration) -> Result<Vec<Drill>, Mistake> {
    let mut drills = Vec::new();
    for item in field.list()? {
        for (word, drill) in item.map(&["restart", "stop", "idle", "aborts"])? {
            drills.push(read_drill(word, &drill, longest)?);
        }
    }
    if drills.len() > DRILLS_MAX {
        return Err(field.mistake(format!("more than {DRILLS_MAX} drills")));
    }
    drills.sort_by_key(|drill| drill.at);
    Ok(drills)
}

fn read_drill(word: &str, field: &Field<'_>, longest: Duration) -> Result<Drill, Mistake> {
    let known: &[&str] = if word == "restart" { &["at"] } else { &["at", "for"] };
    let (mut at, mut lasts) = (None, None);
    for (key, value) in field.map(known)? {
        let value = value.duration(longest)?;
        match key {
            "at" => at = Some(value),
            _ => lasts = Some(value),
        }
    }
    let example = if word == "restart" { "at: 2h" } else { "at: 2h, for: 10m" };
    let missing = |key: &str| {
        field
            .mistake(format!("a drill `{word}` needs `{key}`"))
            .hint(format!("{word}: {{ {example} }}"))
    };
    let at = at.ok_or_else(|| missing("at"))?;
    let lasts = || lasts.ok_or_else(|| missing("for"));
    let kind = match word {
        "restart" => DrillKind::Restart,
        "stop" => DrillKind::Stop(lasts()?),
        "idle" => DrillKind::Idle(lasts()?),
        _ => DrillKind::Aborts(lasts()?),
    };
    Ok(Drill { kind, at })
}

/// Parses `restart`: a word, or a map.
///
/// # Errors
/// The first mistake, with its place.
pub(super) fn restart(field: &Field<'_>, longest: Duration) -> Result<Restart, Mistake> {
    let mut restart = Restart::default();
    if !field.node.is_map() {
        restart.when = field.word(&RestartWhen::ALL.map(|when| (when.word(), when)))?;
        return Ok(restart);
    }
    for (key, value) in field.map(&["when", "at_most", "cool_down"])? {
        match key {
            "when" => {
                restart.when = value.word(&RestartWhen::ALL.map(|when| (when.word(), when)))?;
            }
            "at_most" => restart.at_most = value.whole(0, RESTARTS_MAX)? as u32,
            _ => restart.cool_down = value.duration(longest)?,
        }
    }
    Ok(restart)
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::spec::{Scenario, SpecFile};

    fn scenario(more: &str) -> Result<Scenario, String> {
        let text = format!(
            "laps: 4\nworkloads:\n  - ladder: {{ depths: [0], prompt: 8, output: 8, concurrency: [1] }}\n{more}"
        );
        let source = SpecFile { name: "s".into(), origin: "s.yaml".into(), text };
        read(source, &|name| Err(Mistake::new(name))).map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn drills_are_read_in_the_order_of_time() {
        let text = "drills:\n  - stop: { at: 3h, for: 10m }\n  - restart: { at: 2h }\n  \
            - idle: { at: 4h, for: 30m }\n  - aborts: { at: 5h, for: 2m }\n";
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let drill = |kind, at| Drill { kind, at: minutes(at) };
        let expected = [
            drill(DrillKind::Restart, 120),
            drill(DrillKind::Stop(minutes(10)), 180),
            drill(DrillKind::Idle(minutes(30)), 240),
            drill(DrillKind::Aborts(minutes(2)), 300),
        ];
        let scenario = scenario(text).unwrap();
        assert_eq!(scenario.drills, expected);
        assert!(scenario.gives_orders());
    }

    #[test]
    fn a_policy_is_a_word_or_a_map() {
        assert_eq!(scenario("").unwrap().restart, None);
        let asked = scenario("restart: on_hang").unwrap().restart.unwrap();
        assert_eq!(asked, Restart { when: RestartWhen::OnHang, ..Restart::default() });
        let text = "restart: { when: never, at_most: 7, cool_down: 2m }";
        let asked = scenario(text).unwrap().restart.unwrap();
        let cool_down = Duration::from_secs(120);
        assert_eq!(asked, Restart { when: RestartWhen::Never, at_most: 7, cool_down });
    }

    #[test]
    fn what_is_missing_or_misspelt_is_told_with_its_place() {
        let texts = [
            "drills: [{ idle: { at: 2h } }]",
            "drills: [{ restart: { for: 2h } }]",
            "drills: [{ restart: {} }]",
            "drills: [{ kill: { at: 2h } }]",
            "restart: on_exti",
            "restart: { at_most: -1 }",
        ];
        let reported = crate::shown::each(texts, |text| scenario(text).unwrap_err());
        insta::assert_snapshot!("refused", reported);
    }
}
