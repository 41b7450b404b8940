//! Plans the next segment of a run that was cut off: what it keeps of the segments before.

use std::rc::Rc;

use super::Specs;
use super::environment::Environment;
use crate::error::Mistake;
use crate::fact::{Fact, TargetFact, TargetWord};
use crate::journal::{CutRun, Manifest};
use crate::plan::{Fit, Plan};
use crate::run::EarlierSegments;
use crate::run::conductor::Replay;
use crate::unit::At;
use crate::world::Wire;

/// Returns the lengths of texts as they were fitted at the start of the run.
pub(super) fn kept_fit(cut: &CutRun) -> Result<Fit, Mistake> {
    serde_json::from_value(cut.manifest.fit.clone()).map_err(|why| {
        Mistake::new(format!("the lengths of its prompts cannot be read: {why}"))
            .at(cut.dir.display().to_string())
    })
}

/// Returns the manifest with one more segment, where a run goes on.
pub(super) fn as_continued<W: Wire>(
    manifest: Manifest,
    environment: &Environment<W>,
    cut: Option<&CutRun>,
) -> Result<Manifest, Mistake> {
    let Some(cut) = cut else { return Ok(manifest) };
    let mut now = manifest;
    // The kept command has no secrets.
    if let Some(command) = &mut now.command {
        *command = environment.secrets.remove_from(command).into_owned();
    }
    cut.continued(&now, environment.anchor.clone())
}

/// Returns what shows that the server's machine was rebooted while the run was cut off. The simulated
/// server is a part of longhaul, and no machine of its own.
pub(super) fn rebooted<W: Wire>(
    specs: &Specs,
    environment: &Environment<W>,
    cut: &CutRun,
) -> Option<(At, Fact)> {
    let before = cut.manifest.segments.last()?.boot_id.as_ref()?;
    let is_here = environment.sight.kernel && !specs.simulated;
    let is_other = environment.anchor.boot_id.as_ref().is_some_and(|now| now != before);
    let words = "the machine was rebooted while the run was cut off";
    let fact = TargetFact::new(TargetWord::Rebooted, words);
    (is_here && is_other).then_some((At::ZERO, Fact::Target(fact)))
}

/// Leaves out the statements that the run has already.
pub(super) fn without_known(facts: &mut Vec<(At, Fact)>, cut: &CutRun) -> Result<(), Mistake> {
    let is_statement = |fact: &Fact| matches!(fact, Fact::Seen(_) | Fact::Fitted(_));
    let mut known: Vec<Fact> = Vec::new();
    cut.read(|entry| known.extend(is_statement(&entry.fact).then(|| entry.fact.clone())))?;
    facts.retain(|(_, fact)| !is_statement(fact) || !known.contains(fact));
    Ok(())
}

/// Rebuilds what the segments of a run that goes on leave to the next one.
pub(super) fn earlier(cut: &CutRun, plan: Rc<Plan>) -> Result<EarlierSegments, Mistake> {
    let mut replay = Replay::new(plan);
    cut.read(|entry| replay.fold(entry))?;
    let (segment, next_seq) = (cut.segment, cut.next_seq);
    Ok(EarlierSegments { conductor: replay.finish(), segment, next_seq })
}
