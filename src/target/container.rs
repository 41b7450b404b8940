//! Queries a container through its engine's command line: docker, podman, or a program that stands
//! in for them. There are three sources, since none is complete: events (who acted), `inspect`
//! (what events missed), and the log.

pub(crate) mod digest;
pub(crate) mod event;
mod events;
pub(crate) mod follow;
pub(crate) mod inspect;
mod late_events;
pub(crate) mod refusal;
pub(crate) mod watch;

use super::program::{NoAnswer, Program};
use crate::error::Mistake;
use crate::timeline::Timeline;
use inspect::ContainerState;

/// Limit of a query, for a daemon that hangs.
const QUESTION_US: u64 = 20_000_000;

/// A container engine.
#[derive(Clone, Debug)]
pub(crate) struct ContainerEngine {
    /// Program: `docker`, `podman`, or a path.
    pub program: Program,
    pub timeline: Timeline,
}

/// Reason why the state of a container is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InspectError {
    /// No such container in the engine.
    Gone,
    /// The engine does not answer, or refuses to.
    Unanswered(String),
}

impl ContainerEngine {
    pub(crate) fn new(program: &str, timeline: Timeline) -> ContainerEngine {
        ContainerEngine { program: Program(program.to_owned()), timeline }
    }

    /// Inspects a container.
    pub(crate) async fn look(&self, name: &str) -> Result<ContainerState, InspectError> {
        let unanswered = |why: NoAnswer| InspectError::Unanswered(why.words(&self.program));
        let asked = ["inspect", "--type", "container", name];
        let answer =
            self.program.ask(&self.timeline, &asked, QUESTION_US).await.map_err(unanswered)?;
        if answer.is_good() {
            return inspect::parse(&answer.out).ok_or_else(|| {
                InspectError::Unanswered(format!("`{}` answers something else", self.program.0))
            });
        }
        let complaint = answer.complaint();
        Err(if inspect::is_gone(&complaint) {
            InspectError::Gone
        } else {
            InspectError::Unanswered(complaint)
        })
    }

    /// Lists the names with digests under which the engine holds an image.
    pub(crate) async fn digests(&self, image: &str) -> Result<Vec<String>, InspectError> {
        let unanswered = |why: NoAnswer| InspectError::Unanswered(why.words(&self.program));
        let asked = ["image", "inspect", "--format", "{{json .RepoDigests}}", image];
        let answer =
            self.program.ask(&self.timeline, &asked, QUESTION_US).await.map_err(unanswered)?;
        if answer.is_good() {
            let names = serde_json::from_str::<Option<Vec<String>>>(answer.out.trim());
            return Ok(names.ok().flatten().unwrap_or_default());
        }
        let complaint = answer.complaint();
        Err(if inspect::is_gone(&complaint) {
            InspectError::Gone
        } else {
            InspectError::Unanswered(complaint)
        })
    }

    /// Inspects a container that a user named.
    ///
    /// # Errors
    /// There is no such container, or the engine cannot be queried.
    pub(crate) async fn find(&self, name: &str) -> Result<ContainerState, Mistake> {
        if !is_container_name(name) {
            return Err(Mistake::new(format!("`{name}` is no container's name")).at("--container"));
        }
        self.look(name).await.map_err(|unknown| match unknown {
            InspectError::Gone => {
                Mistake::new(format!("{} knows no container `{name}`", self.program.0))
                    .at("--container")
                    .hint(format!("{} ps -a", self.program.0))
            }
            InspectError::Unanswered(why) => refusal::explained(&self.program.0, &why),
        })
    }
}

/// Parses an engine's timestamp, as nanoseconds since 1970.
fn nanoseconds(stamp: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(stamp).ok()?;
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

/// Whether a word can be a container's name, and so cannot be taken for an option.
fn is_container_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engines_stamp_has_nanoseconds() {
        assert_eq!(nanoseconds("1970-01-01T00:00:01.000000002Z"), Some(1_000_000_002));
        assert_eq!(nanoseconds("never"), None);
    }
}
