//! Models a report: the content of a run's report, built once from analysis and verdict, as plain
//! data. A layout (terminal, wide, JSON) chooses widths, folds and units, and reads neither of
//! them.

mod acceptance;
mod ailing;
pub(crate) mod bounds;
mod cells;
mod depths;
mod gates;
mod grid;
mod incident;
mod percentiles;
mod proofs;
mod series;
mod streams;
mod tables;
#[cfg(test)]
mod tests;
mod trends;

#[cfg(test)]
pub(crate) use series::tests::over_time;

pub(crate) use cells::{CellNumbers, Numbers};
pub(crate) use depths::DepthTable;
pub(crate) use gates::GateWords;
pub(crate) use grid::{Align, Grid, GridValue, Heading};
pub(crate) use incident::IncidentWords;
pub(crate) use proofs::Proofs;
pub(crate) use tables::{Tables, seqs};
pub(crate) use trends::TrendWords;

use crate::analysis::cache::CacheState;
use crate::analysis::{
    Acceptance, Analysis, Coverage, EffectWord, OverTime, RunDescription, SettingEffect,
    StreamLadder, Tally, Trends,
};
use crate::fact::Ended;
use crate::measure::{Measure, RequestShare};
use crate::spec::{Limit, Select};
use crate::verdict::{FiredCheck, Verdict};

use super::words::{counted, percent, percent_short};

/// Content of a report, in the order of its sections.
#[derive(Clone, Debug)]
pub(crate) struct Page<'a> {
    /// Description of the run, and the command that repeats it.
    pub asked: &'a RunDescription,
    /// Verdict with reasons, gates and findings.
    pub verdict: &'a Verdict,
    /// Time under load, seconds.
    pub load_s: f64,
    /// For a run with ailments: whether the contract detected them.
    pub ailing: Option<String>,
    /// Incidents, in order.
    pub incidents: Vec<IncidentWords<'a>>,
    /// Share of requests that ended badly, and their endings; `None` where none ended by itself.
    pub errors: Option<String>,
    /// Words of the most frequent error; `None` where no failed request has any.
    pub error_words: Option<String>,
    /// Checks of answers that fired, each in three lengths: `swallowed 3 of 60 (5 %)`, with the place
    /// of the first, and with what it means.
    pub checks: Vec<[String; 3]>,
    /// Settings of the recipe: how many are in effect, and those that are not.
    pub in_effect: InEffect,
    /// All settings of the recipe.
    pub settings: &'a [SettingEffect],
    /// Findings and warnings, a sentence each.
    pub notes: Vec<String>,
    /// Times and rates by depth and load.
    pub depths: DepthTable,
    /// Throughput and speed by the number of streams, a line for each depth.
    pub stream_lines: Vec<String>,
    /// Gates by word, the gravest first.
    pub gates: Vec<GateWords>,
    /// Statements that the run proves, and limits of what it proves.
    pub proofs: Proofs,
    /// Numbers of every cell, with phases and classes separate.
    pub cells: Vec<CellNumbers<'a>>,
    /// Depths with several numbers of streams.
    pub streams: Vec<StreamLadder>,
    /// Acceptance of drafted tokens, of all depths and of each.
    pub acceptance: &'a [Acceptance],
    /// Count of the judged requests by ending.
    pub endings: Tally<Ended>,
    /// Count of requests that were sent and have no recorded end.
    pub fate_unknown: u64,
    /// States of the classes to the server's cache.
    pub cache: Vec<CacheState>,
    /// Coverage by source and by kind of event.
    pub coverage: &'a Coverage,
    /// Readings over time, by lifetime in blocks.
    pub over_time: &'a OverTime,
    /// Percentiles that the table leaves out; `None` where it has all.
    pub percentiles_left_out: Option<String>,
    /// Series that the table leaves out, a sentence each.
    pub series_left_out: Vec<String>,
    /// Changes over the hours in words.
    pub trend_words: TrendWords,
    /// Changes over the hours.
    pub trends: &'a Trends,
    /// Tables behind the report.
    pub tables: Tables,
}

impl<'a> Page<'a> {
    /// Builds the page of a run.
    pub(crate) fn new(
        asked: &'a RunDescription,
        analysis: &'a Analysis,
        verdict: &'a Verdict,
    ) -> Page<'a> {
        let cells: Vec<CellNumbers<'a>> = analysis.atoms.iter().map(CellNumbers::of).collect();
        let streams = crate::analysis::streams::ladders(analysis);
        Page {
            asked,
            verdict,
            load_s: analysis.calendar.load_us() as f64 / 1e6,
            ailing: ailing::ailing(asked, analysis, verdict),
            incidents: incident::all(&analysis.calendar, &analysis.trends),
            errors: errors(analysis, verdict),
            error_words: error_words(analysis),
            checks: verdict.checks.iter().map(check).collect(),
            in_effect: in_effect(analysis, verdict),
            settings: &analysis.settings,
            notes: notes(asked, verdict),
            depths: depths::depths(analysis, verdict),
            stream_lines: streams::lines(&streams),
            gates: gates::gates(verdict),
            proofs: Proofs::of(asked, analysis, verdict),
            tables: Tables::of(asked, analysis, verdict, &cells, &streams),
            percentiles_left_out: percentiles::left_out(&cells),
            cells,
            streams,
            acceptance: &analysis.acceptance,
            endings: analysis.endings(&Select::default()),
            fate_unknown: analysis.fate_unknown,
            cache: analysis.cache_states(),
            coverage: &analysis.coverage,
            over_time: &analysis.over_time,
            trend_words: trends::words(analysis, &verdict.gates),
            trends: &analysis.trends,
            series_left_out: series::left_out(&analysis.over_time),
        }
    }
}

/// Returns the share of bad endings, its limit, and the endings, the most frequent first.
fn errors(analysis: &Analysis, verdict: &Verdict) -> Option<String> {
    let all = Select::default();
    let share = analysis.portion(RequestShare::Errors, &all);
    let value = share.value()?;
    let requests = counted(share.of, "request", "requests");
    if share.part == 0 {
        return Some(format!("none of {requests}"));
    }
    let endings = analysis.endings(&all);
    let mut bad: Vec<(Ended, u64)> =
        endings.into_iter().filter(|(ended, _)| ended.is_bad()).collect();
    bad.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let limit = verdict.gates.iter().find_map(|gate| match (gate.measure, gate.limit) {
        (Measure::Portion(RequestShare::Errors), Limit::AtMost(limit)) => Some(limit),
        _ => None,
    });
    let limit = limit.map_or(String::new(), |limit| format!(", asked {}", percent_short(limit)));
    let words: Vec<String> = bad.iter().map(|(ended, n)| ending_words(*ended, *n)).collect();
    Some(format!("{}{limit}: {}, of {requests}", percent(value), words.join(", ")))
}

/// Returns the words of the most frequent error, behind its kind, where any is judged.
fn error_words(analysis: &Analysis) -> Option<String> {
    if analysis.portion(RequestShare::Errors, &Select::default()).part == 0 {
        return None;
    }
    let reported = analysis.notes.words.iter().filter(|of| !of.words.is_empty());
    // Of equal numbers the first counts.
    let most = reported.rev().max_by_key(|of| of.n)?;
    Some(format!("{}: {}", most.ended.word().replace('_', " "), most.words))
}

/// Formats a number of endings: `3 error frames`, `1 truncated`.
fn ending_words(ended: Ended, n: u64) -> String {
    let word = ended.word().replace('_', " ");
    match ended {
        Ended::ErrorFrame | Ended::HttpError => counted(n, &word, &format!("{word}s")),
        _ => counted(n, &word, &word),
    }
}

/// Formats a check that fired, in three lengths.
fn check(fired: &FiredCheck) -> [String; 3] {
    let FiredCheck { check, share, place, meaning, .. } = fired;
    let percent = share.value().map_or(String::new(), |it| format!(" ({})", percent(it)));
    let numbers = format!("{check} {} of {}{percent}", share.part, share.of);
    let first = format!("{numbers}, first {place}");
    let whole = format!("{first}: {meaning}");
    [numbers, first, whole]
}

fn notes(asked: &RunDescription, verdict: &Verdict) -> Vec<String> {
    let findings = verdict.findings.iter().filter(|finding| !finding.is_of_setting);
    let findings = findings.map(|finding| &finding.words);
    findings.chain(&asked.warnings).cloned().collect()
}

/// Settings of a recipe.
#[derive(Clone, Debug)]
pub(crate) struct InEffect {
    /// `settings: 1 not in effect, 19 in effect (7 by its arguments alone)`; `None` where the recipe
    /// declares none.
    pub counts: Option<String>,
    /// Names of those that are not in effect.
    pub names: Vec<String>,
    /// The sentence about each of these.
    pub sentences: Vec<String>,
}

/// Returns how many settings are in effect, and which are not.
fn in_effect(analysis: &Analysis, verdict: &Verdict) -> InEffect {
    let with = |word: EffectWord| analysis.settings.iter().filter(move |it| it.word == word);
    let of = |word: EffectWord| with(word).count();
    let (given, alone) = match of(EffectWord::Given) {
        0 => (0, String::new()),
        n => (n, format!(" ({n} by its arguments alone)")),
    };
    let counts = [
        (of(EffectWord::NotInEffect), "not in effect", ""),
        (of(EffectWord::InEffect) + given, "in effect", alone.as_str()),
        (of(EffectWord::NotSeen), "not seen", ""),
    ];
    let counts = counts.into_iter().filter(|(n, ..)| *n > 0);
    let counts: Vec<String> = counts.map(|(n, word, by)| format!("{n} {word}{by}")).collect();
    let sentences = verdict.findings.iter().filter(|finding| finding.is_of_setting);
    InEffect {
        counts: (!counts.is_empty()).then(|| format!("settings: {}", counts.join(", "))),
        names: with(EffectWord::NotInEffect).map(|it| it.setting.clone()).collect(),
        sentences: sentences.map(|finding| finding.words.clone()).collect(),
    }
}
