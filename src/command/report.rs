//! `longhaul report`: the conclusions of a run, derived again from its folder alone.

use std::path::Path;

use super::{Format, colour, inputs, mistake, say};
use crate::analysis::{self, Analysis};
use crate::error::Mistake;
use crate::exit::Exit;
use crate::journal::{self, Manifest};
use crate::report;
use crate::spec::Source;
use crate::spec::scenario::Overrides;
use crate::verdict::{self, Verdict};

/// A run, understood and judged.
pub struct Judged {
    /// What was asked.
    pub asked: analysis::Asked,
    /// What was understood.
    pub analysis: Analysis,
    /// What was concluded.
    pub verdict: Verdict,
}

/// Tells a run again.
pub fn report(run: &Path, format: Format) -> Exit {
    match judge(run) {
        Ok(judged) => {
            say(&text(&judged, format));
            judged.verdict.exit()
        }
        Err(wrong) => mistake(&wrong),
    }
}

/// Reads, understands and judges a run folder.
pub fn judge(run: &Path) -> Result<Judged, Mistake> {
    let mut reader = journal::open(run)?;
    let asked = asked(reader.manifest())?;
    let mut first = analysis::Pass1::default();
    for entry in reader.entries()? {
        first.take(&entry);
    }
    let mut fold = analysis::Fold::new(&asked, first.finish());
    let mut entries = reader.entries()?;
    for entry in &mut entries {
        fold.take(&entry);
    }
    fold.told(entries.told());
    let analysis = fold.finish();
    let verdict = verdict::judge(&asked.contract, &asked, &analysis);
    Ok(Judged { asked, analysis, verdict })
}

/// What was asked, from the manifest.
pub fn asked(manifest: &Manifest) -> Result<analysis::Asked, Mistake> {
    let text = &manifest.scenario;
    let source =
        Source { name: text.name.clone(), origin: text.origin.clone(), text: text.text.clone() };
    let overrides: Overrides =
        serde_json::from_value(manifest.overrides.clone()).unwrap_or_default();
    let scenario = inputs::read_scenario(source, &overrides)?;
    todo_asked(manifest, scenario)
}

/// The text in a format.
pub fn text(judged: &Judged, format: Format) -> String {
    let Judged { asked, analysis, verdict } = judged;
    match format {
        Format::Terminal { wide } => {
            let options = report::terminal::Options { wide, colour: colour() };
            report::terminal::render(asked, analysis, verdict, options)
        }
        Format::Json => report::json::render(asked, analysis, verdict),
    }
}
