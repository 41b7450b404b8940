//! Implements `longhaul plan`: shows what a scenario amounts to, without sending anything.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::inputs::{DEFAULT_RECIPE, Inputs, recipe_warnings};
use super::{finish, mistake, report};
use crate::error::Mistake;
use crate::exit::Exit;
use crate::journal;
use crate::measure::{MTBF_CONFIDENCE, Quantity, Statistic};
use crate::plan::forecast::{Decidable, Forecast, GroupForecast, forecast};
use crate::plan::misfit::misfits;
use crate::plan::{Bounds, Plan, Rates};
use crate::report::Printable;
use crate::report::layout::indented;
use crate::spec::{Extent, Recipe, Scenario, Select, SpecFile, recipe};
use crate::stats::poisson::{mean_time_between, time_to_show};
use crate::unit::{Bytes, grouped, span, span_needed};
use crate::verdict::exposure::GOALS_S;

/// Options of a plan.
#[derive(Clone, Debug)]
pub(crate) struct PlanOptions {
    /// Recipe, scenario, overrides, seed, profile.
    pub inputs: Inputs,
    /// Earlier run from which the rates are taken.
    pub from: Option<PathBuf>,
    /// Prompt and output tokens per second.
    pub flat: Option<(f64, f64)>,
}

/// Prints what a scenario amounts to.
pub(crate) fn plan(options: &PlanOptions) -> Exit {
    match planned(options) {
        Ok(text) => finish(&Printable::terminal(&text), Exit::Pass),
        Err(wrong) => mistake(&wrong),
    }
}

fn planned(options: &PlanOptions) -> Result<String, Mistake> {
    let earlier = options.from.as_deref().map(EarlierRun::read).transpose()?;
    let recipe = match &earlier {
        // Without another one named, the recipe of that run.
        Some(earlier) if options.inputs.recipe.is_none() => earlier.recipe.clone(),
        _ => options.inputs.recipe(Some(DEFAULT_RECIPE))?,
    };
    let scenario = options.inputs.scenario("quick")?;
    let rates = match (&earlier, options.flat) {
        (Some(earlier), _) => earlier.rates.clone(),
        (None, Some((prefill_per_s, decode_per_s))) => flat(prefill_per_s, decode_per_s)?,
        (None, None) => options.inputs.rates(recipe.as_ref())?,
    };
    let slots = recipe.as_ref().and_then(|recipe| recipe.whole("max_num_seqs"));
    let declared = recipe.as_ref().and_then(|recipe| recipe.whole("max_model_len"));
    let taken = earlier.as_ref().and_then(|earlier| earlier.max_model_len);
    let bounds = Bounds {
        max_model_len: declared.into_iter().chain(taken).min(),
        prefill_per_s: match &earlier {
            Some(earlier) => earlier.prefill_per_s,
            None => prefill_per_s(&rates),
        },
        ..Bounds::default()
    };
    let plan = Plan::new(&scenario, options.inputs.seed, bounds)?;
    let forecast = forecast(&plan, &rates, slots);
    Ok(Table { recipe: recipe.as_ref(), scenario: &scenario, plan: &plan, forecast, rates }.text())
}

fn flat(prefill_per_s: f64, decode_per_s: f64) -> Result<Rates, Mistake> {
    let is_rate = |rate: f64| rate > 0.0 && rate.is_finite();
    if is_rate(prefill_per_s) && is_rate(decode_per_s) {
        return Ok(Rates::Flat { prefill_per_s, decode_per_s });
    }
    Err(Mistake::new("a rate is a number of tokens per second above 0")
        .hint("--prefill-rate 1800 --decode-rate 22"))
}

/// Returns the prefill rate that `quick` would measure at the start, with a prompt of 2,048 tokens.
fn prefill_per_s(rates: &Rates) -> Option<f64> {
    match rates {
        Rates::Profile(profile) => Some(2048.0 / profile.prefill_seconds(2048)),
        Rates::Flat { prefill_per_s, .. } => Some(*prefill_per_s),
        Rates::Measured { .. } | Rates::Unknown => None,
    }
}

/// Earlier run as the base of a plan.
struct EarlierRun {
    /// Recipe of the run; `None` where its text cannot be read.
    recipe: Option<Recipe>,
    rates: Rates,
    /// Longest context of its server, in tokens.
    max_model_len: Option<u64>,
    /// Prefill rate that it measured at its start, by which a scenario with a `cap` leaves out
    /// depths.
    prefill_per_s: Option<f64>,
}

impl EarlierRun {
    fn read(run: &Path) -> Result<EarlierRun, Mistake> {
        let rates = measured(run)?;
        let manifest = journal::reader::read_manifest(run)?;
        let recipe = SpecFile {
            name: manifest.recipe.name,
            origin: manifest.recipe.origin,
            text: manifest.recipe.text,
        };
        Ok(EarlierRun {
            recipe: recipe::read(recipe).ok(),
            rates,
            max_model_len: manifest.server.max_model_len,
            prefill_per_s: manifest.plan["prefill_tokens_per_s"].as_f64(),
        })
    }
}

/// Returns the rates of an earlier run: the median time of a request in each of its cells.
fn measured(run: &Path) -> Result<Rates, Mistake> {
    let judged = report::judge_unchanged(run)?;
    let mut request_seconds = BTreeMap::new();
    for cell in &judged.asked.cells {
        let select = Select { depth: Some(cell.depth), load: Some(cell.load), ..Select::default() };
        let dist = judged.analysis.dist(Quantity::E2e, &select);
        if let Some(seconds) = dist.percentile(0.5) {
            request_seconds.insert(cell.to_string(), seconds.number());
        }
    }
    if request_seconds.is_empty() {
        return Err(Mistake::new(format!("no cell of {} was measured", run.display()))
            .hint("a run that got past its warm-up"));
    }
    Ok(Rates::Measured { origin: run.display().to_string(), request_seconds })
}

/// Text of the plan.
struct Table<'a> {
    recipe: Option<&'a Recipe>,
    scenario: &'a Scenario,
    plan: &'a Plan,
    forecast: Forecast,
    rates: Rates,
}

fn or_unknown<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "unknown".to_owned(), show)
}

impl Table<'_> {
    fn text(&self) -> String {
        let mut out = String::new();
        self.head(&mut out);
        self.cells(&mut out);
        self.gates(&mut out);
        self.notes(&mut out);
        out
    }

    fn head(&self, out: &mut String) {
        let forecast = &self.forecast;
        let recipe = self.recipe.map_or("no recipe", |recipe| recipe.source.name.as_str());
        let _ = writeln!(out, "PLAN  {recipe} · {}", self.scenario.source.name);
        let _ = writeln!(out, "\n{}", indented(&self.scenario.about, 2));
        let extent = match self.plan.extent {
            Extent::Duration(duration) => format!("{} under load", span(duration.as_secs_f64())),
            Extent::Laps(1) => "one lap".to_owned(),
            Extent::Laps(laps) => format!("{laps} laps"),
        };
        let count = |value: Option<u64>| or_unknown(value, |value| grouped(value as f64));
        let mut row = |name: &str, value: String| {
            let _ = writeln!(out, "  {name:<10} {value}");
        };
        row("extent", extent);
        row("takes", or_unknown(forecast.seconds, span));
        row("rates", self.rates_from());
        row("a lap", or_unknown(forecast.lap_seconds, span));
        row(
            "laps",
            format!(
                "{} after {} of warm-up; {} are the reference window",
                count(forecast.laps),
                self.plan.warmup_laps,
                self.plan.reference_laps
            ),
        );
        row("requests", count(forecast.requests));
        row(
            "tokens",
            format!("{} in, {} out", count(forecast.prompt_tokens), count(forecast.output_tokens)),
        );
        row("on disk", or_unknown(forecast.bytes, |bytes| format!("about {}", Bytes(bytes))));
        row(
            "needs",
            format!("a server that takes {} tokens", grouped(self.plan.tokens_max() as f64)),
        );
        let judged = forecast.judged_seconds.or(forecast.seconds);
        let judged = judged.filter(|seconds| *seconds > 0.0);
        if let (Extent::Duration(_), Some(seconds)) = (self.plan.extent, judged) {
            let (low, _) = mean_time_between(0, seconds, MTBF_CONFIDENCE);
            let (seconds, low) = (span(seconds), span(low));
            row("no failure", format!("in {seconds} would show an MTBF above {low} (95 %)"));
            let goals = GOALS_S.map(|goal_s| {
                let needed = span_needed(time_to_show(0, goal_s, MTBF_CONFIDENCE));
                format!("{:.0} h needs {needed}", goal_s / 3600.0)
            });
            row("", goals.join(", "));
        }
    }

    fn rates_from(&self) -> String {
        match &self.rates {
            Rates::Unknown => {
                "unknown; --profile, --from RUN, or --prefill-rate and --decode-rate".to_owned()
            }
            rates => rates.origin(),
        }
    }

    fn cells(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "\n  {:<26} {:<6} {:>8} {:>9} {:>9}  decides",
            "cell", "class", "per lap", "a round", "samples"
        );
        for known in &self.forecast.groups {
            let decides = match known.samples {
                None => "unknown",
                Some(samples) if samples >= Statistic::P99.samples_min() => "p50 p95 p99",
                Some(samples) if samples >= Statistic::P95.samples_min() => "p50 p95",
                Some(0) => "nothing",
                Some(_) => "p50",
            };
            let _ = writeln!(
                out,
                "  {:<26} {:<6} {:>8} {:>9} {:>9}  {decides}",
                known.group.cell_word(),
                known.group.class.word(),
                known.per_lap,
                or_unknown(known.round_seconds, span),
                or_unknown(known.samples, |samples| grouped(samples as f64)),
            );
        }
    }

    fn gates(&self, out: &mut String) {
        let gates = self.forecast.gates(&self.scenario.contract, self.plan, None);
        if gates.is_empty() {
            return;
        }
        let _ = writeln!(out, "\n  gates");
        for (gate, decidable) in gates {
            let word = match decidable {
                Decidable::Yes => "can be decided".to_owned(),
                Decidable::Needs(what) => format!("can be decided where a run sees {what}"),
                Decidable::PassOnly(why) => format!("can pass, CANNOT fail: {why}"),
                Decidable::No(why) => format!("CANNOT be decided: {why}"),
                Decidable::Unknown => "unknown".to_owned(),
            };
            let _ = writeln!(out, "    {:<34} {word}", gate.text);
        }
    }

    /// Returns the cells that an earlier run, as the source of the rates, did not measure.
    fn unmeasured(&self) -> Option<String> {
        if !matches!(self.rates, Rates::Measured { .. }) {
            return None;
        }
        let is_unknown = |known: &&GroupForecast| known.round_seconds.is_none();
        let mut cells = self.forecast.groups.iter().filter(is_unknown);
        let first = cells.next()?.group.cell_word();
        let more = cells.count();
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Some(format!(
            "the run of --from did not measure {first}{more}: their time is unknown; the flags of \
             that run plan the same load"
        ))
    }

    fn notes(&self, out: &mut String) {
        let mut notes = self.plan.notes.clone();
        let misfits = self.recipe.map(|recipe| misfits(self.plan, recipe, None));
        notes.extend(misfits.into_iter().flatten().map(|seen| seen.note));
        notes.extend(self.forecast.notes.iter().cloned());
        notes.extend(self.unmeasured());
        if let Some(recipe) = self.recipe {
            notes.extend(recipe_warnings(recipe));
        }
        notes.extend(self.scenario.warnings.iter().cloned());
        for note in notes {
            let _ = write!(out, "\n{}", indented(&format!("note: {note}"), 2));
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::named;

    fn reported(scenario: &str, change: impl Fn(&mut PlanOptions)) -> String {
        let inputs = Inputs { scenario: Some(scenario.to_owned()), ..Inputs::default() };
        let mut options = PlanOptions { inputs, from: None, flat: None };
        change(&mut options);
        planned(&options).unwrap_or_else(|wrong| wrong.to_string())
    }

    #[test]
    fn a_plan_says_how_long_it_takes_what_it_sends_and_what_it_can_decide() {
        assert_snapshot!("overnight", reported("overnight", |_| ()));
        assert_snapshot!("arena", reported("spark_arena_v2", |_| ()));
        assert_snapshot!("flat", reported("quick", |it| it.flat = Some((1800.0, 22.0))));
    }

    #[test]
    fn the_rates_of_an_earlier_run_are_taken_and_where_it_measured_none_that_is_said() {
        let journals = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
        let from = |name: &str| {
            let reported = reported("short", |it| it.from = Some(journals.join(name)));
            named(&reported, &[(&journals.display().to_string(), "JOURNALS")])
        };
        assert_snapshot!("measured", from("healthy"));
        assert_snapshot!(from("no-such-run"), @"
            error: there is no such run folder
               at: JOURNALS/no-such-run
              try: give the folder that `longhaul run` named at its end, as runs/tonight
        ");
    }

    #[test]
    fn a_rate_is_more_than_0() {
        for (prefill, decode) in [(0.0, 22.0), (1800.0, 0.0), (-1.0, 22.0), (f64::NAN, 22.0)] {
            assert!(flat(prefill, decode).is_err(), "{prefill} {decode}");
        }
        assert_snapshot!(flat(0.0, 22.0).unwrap_err(), @"
            error: a rate is a number of tokens per second above 0
              try: --prefill-rate 1800 --decode-rate 22
        ");
        assert_eq!(prefill_per_s(&flat(1800.0, 22.0).unwrap()), Some(1800.0));
        assert_eq!(prefill_per_s(&Rates::Unknown), None);
    }
}
