//! A run folder that says that there was nobody: a server that never answered,
//! or one of longhaul's own that never became ready. What was heard of it is
//! kept as in any other run.

use super::coming::Coming;
use super::paper::manifest_of;
use super::prepare::{Specs, folder, opened};
use super::{Setting, Went, Wish, tell};
use crate::escape::one_line;
use crate::fact::{Closed, ClosedBecause, Entry, Fact};
use crate::spec::recipe;
use crate::unit::At;
use crate::world::{Sink, Target};

/// Bounds why, in words: how it ended, and the line that says it.
const NOTE_CHARS_MAX: usize = 400;

/// Writes the folder.
pub async fn nobody<S: Setting, T: Target>(
    wish: &Wish,
    specs: &Specs,
    setting: &S,
    coming: &mut Coming<T>,
    words: &str,
) -> Went {
    let recipe = specs.recipe.clone().unwrap_or_else(|| recipe::attach("unknown", None, None));
    let folder = folder(wish, setting, &recipe, &specs.scenario);
    let mut manifest = manifest_of(wish, specs, &recipe, setting);
    setting.address().clone_into(&mut manifest.server.endpoint);
    let mut journal = match setting.journal(&folder, &manifest) {
        Ok(journal) => journal,
        Err(wrong) => return Went::Mistake(wrong),
    };
    let secrets = setting.secrets();
    let note = secrets.remove_from(&one_line(words, NOTE_CHARS_MAX));
    let because = if setting.starts() {
        let lines = if wish.quiet { Vec::new() } else { coming.last_lines() };
        for line in lines {
            tell(&format!("its log: {}", secrets.remove_from(&line)));
        }
        ClosedBecause::NeverReady
    } else {
        ClosedBecause::NeverAnswered
    };
    let closed = Closed { because, note };
    let now = setting.timeline().now();
    let (heard, log) = coming.heard_so_far();
    let mut facts = vec![(At::ZERO, opened(setting, specs.simulate))];
    facts.extend(heard);
    facts.push((now, Fact::Closed(closed.clone())));
    let mut written = journal.log(secrets.remove_from(&String::from_utf8_lossy(&log)).as_bytes());
    for (seq, (at, fact)) in facts.into_iter().enumerate() {
        let entry = Entry { segment: 0, seq: seq as u64, at, fact };
        written = written.and_then(|()| journal.append(&entry));
    }
    let durable = journal.close().await;
    Went::Folder(folder, written.and(durable).map(|()| closed))
}
