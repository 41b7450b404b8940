//! Probes the server: whether it answers, and whether it is still the one that is driven. A health
//! page alone does not show that: another service may answer at the same address, or the server may
//! have come back with another model.

use std::time::Duration;

use super::arrive::{Gathered, NotGathered, gather};
use super::conductor::PROBE_LIMIT_US;
use super::load::{self, Progress, Terms};
use super::{EventLoop, RunInputs, TaskMessage};
use crate::fact::{BrokenHow, Fact, Missed, MissedReason, Source};
use crate::protocol::probe::{self, MODELS};
use crate::series::{HEALTH_STATUS, MODEL_LISTED, TOKEN_ANSWERED, UP};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Call, Sink, Wire};

/// Time limit for the list of models of a healthy server, microseconds: the load waits for it.
pub(super) const LIST_US: u64 = 3_000_000;

/// Result of a probe.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Probed {
    Up,
    /// Another service answered, with this status.
    Not(u16),
    /// The connection failed.
    Broken,
    /// longhaul's own machine gave it no connection, in words.
    Local(String),
    /// No answer within the limit.
    Silent,
    /// The server answered, but no longer lists a model that it is known by. Holds the models that
    /// it lists; empty if it sent no list.
    Unlisted(Vec<String>),
}

impl<W: Wire, S: Sink> EventLoop<'_, W, S> {
    /// Sends a probe to the server.
    pub(super) fn probe(&mut self) {
        let (wire, timeline, facts) = (self.wire.clone(), self.timeline, self.facts.clone());
        let (script, was_unlisted) = (self.script.clone(), self.known.unlisted);
        let is_failing = self.conductor.is_failing();
        self.tasks.spawn_local(async move {
            let path = script.probe_path;
            let probed = probe(&wire, &timeline, path, &script.listed).await;
            let token = match probed {
                Probed::Up if is_failing => Some(one_token(&wire, &timeline, &script).await),
                _ => None,
            };
            let now = timeline.now();
            for fact in reported(&probed, path, was_unlisted, token) {
                // Sending fails only when the loop has ended, and then the run is over.
                let _ = facts.send(TaskMessage::Fact(now, fact)).await;
            }
            if let Probed::Unlisted(models) = probed {
                let _ = facts.send(TaskMessage::Relisted(now, models)).await;
            }
        });
    }
}

/// Whether a failed probe may come from a busy server.
pub(super) fn may_be_busy(fact: &Fact) -> bool {
    match fact {
        Fact::Reading(reading) => {
            (HEALTH_STATUS.is_of(reading) && probe::is_busy(reading.last as u16))
                || (MODEL_LISTED.is_of(reading) && reading.last < 0.5)
        }
        Fact::Missed(missed) => {
            missed.source == Source::Engine && missed.reason() == MissedReason::NoAnswer
        }
        _ => false,
    }
}

/// Returns the models by which a server is known: the one that is asked for where the server lists
/// it, else all that it lists, as an alias is in no list.
pub(crate) fn known_by(model: &str, listed: impl Iterator<Item = String>) -> Vec<String> {
    let listed: Vec<String> = listed.collect();
    if listed.iter().any(|id| id == model) { vec![model.to_owned()] } else { listed }
}

/// Asks the path that answered in time before the load, and whether one of the models is still
/// listed by which the server is known; without any the list is not asked for.
pub(crate) async fn probe<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    path: &str,
    known: &[String],
) -> Probed {
    let deadline = At(timeline.now().0 + PROBE_LIMIT_US);
    let page = match get(wire, timeline, deadline, path).await {
        None => return Probed::Silent,
        Some(Err(not)) if not.how == Some(BrokenHow::Local) => return Probed::Local(not.words),
        Some(Err(_)) => return Probed::Broken,
        Some(Ok(page)) if !probe::is_up(path, page.status, &page.body) => {
            return Probed::Not(page.status);
        }
        Some(Ok(page)) => page,
    };
    if known.is_empty() {
        return Probed::Up;
    }
    let list = match path {
        MODELS => page,
        _ => match get(wire, timeline, At(timeline.now().0 + LIST_US), MODELS).await {
            Some(Ok(page)) => page,
            // The server just said that it is well.
            None | Some(Err(_)) => return Probed::Up,
        },
    };
    match probe::models(&list.body) {
        Some(models) if list.status == 200 && !models.iter().any(|it| known.contains(it)) => {
            Probed::Unlisted(models)
        }
        _ if probe::is_up(MODELS, list.status, &list.body) || probe::is_busy(list.status) => {
            Probed::Up
        }
        // A health page of another service looks well, and so it does to the sensor.
        _ => Probed::Unlisted(Vec::new()),
    }
}

/// Sends a request of the plan, the shallowest, for one token. Returns whether the token came.
async fn one_token<W: Wire>(wire: &W, timeline: &Timeline, script: &RunInputs) -> bool {
    let Some(slot) = script.plan.shallowest() else { return true };
    let mut ask = script.plan.ask(slot, timeline.now(), &script.fit);
    ask.cell.output = 1;
    let terms = Terms {
        model: &script.model,
        names: &script.names,
        salt: &script.salt,
        abilities: &script.abilities,
        template_tokens: script.fit.template_tokens(),
        limits: &script.plan.limits,
        // It is none of the load's requests.
        progress: &Progress::default(),
    };
    let answer = load::send(wire, timeline, &ask, terms, std::future::pending()).await;
    answer.request.ttft_us.is_some() || answer.request.ended.is_good()
}

/// Requests a page; `None` where it did not come before the deadline.
pub(super) async fn get<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    deadline: At,
    path: &str,
) -> Option<Result<Gathered, NotGathered>> {
    // The deadline ends it earlier.
    let limit = Duration::from_micros(PROBE_LIMIT_US * 2);
    timeline.before(deadline, gather(wire, timeline, Call::get(path), limit)).await
}

/// Returns the facts of a probe, in the order in which they are written.
fn reported(probed: &Probed, path: &str, was_unlisted: bool, token: Option<bool>) -> Vec<Fact> {
    let token = token.map(|came| TOKEN_ANSWERED.reading(f64::from(u8::from(came))));
    let readings = match probed {
        Probed::Up if was_unlisted => vec![MODEL_LISTED.reading(1.0), UP.reading(1.0)],
        Probed::Up => vec![UP.reading(1.0)],
        Probed::Not(status) => {
            vec![HEALTH_STATUS.reading(f64::from(*status)), UP.reading(0.0)]
        }
        Probed::Broken => vec![UP.reading(0.0)],
        Probed::Unlisted(_) => vec![MODEL_LISTED.reading(0.0)],
        Probed::Silent => {
            let why = "no answer in time".to_owned();
            let missed = Missed::once(Source::Engine, path, MissedReason::NoAnswer, why);
            return vec![Fact::Missed(missed)];
        }
        Probed::Local(why) => {
            let missed = Missed::once(Source::Engine, path, MissedReason::Unreadable, why.clone());
            return vec![Fact::Missed(missed)];
        }
    };
    token.into_iter().chain(readings).map(Fact::Reading).collect()
}
