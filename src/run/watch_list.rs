//! Reads the server's list of models while the load runs: a router may take the model out of it, or
//! list other weights under its name, while answers go on. It is no probe: a list that is late, busy
//! or missing says nothing, and no list decides whether the server is up.

use tokio::sync::mpsc;

use super::arrive::{self, Gathered, Model};
use super::identity::Identity;
use super::observe::SensorControl;
use super::probe::{LIST_US, get};
use super::{EventLoop, TaskMessage};
use crate::fact::{Fact, Statement};
use crate::protocol::probe::MODELS;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Sink, Wire};

/// Wait between two lists, microseconds: after one that came, and the longest after several that did
/// not.
const WAIT_US: (u64, u64) = (10_000_000, 160_000_000);

/// Largest number of changes that are recorded; bounds the rows where replicas with different lists
/// answer in turn.
const CHANGES_MAX: u32 = 32;

/// State of the list, as far as it was recorded.
#[derive(Debug, Default)]
pub(super) struct WatchedList {
    /// Models that are listed in place of those by which the server is known, in their order.
    others: Option<Vec<String>>,
    changes: u32,
}

impl WatchedList {
    /// Takes in a list. Returns the statement on it where it lists others than the `known` models, or
    /// one of these again.
    fn fold(&mut self, known: &[String], listed: &[Model]) -> Option<Statement> {
        let mut ids: Vec<String> = listed.iter().map(|model| model.id.clone()).collect();
        ids.sort();
        let others = (!ids.iter().any(|id| known.contains(id))).then_some(ids);
        if others == self.others || self.changes == CHANGES_MAX {
            return None;
        }
        self.others = others;
        self.changes += 1;
        Some(Statement::model_list(known, self.others.as_deref()))
    }
}

/// Reads the list until the run drains, then once more.
pub(super) async fn watch<W: Wire>(
    wire: W,
    timeline: Timeline,
    facts: mpsc::Sender<TaskMessage>,
    control: SensorControl,
) {
    let mut wait_us = WAIT_US.0;
    loop {
        let last = tokio::select! { biased;
            () = timeline.until(At(timeline.now().0 + wait_us)) => false,
            _ = control.draining.until(|draining| *draining) => true,
        };
        let page = get(&wire, &timeline, At(timeline.now().0 + LIST_US), MODELS).await;
        let models = page.and_then(Result::ok).and_then(|page| list(&page));
        wait_us = if models.is_some() { WAIT_US.0 } else { (wait_us * 2).min(WAIT_US.1) };
        if let Some(models) = models
            && facts.send(TaskMessage::Listed(timeline.now(), models)).await.is_err()
        {
            return;
        }
        if last {
            return;
        }
    }
}

/// Returns the models of a page that is a list.
fn list(page: &Gathered) -> Option<Vec<Model>> {
    (page.status == 200).then(|| arrive::listed(&page.body))?
}

impl<W: Wire, S: Sink> EventLoop<'_, W, S> {
    /// Records what changed in the list of models. While the server is not up, the probes and the
    /// reading of its identity tell what came in its place.
    pub(super) fn listed(&mut self, at: At, models: &[Model]) -> Result<(), String> {
        if !self.conductor.is_server_up() {
            return Ok(());
        }
        let now = Identity::of(models, &self.script.model, None, None);
        let is_known = models.iter().any(|model| self.script.listed.contains(&model.id));
        // A server that came back with another model, which was recorded then.
        let is_told = !is_known && self.known.identity.is_of_model(&now);
        let list = &mut self.known.list;
        let seen = (!is_told).then(|| list.fold(&self.script.listed, models)).flatten();
        if let Some(seen) = seen {
            self.record(at, Fact::Seen(seen))?;
        }
        self.changed(at, now.without_model())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(ids: &[&str]) -> Vec<Model> {
        let model = |id: &&str| Model {
            id: (*id).to_owned(),
            root: None,
            parent: None,
            max_model_len: None,
        };
        ids.iter().map(model).collect()
    }

    #[test]
    fn a_model_that_leaves_the_list_and_comes_back_is_stated_once_each() {
        let mut list = WatchedList::default();
        let known = ["m".to_owned()];
        let mut seen =
            |ids: &[&str]| list.fold(&known, &models(ids)).map(|it| (it.declared, it.seen));
        let gone = |seen: &str| Some((Some("m".to_owned()), seen.to_owned()));
        assert_eq!(seen(&["m"]), None);
        assert_eq!(seen(&["lora", "m"]), None, "another beside it");
        assert_eq!(seen(&["b", "a"]), gone("a, b"));
        assert_eq!(seen(&["a", "b"]), None, "in another order");
        assert_eq!(seen(&[]), gone(""));
        assert_eq!(seen(&["m"]), Some((None, "m".to_owned())));
        assert_eq!(seen(&["m"]), None);
    }

    #[test]
    fn replicas_with_different_lists_are_stated_a_bounded_number_of_times() {
        let mut list = WatchedList::default();
        let known = ["m".to_owned()];
        let lists = (0..1_000).map(|nth| if nth % 2 == 0 { "other" } else { "m" });
        let stated = lists.filter_map(|id| list.fold(&known, &models(&[id]))).count();
        assert_eq!(stated, CHANGES_MAX as usize);
    }

    #[test]
    fn what_is_no_list_says_nothing() {
        let page = |status, body: &str| {
            let body = body.as_bytes().to_vec();
            let (sent, first, retry_after, redirect) = (At::ZERO, None, None, None);
            list(&Gathered { status, body, sent, first, retry_after, redirect })
        };
        let ours = r#"{"object":"list","data":[{"id":"m"}]}"#;
        assert_eq!(page(200, ours), Some(models(&["m"])));
        for status in [404, 429, 500, 503] {
            assert_eq!(page(status, ours), None, "{status}");
        }
        for body in ["", "<html>", "{}", r#"{"detail":"Not Found"}"#] {
            assert_eq!(page(200, body), None, "{body}");
        }
        assert_eq!(page(200, r#"{"data":[]}"#), Some(Vec::new()), "it lists none");
    }
}
