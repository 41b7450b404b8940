//! Computes the rows of a comparison by cell and measure: the ratio of two sides, its interval, and
//! one word. With enough starts on each side the exact test decides; with fewer, the machine's
//! noise floor allows at most a suggestion.

use std::collections::BTreeMap;

use crate::fact::Load;
use crate::measure::{Better, Measure, Quantity, Statistic};
use crate::stats::{Estimate, RankInterval, many, shift, student};
use crate::words::words;

use super::floor::{Fitting, FloorSpread};
use super::start::{MeasureKey, Start, StartValue};

/// Confidence of the interval that shows a difference, and of the one that shows equivalence (two
/// one-sided tests at 5 %).
const CONFIDENCE: f64 = 0.95;
const CONFIDENCE_ALIKE: f64 = 0.90;

/// Levels after adjustment: the familywise error rate of the primary rows, and the false discovery
/// rate of the others.
const LEVEL: f64 = 0.05;
const LEVEL_OTHERS: f64 = 0.10;

/// Least number of starts of a side for an exact decision: with fewer, one outlier dominates.
pub(crate) const STARTS_MIN: usize = 4;

/// Margins below which a difference does not matter, as fractions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Margins {
    pub median: f64,
    /// Margin of tails: p95 and beyond.
    pub p95: f64,
}

impl Default for Margins {
    fn default() -> Margins {
        Margins { median: 0.05, p95: 0.10 }
    }
}

impl Margins {
    /// Returns the margin of a measure.
    pub(crate) fn of(self, measure: Measure) -> f64 {
        match measure {
            Measure::Of(_, Statistic::P95 | Statistic::P99 | Statistic::Max) => self.p95,
            _ => self.median,
        }
    }
}

/// Word of a row or a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CompareWord {
    /// Equivalent: the interval shows no difference that matters.
    Equivalent,
    /// Different, but by less than the margin.
    Changed,
    /// Better by more than the margin.
    Improved,
    /// Undecided.
    Inconclusive,
    /// Worse by more than the margin.
    Regression,
}

words!(CompareWord {
    Equivalent: "equivalent",
    Changed: "changed below the margin",
    Improved: "improved",
    Inconclusive: "inconclusive",
    Regression: "regression",
});

/// Basis of an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Basis {
    /// Exact test over server starts, at this confidence.
    Exact(f64),
    /// Noise floor of starts of one recipe on this machine: at most a suggestion.
    Floor,
    /// No basis: too few starts, and no floor.
    Nothing,
}

/// Side of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Side {
    /// Median of the starts' values, in the measure's base unit, or the bound that is known of it.
    pub value: Estimate,
    /// Number of starts that have a value.
    pub starts: usize,
    /// Number of samples of all these starts.
    pub n: u64,
    /// Interval of the percentile, where there is one start.
    pub interval: Option<RankInterval>,
}

/// Compared measure at a place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ComparedRow {
    pub key: MeasureKey,
    /// Whether the row is one of the few that decide.
    pub primary: bool,
    pub base: Side,
    pub candidate: Side,
    /// Candidate over base: Hodges–Lehmann on the logarithms. Without meaning where
    /// [`ComparedRow::change`] is `None`.
    pub ratio: f64,
    /// Interval of the ratio, of at least 95 %; `None` without a basis.
    pub interval: Option<(f64, f64)>,
    /// Basis of the interval.
    pub basis: Basis,
    /// Margin below which a difference does not matter, as a fraction.
    pub margin: f64,
    /// Two-sided p-value, adjusted for the other rows of its family. Its null hypothesis is a
    /// difference of at most the margin where the estimate lies beyond it, otherwise no difference.
    pub p: Option<f64>,
    /// Lower bound of the candidate's cost as a factor, by a bootstrap within the runs; `None`
    /// where the cost itself is within the limit of a gross change, or has too few values.
    pub gross_low: Option<f64>,
    /// Whether the row is a gross change: a regression by policy.
    pub is_gross: bool,
    /// Word of the row.
    pub word: CompareWord,
    /// Reason why it is inconclusive.
    pub why: String,
}

impl ComparedRow {
    /// Returns the ratio; `None` where only a bound is known of a side.
    pub(crate) fn change(&self) -> Option<f64> {
        let is_known = |side: Side| side.value.known().is_some();
        (is_known(self.base) && is_known(self.candidate)).then_some(self.ratio)
    }

    /// Whether the row is only a suggestion.
    pub(crate) fn is_suggestive(&self) -> bool {
        self.basis == Basis::Floor
    }

    /// Returns the candidate's cost as a factor: above 1 is worse, whether lower or higher is
    /// better.
    pub(crate) fn cost(&self) -> f64 {
        match self.key.measure.better() {
            Better::Lower => self.ratio,
            Better::Higher => self.ratio.recip(),
        }
    }
}

/// Measure at a place that has a value on one side only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneSidedRow {
    pub key: MeasureKey,
    /// Whether the measure is one of the few that decide.
    pub primary: bool,
    /// Whether the candidate has the value.
    pub in_candidate: bool,
}

/// Returns all rows of two sides, primary ones first, and the measures of only one side. The base
/// determines the deciding rows, so that a value missing in the candidate still counts. With
/// different loads, `overlap`, only common measures decide.
pub(crate) fn rows(
    base: &[Start],
    candidate: &[Start],
    margins: Margins,
    floor: Option<Fitting<'_>>,
    overlap: bool,
) -> (Vec<ComparedRow>, Vec<OneSidedRow>) {
    let (base, candidate) = (gathered(base), gathered(candidate));
    let is_shared = |key: &&MeasureKey| candidate.contains_key(key);
    let deciding: Vec<MeasureKey> =
        base.keys().filter(|key| !overlap || is_shared(key)).cloned().collect();
    let primaries = primaries(&deciding);
    let mut rows: Vec<ComparedRow> = base
        .keys()
        .filter(is_shared)
        .map(|key| {
            let spread = floor.and_then(|floor| floor.spread(key));
            let is_primary = primaries.contains(key);
            row(key.clone(), is_primary, (&base[key], &candidate[key]), margins, spread)
        })
        .collect();
    rows.sort_by(|one, other| (!one.primary, &one.key).cmp(&(!other.primary, &other.key)));
    (rows, alone(&base, &candidate, &primaries))
}

/// Values of a side by key: a sample for each start that has one.
type ValuesByKey = BTreeMap<MeasureKey, Vec<StartValue>>;

fn gathered(side: &[Start]) -> ValuesByKey {
    let mut all = ValuesByKey::new();
    for (key, value) in side.iter().flat_map(|start| &start.values) {
        all.entry(key.clone()).or_default().push(*value);
    }
    all
}

fn alone(
    base: &ValuesByKey,
    candidate: &ValuesByKey,
    primaries: &[MeasureKey],
) -> Vec<OneSidedRow> {
    let only = |one: &ValuesByKey, other: &ValuesByKey, in_candidate| -> Vec<OneSidedRow> {
        let keys = one.keys().filter(|key| !other.contains_key(key));
        let alone = |key: &MeasureKey| {
            let primary = primaries.contains(key);
            OneSidedRow { key: key.clone(), primary, in_candidate }
        };
        keys.map(alone).collect()
    };
    let mut alone = only(base, candidate, false);
    alone.extend(only(candidate, base, true));
    alone.sort_by(|one, other| (!one.primary, &one.key).cmp(&(!other.primary, &other.key)));
    alone
}

/// Returns the few keys that decide: the medians of TTFT and TPOT, shallowest and deepest, at the
/// lightest load; the throughput at the most streams; and TTFT at the highest rate of an open loop,
/// whose throughput only repeats that rate.
fn primaries(keys: &[MeasureKey]) -> Vec<MeasureKey> {
    let asked: Vec<&MeasureKey> = keys.iter().filter(|key| key.group.asks()).collect();
    let depths = asked.iter().filter_map(|key| key.group.depth());
    let ends = [depths.clone().min(), depths.max()];
    let of = |quantity| {
        let measure = Measure::Of(quantity, Statistic::P50);
        asked.iter().copied().filter(move |key| key.measure == measure)
    };
    let mut found: Vec<&MeasureKey> = Vec::new();
    for depth in ends.into_iter().flatten() {
        for quantity in [Quantity::Ttft, Quantity::Tpot] {
            // Keys are sorted, so the first has the lightest load.
            let first = of(quantity).find(|key| key.group.depth() == Some(depth));
            found.extend(first.filter(|key| !found.contains(key)));
        }
    }
    let is_crowd = |key: &&MeasureKey| key.group.streams() > 1;
    let most = of(Quantity::Throughput).filter(is_crowd).map(|key| key.group.streams()).max();
    let crowd = of(Quantity::Throughput).find(|key| Some(key.group.streams()) == most);
    let rate = |key: &MeasureKey| match key.group.load() {
        Some(Load::PerSecond(rate)) => Some(rate),
        _ => None,
    };
    let highest = of(Quantity::Ttft).filter_map(rate).fold(0.0, f64::max);
    let pressed = of(Quantity::Ttft).find(|key| rate(key) == Some(highest));
    for key in crowd.into_iter().chain(pressed) {
        if !found.contains(&key) {
            found.push(key);
        }
    }
    found.into_iter().cloned().collect()
}

/// Shift between the sides of a row, on logarithms, with the sign chosen so that above 0 is worse.
struct RowShift {
    middle: f64,
    wide: Option<(f64, f64)>,
    narrow: Option<(f64, f64)>,
    basis: Basis,
    p: Option<f64>,
}

fn row(
    key: MeasureKey,
    primary: bool,
    (base, candidate): (&[StartValue], &[StartValue]),
    margins: Margins,
    spread: Option<FloorSpread>,
) -> ComparedRow {
    let better = key.measure.better();
    let sign = if better == Better::Lower { 1.0 } else { -1.0 };
    let logs =
        |side: &[StartValue]| -> Vec<f64> { side.iter().map(|value| value.cost(better)).collect() };
    let margin = margins.of(key.measure);
    let shift = shifted(&logs(base), &logs(candidate), margin.ln_1p(), spread);
    let back = |(low, high): (f64, f64)| {
        let (one, other) = ((sign * low).exp(), (sign * high).exp());
        (one.min(other), one.max(other))
    };
    let sides = [side(base, better), side(candidate, better)];
    let (word, why) = if sides.iter().all(|side| side.value.known().is_none()) {
        (CompareWord::Inconclusive, "requests were given up on both sides".to_owned())
    } else {
        worded(&shift, margin.ln_1p(), (base.len(), candidate.len()))
    };
    ComparedRow {
        key,
        primary,
        base: sides[0],
        candidate: sides[1],
        ratio: (sign * shift.middle).exp(),
        interval: shift.wide.map(back),
        basis: shift.basis,
        margin,
        // An equivalent row claims no difference, so it has no test.
        p: shift.p.map(|p| if word == CompareWord::Equivalent { 1.0 } else { p }),
        gross_low: None,
        is_gross: false,
        word,
        why,
    }
}

fn side(values: &[StartValue], better: Better) -> Side {
    let mut sorted = values.to_vec();
    sorted.sort_by(|one, other| one.cost(better).total_cmp(&other.cost(better)));
    let upper = sorted.get(sorted.len() / 2).map(|it| it.value);
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2).map(|it| it.value);
    let middle = upper.zip(lower).map(|(upper, lower)| {
        let [low, high] = [|it: Estimate| it.low, |it: Estimate| it.high]
            .map(|of| f64::midpoint(of(lower), of(upper)));
        Estimate::between(low, high)
    });
    Side {
        value: middle.unwrap_or(Estimate::exact(0.0)),
        starts: values.len(),
        n: values.iter().map(|value| value.n).sum(),
        interval: None,
    }
}

fn shifted(base: &[f64], candidate: &[f64], margin: f64, spread: Option<FloorSpread>) -> RowShift {
    let middle = shift::hodges_lehmann(base, candidate).unwrap_or(0.0);
    // The test matches the claim: a difference beyond the margin in the direction of the estimate,
    // or any difference at all.
    let claimed = if middle.abs() > margin { margin.copysign(middle) } else { 0.0 };
    let wide = shift::interval(base, candidate, CONFIDENCE);
    if let Some(wide) = wide.filter(|_| base.len().min(candidate.len()) >= STARTS_MIN) {
        let narrow = shift::interval(base, candidate, CONFIDENCE_ALIKE);
        let p = shift::p_value(base, candidate, claimed);
        return RowShift {
            middle,
            wide: Some((wide.low, wide.high)),
            narrow: narrow.map(|it| (it.low, it.high)),
            basis: Basis::Exact(wide.confidence),
            p,
        };
    }
    let Some(spread) = spread else {
        return RowShift { middle, wide: None, narrow: None, basis: Basis::Nothing, p: None };
    };
    // Standard error of the shift from the floor's deviation and the number of starts on either
    // side.
    let error = spread.deviation * (1.0 / base.len() as f64 + 1.0 / candidate.len() as f64).sqrt();
    let around = |confidence| {
        let half = student::two_sided(confidence, spread.freedom)? * error;
        Some((middle - half, middle + half))
    };
    let beyond = (middle - claimed) / error.max(f64::MIN_POSITIVE);
    let p = student::p_value(beyond, spread.freedom);
    RowShift {
        middle,
        wide: around(CONFIDENCE),
        narrow: around(CONFIDENCE_ALIKE),
        basis: Basis::Floor,
        p,
    }
}

fn worded(shift: &RowShift, margin: f64, starts: (usize, usize)) -> (CompareWord, String) {
    let (Some(wide), Some(narrow)) = (shift.wide, shift.narrow) else {
        let why = match starts {
            (1, 1) => "one start a side, and no noise floor".to_owned(),
            (base, candidate) => {
                format!("{base} and {candidate} starts: an exact interval needs four a side")
            }
        };
        return (CompareWord::Inconclusive, why);
    };
    if wide.0 > margin {
        (CompareWord::Regression, String::new())
    } else if narrow.0 > -margin && narrow.1 < margin {
        (CompareWord::Equivalent, String::new())
    } else if wide.1 < -margin {
        (CompareWord::Improved, String::new())
    } else if (wide.0 > 0.0 || wide.1 < 0.0) && shift.middle.abs() <= margin {
        (CompareWord::Changed, String::new())
    } else {
        let why = if wide.0 <= 0.0 && wide.1 >= 0.0 {
            "the interval holds both no difference and one that matters"
        } else {
            "there is a difference; whether it matters is open"
        };
        (CompareWord::Inconclusive, why.to_owned())
    }
}

/// Adjusts for the number of rows: Holm among the primary ones, Benjamini–Hochberg among the
/// others. Rows that are no longer significant lose their word.
pub(crate) fn adjust(rows: &mut [ComparedRow]) {
    type Adjusting = fn(&[f64]) -> Vec<f64>;
    let families: [(bool, f64, Adjusting); 2] =
        [(true, LEVEL, many::holm), (false, LEVEL_OTHERS, many::benjamini_hochberg)];
    for (primary, level, adjusting) in families {
        let mut family: Vec<&mut ComparedRow> =
            rows.iter_mut().filter(|row| row.primary == primary && row.p.is_some()).collect();
        let values: Vec<f64> = family.iter().filter_map(|row| row.p).collect();
        let several = values.len();
        for (row, adjusted) in family.iter_mut().zip(adjusting(&values)) {
            row.p = Some(adjusted);
            let what = match row.word {
                CompareWord::Regression | CompareWord::Improved => "beyond the margin",
                CompareWord::Changed => "different",
                CompareWord::Equivalent | CompareWord::Inconclusive => continue,
            };
            if adjusted > level {
                row.word = CompareWord::Inconclusive;
                row.why = format!("{what}, but not surely so among {several} rows");
            }
        }
    }
}
