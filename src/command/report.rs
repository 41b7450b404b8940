//! Implements `longhaul report`: derives the conclusions of a run again from its folder alone.

pub(crate) mod pooled;

use std::path::Path;

use super::{ReportFormat, colour, finish, inputs, mistake, print_stderr};
use crate::analysis::arena::{self, Table};
use crate::analysis::{
    Analysis, CalendarFold, Fold, JournalGaps, LostRows, Provenance, RunDescription,
};
use crate::error::Mistake;
use crate::exit::Exit;
use crate::fact::row::File;
use crate::fact::{Cell, Entry, Fact, TOKENS_MAX};
use crate::journal::manifest::RunNode;
use crate::journal::{self, Manifest};
use crate::report::{self, Printable};
use crate::spec::scenario::{Extent, Overrides, Workload};
use crate::spec::{Contract, Scenario, SpecFile, TrendBlocks};
use crate::verdict::{self, Verdict};

/// Run that was analysed and judged.
pub(crate) struct JudgedRun {
    /// Recipe, scenario and contract of the run.
    pub asked: RunDescription,
    /// Analysis of the entries.
    pub analysis: Analysis,
    /// Verdict on the contract.
    pub verdict: Verdict,
}

/// Format of another tool, for comparison and submission. Nothing in it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Export {
    /// Spark Arena's `benchmark.csv`.
    Arena,
    /// llama-benchy's JSON.
    Benchy,
}

/// Columns of the report: the width that a forum shows without wrapping.
const WIDTH: usize = 80;

impl JudgedRun {
    /// Returns the program's exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.verdict.exit()
    }

    /// Builds the page of the report.
    pub(crate) fn page(&self) -> report::Page<'_> {
        report::Page::new(&self.asked, &self.analysis, &self.verdict)
    }
}

/// Prints the report of a run again.
pub(crate) fn report(run: &Path, format: ReportFormat) -> Exit {
    match judge(run) {
        Ok(judged) => match rendered(&judged.page(), format) {
            Ok(text) => finish(&text, judged.exit()),
            Err(why) => {
                print_stderr(&format!("error: the report cannot be written: {why}"));
                Exit::Fault
            }
        },
        Err(wrong) => mistake(&wrong),
    }
}

/// Prints a run in the format of another tool. Succeeds when the output was written.
pub(crate) fn export(run: &Path, form: Export) -> Exit {
    let table = match table(run).and_then(|table| exportable(table, run)) {
        Ok(table) => table,
        Err(wrong) => return mistake(&wrong),
    };
    if table.left_out > 0 {
        print_stderr(&format!(
            "note: rounds with a failed request, in no row: {}. Spark Arena takes no benchmark that has one",
            table.left_out
        ));
    }
    let text = match form {
        Export::Arena => report::arena::csv(&table),
        Export::Benchy => report::benchy::json(&table),
    };
    finish(&text, Exit::Pass)
}

/// Checks that a table has rows: without rows it is not a benchmark.
fn exportable(table: Table, run: &Path) -> Result<Table, Mistake> {
    if !table.rows.is_empty() {
        return Ok(table);
    }
    let what = "there is nothing to export: no closed round of a ladder was answered whole";
    let what = match table.left_out_told("run") {
        Some(reported) => format!("{what}; {reported}"),
        None => what.to_owned(),
    };
    let place = run.display().to_string();
    Err(Mistake::new(what).hint(format!("longhaul report {place}")).at(place))
}

/// Converts a run folder to a table of Spark Arena's format.
pub(crate) fn table(run: &Path) -> Result<Table, Mistake> {
    let mut reader = journal::reader::open(run)?;
    let model = reader.manifest().server.model.clone();
    let mut fold = arena::ArenaFold::new();
    reader.read(|entry| fold.fold(entry));
    Ok(fold.finish(&model))
}

/// Reads, analyses and judges a run folder, from the folder alone.
pub(crate) fn judge(run: &Path) -> Result<JudgedRun, Mistake> {
    let (reader, asked) = opened(run)?;
    understood(reader, asked, None)
}

/// Judges a run whose numbers are used beside those of others.
///
/// # Errors
/// It is no run folder, or one that was changed after it was written.
pub(crate) fn judge_unchanged(run: &Path) -> Result<JudgedRun, Mistake> {
    let judged = judge(run)?;
    match &judged.analysis.reported.changed {
        None => Ok(judged),
        Some(changed) => Err(Mistake::new(changed.clone())
            .at(run.display().to_string())
            .hint("leave it out, or take an untouched copy of the folder")),
    }
}

/// Judges a run that was just driven, so that its question is known; includes its series over time.
/// Texts come from the folder, which holds no secrets. `failed` is why longhaul could not write on.
pub(crate) fn judge_as(
    asked: RunDescription,
    run: &Path,
    failed: Option<&str>,
) -> Result<JudgedRun, Mistake> {
    let reader = journal::reader::open(run)?;
    let RunDescription { extent, reference_laps, trend, exact_output, contract, .. } = asked;
    let asked = RunDescription {
        extent,
        reference_laps,
        trend,
        exact_output,
        contract,
        ..told_by(reader.manifest(), run)
    };
    understood(reader, asked, failed)
}

/// Opens a run folder, and derives its question from the manifest.
fn opened(run: &Path) -> Result<(journal::Reader, RunDescription), Mistake> {
    let reader = journal::reader::open(run)?;
    let manifest = reader.manifest();
    let text = &manifest.scenario;
    let source =
        SpecFile { name: text.name.clone(), origin: text.origin.clone(), text: text.text.clone() };
    let overrides: Overrides =
        serde_json::from_value(manifest.overrides.clone()).unwrap_or_default();
    let scenario = inputs::judged_scenario(source, &overrides)?;
    let asked = asked(manifest, &scenario, run);
    Ok((reader, asked))
}

fn understood(
    mut reader: journal::Reader,
    mut asked: RunDescription,
    failed: Option<&str>,
) -> Result<JudgedRun, Mistake> {
    let mut first = CalendarFold::new(&asked.trend);
    reader.read(|entry| first.fold(entry));
    let failed = failed.map(str::to_owned);
    asked.reported = JournalGaps { failed, ..reported(&reader.reported()) };
    let mut fold = Fold::over_time(&asked, first.finish());
    reader.again()?.read_prepared(decode_histogram, |entry| fold.fold(entry));
    let analysis = fold.finish();
    let verdict = verdict::judge(&asked.contract, &analysis);
    Ok(JudgedRun { asked, analysis, verdict })
}

/// Decodes the histogram of an entry, which only the second pass needs.
fn decode_histogram(entry: &Entry) {
    if let Fact::Gaps(gaps) = &entry.fact {
        let _ = gaps.histogram.steps();
    }
}

/// Derives the question of a run from its manifest and scenario.
pub(crate) fn asked(manifest: &Manifest, scenario: &Scenario, run: &Path) -> RunDescription {
    RunDescription {
        extent: scenario.extent,
        reference_laps: scenario.reference_laps,
        trend: scenario.trend,
        exact_output: scenario.workloads.iter().all(Workload::is_of_exact_output),
        contract: scenario.contract.clone(),
        ..told_by(manifest, run)
    }
}

/// Returns the description of a run as its manifest has it, without what only its scenario tells.
fn told_by(manifest: &Manifest, run: &Path) -> RunDescription {
    RunDescription {
        recipe: manifest.recipe.name.clone(),
        scenario: manifest.scenario.name.clone(),
        model: manifest.server.model.clone(),
        declared: manifest.declared.clone(),
        container: manifest.container.clone(),
        endpoint: manifest.server.endpoint.clone(),
        simulated: manifest.simulated,
        ailments: manifest.ailments.clone(),
        seed: manifest.seed,
        version: manifest.longhaul.clone(),
        folder: run.display().to_string(),
        again: manifest.again.clone(),
        provenance: provenance(manifest),
        extent: Extent::Laps(0),
        reference_laps: 0,
        trend: TrendBlocks::default(),
        cells: cells(manifest),
        exact_output: true,
        template_tokens: template_tokens(manifest),
        contract: Contract::default(),
        warnings: manifest.warnings.clone(),
        reported: JournalGaps::default(),
    }
}

/// Returns what a run was made of.
fn provenance(manifest: &Manifest) -> Provenance {
    let joined = |parts: &[Option<&String>]| -> String {
        let known = parts.iter().flatten().map(|it| it.as_str()).filter(|it| !it.is_empty());
        known.collect::<Vec<_>>().join(" ")
    };
    let server = &manifest.server;
    let host = |node: &RunNode| {
        let named = |name: &str, value: &Option<String>| {
            value.as_ref().map_or(String::new(), |it| format!(", {name} {it}"))
        };
        let (kernel, driver) = (named("kernel", &node.kernel), named("driver", &node.driver));
        let clocks = named("clocks", &node.clocks);
        format!("{} ({}{kernel}{driver}{clocks})", node.host, node.role)
    };
    Provenance {
        run: manifest.run.clone(),
        began_us: manifest.start_us(),
        engine: joined(&[server.engine.as_ref(), server.version.as_ref()]),
        hosts: manifest.nodes.iter().map(host).collect(),
        command: manifest.command.clone(),
        recipe_sha256: manifest.recipe.sha256.clone(),
        scenario_sha256: manifest.scenario.sha256.clone(),
    }
}

/// Returns the cells of a lap, as the plan resolved them.
fn cells(manifest: &Manifest) -> Vec<Cell> {
    serde_json::from_value(manifest.plan["cells"].clone()).unwrap_or_default()
}

/// Returns the tokens of the server's chat template, as they were measured before the load.
fn template_tokens(manifest: &Manifest) -> u64 {
    let tokens = |key: &str| manifest.fit[key].as_u64().unwrap_or(0).min(TOKENS_MAX);
    tokens("prompt_overhead").max(tokens("both_overhead"))
}

fn reported(reported: &journal::ReadSummary) -> JournalGaps {
    let mut torn: Vec<String> = reported
        .torn
        .iter()
        .map(|(file, bytes)| {
            format!("{file}: the last {bytes} bytes are not a whole row and were left out")
        })
        .collect();
    if reported.damaged_rows > 0 {
        torn.push(format!("damaged rows in the middle, left out: {}", reported.damaged_rows));
    }
    // The rest of the file is missing, and nobody knows how much that is.
    torn.extend(reported.unreadable.iter().map(|why| format!("{why}: not read any further")));
    JournalGaps {
        missing_seqs: reported.missing_seqs,
        lost: lost(reported),
        torn,
        changed: reported.changed.clone(),
        failed: None,
        unsealed: reported.unsealed,
    }
}

/// Returns the most rows that each file may have lost. A number that is missing, and that no
/// damaged row explains, may be missing in any of them.
fn lost(reported: &journal::ReadSummary) -> LostRows {
    let all = reported.missing_seqs.saturating_sub(reported.cut_seqs);
    let known: u64 = reported.known_lost.iter().map(|(_, n)| n).sum();
    let of = |file: File| {
        let known_here = reported.known_lost.iter().filter(|(of, _)| *of == file).map(|(_, n)| n);
        all.min(known_here.sum::<u64>() + all.saturating_sub(known))
    };
    let [requests, events, readings] = File::ALL.map(of);
    LostRows { requests, events, readings, all }
}

/// Renders the page in a format.
///
/// # Errors
/// XML that cannot be written to memory.
pub(crate) fn rendered(page: &report::Page<'_>, format: ReportFormat) -> Result<Printable, String> {
    Ok(match format {
        ReportFormat::Terminal { wide } => for_people(page, wide),
        ReportFormat::Json => report::json::render(page, true),
        ReportFormat::Markdown => report::forum::render(page),
        ReportFormat::Github => report::annotations::render(page),
        ReportFormat::Junit => report::junit::render(page)?,
    })
}

/// Renders the page for a terminal.
pub(crate) fn for_people(page: &report::Page<'_>, wide: bool) -> Printable {
    report::render(page, report::TerminalOptions { wide, colour: colour(), width: WIDTH })
}

/// Writes the verdict to the run folder. A failure is printed, and does not fail the run.
pub(crate) fn keep(page: &report::Page<'_>, run: &Path) {
    if let Err(why) = journal::replace(run, "verdict.json", verdict_json(page).text()) {
        print_stderr(&format!("warning: verdict.json could not be written: {why}"));
    }
}

/// Renders `verdict.json`, the file in the run folder for scripts, without the hours.
pub(crate) fn verdict_json(page: &report::Page<'_>) -> Printable {
    report::json::render(page, false)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn a_run_without_a_whole_round_is_no_benchmark_to_hand_in() {
        let run = Path::new("runs/dead");
        assert_snapshot!(exportable(Table::default(), run).unwrap_err(), @"
            error: there is nothing to export: no closed round of a ladder was answered whole
               at: runs/dead
              try: longhaul report runs/dead
        ");
        let table = Table { left_out: 2, ..Table::default() };
        assert_snapshot!(exportable(table, run).unwrap_err(), @"
            error: there is nothing to export: no closed round of a ladder was answered whole; rounds of the run with a failed request, in no row: 2
               at: runs/dead
              try: longhaul report runs/dead
        ");
        let mut table = Table::default();
        table.rows.push(arena::ArenaRow::named("pp512").unwrap());
        assert!(exportable(table, run).is_ok());
    }

    #[test]
    fn what_is_no_run_folder_is_refused_by_every_way_to_read_one() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().display().to_string();
        let named = |wrong: Mistake| crate::shown::named(&wrong.to_string(), &[(&path, "FOLDER")]);
        let reported = named(judge(folder.path()).map(drop).unwrap_err());
        assert_snapshot!(reported, @"
            error: this is not a run folder: it holds no run.json
               at: FOLDER
              try: give the folder that `longhaul run` named at its end, as runs/tonight
        ");
        assert_eq!(named(table(folder.path()).map(drop).unwrap_err()), reported);
        std::fs::write(folder.path().join("run.json"), "{").unwrap();
        assert_snapshot!(named(judge(folder.path()).map(drop).unwrap_err()), @"
            error: the manifest of the run cannot be read: EOF while parsing an object at line 1 column 1
               at: FOLDER/run.json
        ");
    }

    #[test]
    fn a_number_that_no_damaged_row_explains_may_be_missing_in_any_file() {
        let lost = |missing_seqs, cut_seqs, known_lost: &[(File, u64)]| {
            let known_lost = known_lost.to_vec();
            let summary =
                journal::ReadSummary { missing_seqs, cut_seqs, known_lost, ..Default::default() };
            let LostRows { requests, events, readings, all } = lost(&summary);
            [requests, events, readings, all]
        };
        assert_eq!(lost(0, 0, &[]), [0; 4]);
        assert_eq!(lost(2, 0, &[]), [2; 4]);
        assert_eq!(lost(1, 0, &[(File::Requests, 1)]), [1, 0, 0, 1]);
        assert_eq!(lost(3, 0, &[(File::Readings, 1)]), [2, 2, 3, 3]);
        assert_eq!(lost(5, 5, &[(File::Readings, 1)]), [0; 4], "a power cut took them");
    }

    #[test]
    fn what_is_missing_from_a_journal_is_told_file_by_file() {
        let gaps = reported(&journal::ReadSummary {
            torn: vec![("events.csv", 17)],
            damaged_rows: 3,
            missing_seqs: 4,
            unreadable: Some("events.csv: Input/output error (os error 5)".to_owned()),
            ..journal::ReadSummary::default()
        });
        assert_eq!(gaps.missing_seqs, 4);
        assert_snapshot!(gaps.torn.join("\n"), @"
            events.csv: the last 17 bytes are not a whole row and were left out
            damaged rows in the middle, left out: 3
            events.csv: Input/output error (os error 5): not read any further
        ");
    }
}
