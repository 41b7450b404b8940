//! Lists everything that longhaul computes: name, unit, and direction.
//! Contracts, reports and comparisons use these names. Metrics of other
//! programs are series with their own names and never listed here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::words::words;

/// Unit of a measure's values, which are kept in the base unit given here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Seconds,
    /// Tokens per second.
    TokensPerSecond,
    Tokens,
    Count,
    /// A fraction, 0 to 1, written in percent.
    Share,
}

/// Direction in which a measure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// Lower is better; a plain limit is an upper bound.
    Lower,
    /// Higher is better; a plain limit is a lower bound.
    Higher,
}

/// Quantity of which each request, gap or round has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Quantity {
    /// Time from sending to the first token of any kind (reasoning and tool calls count). Seconds.
    Ttft,
    /// Time from sending to the first token of visible content. Seconds.
    TtftContent,
    /// Time per output token after those of the first chunk: (last − first) / (tokens − first tokens). Seconds.
    Tpot,
    /// Time between tokens: the gap before a chunk divided by the chunk's tokens. Seconds.
    Itl,
    /// Time between chunks that carry tokens. Seconds.
    Gap,
    /// Largest gap between two chunks of a request. Seconds.
    MaxGap,
    /// Time from sending to the end. Seconds.
    E2e,
    /// Time from due to the end; differs from `e2e` in the open loop. Seconds.
    E2eDue,
    /// Time from due to the first token of any kind. Seconds.
    TtftDue,
    /// Time from due to sending: longhaul's own delay. Seconds.
    Lateness,
    /// Decode rate of one stream: 1 / TPOT. Tokens per second.
    TokensPerS,
    /// Prompt tokens not served from cache per second until the first token. Tokens per second.
    PrefillPerS,
    /// Output tokens of all streams of a round per second, first to last token. Tokens per second.
    Throughput,
}

/// Share of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RequestShare {
    /// Failed requests, of all that longhaul or its workload did not end.
    Errors,
    /// Requests whose prompt was off its planned length, by the server's own count.
    OffDepth,
    /// Whole answers without visible text, or with many tokens that never arrived. This and the
    /// following are checks: the name of each is the check's in the rows.
    Swallowed,
    /// Whole answers of at most half of the requested tokens.
    ShortAnswers,
    /// Whole answers of more tokens than requested.
    LongAnswers,
    /// Whole answers that came faster than a server can write.
    TooFast,
    /// Whole answers that name another model than the requested one.
    WrongModel,
    /// Whole answers with the text of an answer to another prompt.
    SameText,
    /// Whole answers with a character that was already broken in the server.
    Replacement,
}

/// Count of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Count {
    /// The server crashed, with any exit code.
    Crashes,
    /// The engine, the driver or the kernel ran out of memory.
    Ooms,
    /// The server started again, for any reason.
    Restarts,
    /// The server answered but made no progress.
    Hangs,
    /// Periods in which the server did not answer.
    Outages,
}

/// Statistic of a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Statistic {
    /// Median, which is also meant by a quantity's bare name.
    P50,
    /// 95th percentile; needs 60 samples.
    P95,
    /// 99th percentile; needs 300 samples.
    P99,
    Mean,
    Max,
}

/// Measure on which a gate can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    /// A statistic of a quantity.
    Of(Quantity, Statistic),
    /// A share of requests.
    Portion(RequestShare),
    /// A number of events.
    Count(Count),
    /// Mean time between failures. Seconds.
    Mtbf,
    /// Settings of the recipe that are not in effect.
    NotInEffect,
    /// Growth of a series by time or work.
    Growth(Per),
    /// Changes of a level at once, of series and of times and rates.
    Steps,
    /// Change of a quantity's median over the run in its worse direction, a fraction.
    Drift(Quantity),
}

/// Divisor of a growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Per {
    Hour,
    Request,
}

words!(Per { Hour: "h", Request: "request" });

/// Name of the growth of a series.
pub(crate) const GROWTH: &str = "growth";
/// Name of the number of steps.
pub(crate) const STEPS: &str = "steps";
/// Name of the drift of a quantity, before the quantity's.
pub(crate) const DRIFT: &str = "drift";

/// Confidence of the interval of the mean time between failures, a fraction.
pub(crate) const MTBF_CONFIDENCE: f64 = 0.95;

/// Confidence of the interval of a percentile, a fraction.
pub(crate) const INTERVAL_CONFIDENCE: f64 = 0.95;

/// Name of the mean time between failures.
const MTBF: &str = "mtbf";
/// Name of the number of settings that are not in effect.
const NOT_IN_EFFECT: &str = "not_in_effect";

words!(Quantity {
    Ttft: "ttft",
    TtftContent: "ttft_content",
    Tpot: "tpot",
    Itl: "itl",
    Gap: "gap",
    MaxGap: "max_gap",
    E2e: "e2e",
    E2eDue: "e2e_due",
    TtftDue: "ttft_due",
    Lateness: "lateness",
    TokensPerS: "tokens_per_s",
    PrefillPerS: "prefill_per_s",
    Throughput: "throughput",
});

words!(Statistic { P50: "p50", P95: "p95", P99: "p99", Mean: "mean", Max: "max" });

words!(RequestShare {
    Errors: "errors",
    OffDepth: "off_depth",
    Swallowed: "swallowed",
    ShortAnswers: "short_answers",
    LongAnswers: "long_answers",
    TooFast: "too_fast",
    WrongModel: "wrong_model",
    SameText: "same_text",
    Replacement: "replacement",
});

words!(Count {
    Crashes: "crashes",
    Ooms: "ooms",
    Restarts: "restarts",
    Hangs: "hangs",
    Outages: "outages",
});

impl Quantity {
    /// Quantities whose drift over the hours is judged.
    pub(crate) const DRIFTING: [Quantity; 4] =
        [Quantity::Ttft, Quantity::Tpot, Quantity::PrefillPerS, Quantity::Throughput];

    /// Returns the unit of its values.
    pub(crate) fn unit(self) -> Unit {
        match self {
            Quantity::TokensPerS | Quantity::PrefillPerS | Quantity::Throughput => {
                Unit::TokensPerSecond
            }
            _ => Unit::Seconds,
        }
    }

    /// Whether it depends on the prefill of the prompt: it means another thing where that came from a
    /// cache.
    pub(crate) fn is_of_prefill(self) -> bool {
        matches!(
            self,
            Quantity::Ttft
                | Quantity::TtftContent
                | Quantity::TtftDue
                | Quantity::E2e
                | Quantity::E2eDue
                | Quantity::PrefillPerS
        )
    }

    /// Whether it depends on the times between tokens: it means nothing where they arrived in one piece.
    pub(crate) fn is_between_tokens(self) -> bool {
        matches!(
            self,
            Quantity::Tpot
                | Quantity::Itl
                | Quantity::Gap
                | Quantity::MaxGap
                | Quantity::TokensPerS
                | Quantity::PrefillPerS
                | Quantity::Throughput
        )
    }
}

impl RequestShare {
    /// Checks that fire on damage by a parser of the server.
    pub(crate) const PARSER_FAULTS: [RequestShare; 2] =
        [RequestShare::Swallowed, RequestShare::Replacement];
}

impl Count {
    /// Events that count as failures of the service. A restart is not one: its cause is counted
    /// already.
    pub(crate) const FAILURES: [Count; 4] =
        [Count::Crashes, Count::Ooms, Count::Hangs, Count::Outages];
}

impl Statistic {
    /// Returns the share of the values that a percentile does not exceed; `None` for others.
    pub(crate) fn percentile(self) -> Option<f64> {
        match self {
            Statistic::P50 => Some(0.50),
            Statistic::P95 => Some(0.95),
            Statistic::P99 => Some(0.99),
            Statistic::Mean | Statistic::Max => None,
        }
    }

    /// Returns the number of samples below which the statistic is `n/a (n=…)`: 59 and 299 give a
    /// one-sided 95 % upper bound of p95 and p99 (order statistics: ln 0.05 / ln p), rounded up.
    pub(crate) fn samples_min(self) -> u64 {
        match self {
            Statistic::P95 => 60,
            Statistic::P99 => 300,
            Statistic::P50 | Statistic::Mean | Statistic::Max => 1,
        }
    }
}

impl Measure {
    /// Parses a name: `ttft_p95`, `tpot` (the median), `errors`, `crashes`.
    pub(crate) fn parse(name: &str) -> Option<Measure> {
        let median = || Some(Measure::Of(Quantity::parse(name)?, Statistic::P50));
        let of = || {
            let (quantity, statistic) = name.rsplit_once('_')?;
            Some(Measure::Of(Quantity::parse(quantity)?, Statistic::parse(statistic)?))
        };
        (name == MTBF)
            .then_some(Measure::Mtbf)
            .or_else(|| (name == NOT_IN_EFFECT).then_some(Measure::NotInEffect))
            .or_else(|| (name == GROWTH).then_some(Measure::Growth(Per::Hour)))
            .or_else(|| (name == STEPS).then_some(Measure::Steps))
            .or_else(|| Measure::parse_drift(name))
            .or_else(|| RequestShare::parse(name).map(Measure::Portion))
            .or_else(|| Count::parse(name).map(Measure::Count))
            .or_else(median)
            .or_else(of)
    }

    fn parse_drift(name: &str) -> Option<Measure> {
        let quantity = Quantity::parse(name.strip_prefix(DRIFT)?.strip_prefix('_')?)?;
        Quantity::DRIFTING.contains(&quantity).then_some(Measure::Drift(quantity))
    }

    /// Returns every name that [`Measure::parse`] accepts.
    pub(crate) fn names() -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        names.extend(Count::ALL.map(|count| count.word().to_owned()));
        names.extend([MTBF, NOT_IN_EFFECT, GROWTH, STEPS].map(str::to_owned));
        names.extend(Quantity::DRIFTING.map(|of| Measure::Drift(of).to_string()));
        names.extend(RequestShare::ALL.map(|portion| portion.word().to_owned()));
        for quantity in Quantity::ALL {
            names.push(quantity.word().to_owned());
            names.extend(Statistic::ALL.map(|of| Measure::Of(quantity, of).to_string()));
        }
        names
    }

    /// Returns the unit of its values.
    pub(crate) fn unit(self) -> Unit {
        match self {
            Measure::Of(quantity, _) => quantity.unit(),
            Measure::Portion(_) | Measure::Drift(_) => Unit::Share,
            Measure::Count(_) | Measure::NotInEffect | Measure::Growth(_) | Measure::Steps => {
                Unit::Count
            }
            Measure::Mtbf => Unit::Seconds,
        }
    }

    /// Returns the better direction, which decides the meaning of a plain limit.
    pub(crate) fn better(self) -> Better {
        match (self, self.unit()) {
            (Measure::Mtbf, _) | (_, Unit::TokensPerSecond) => Better::Higher,
            _ => Better::Lower,
        }
    }

    /// Whether a sentence says more of its value than the number.
    pub(crate) fn is_told_in_words(self) -> bool {
        matches!(self, Measure::Mtbf | Measure::Growth(_) | Measure::Steps | Measure::Drift(_))
    }

    /// Whether it belongs to the run as a whole, not to a depth.
    pub(crate) fn is_of_the_run(self) -> bool {
        !matches!(self, Measure::Of(..) | Measure::Drift(_))
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Measure::Of(quantity, statistic) => {
                write!(f, "{}_{}", quantity.word(), statistic.word())
            }
            Measure::Portion(portion) => f.write_str(portion.word()),
            Measure::Count(count) => f.write_str(count.word()),
            Measure::Mtbf => f.write_str(MTBF),
            Measure::NotInEffect => f.write_str(NOT_IN_EFFECT),
            Measure::Growth(_) => f.write_str(GROWTH),
            Measure::Steps => f.write_str(STEPS),
            Measure::Drift(quantity) => write!(f, "{DRIFT}_{}", quantity.word()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_as_what_it_names() {
        for name in Measure::names() {
            let measure = Measure::parse(&name).expect("a listed name is known");
            assert!(measure.to_string().starts_with(&name), "{name} became {measure}");
        }
    }

    #[test]
    fn a_bare_quantity_means_its_median_and_a_longer_name_is_not_cut_short() {
        assert_eq!(Measure::parse("tpot"), Some(Measure::Of(Quantity::Tpot, Statistic::P50)));
        assert_eq!(
            Measure::parse("ttft_content_p95"),
            Some(Measure::Of(Quantity::TtftContent, Statistic::P95))
        );
        assert_eq!(Measure::parse("tfft_p99"), None);
    }

    #[test]
    fn only_rates_and_the_time_between_failures_are_better_when_higher() {
        assert_eq!(Measure::parse("mtbf").map(Measure::better), Some(Better::Higher));
        assert_eq!(Measure::parse("tokens_per_s").map(Measure::better), Some(Better::Higher));
        assert_eq!(Measure::parse("errors").map(Measure::better), Some(Better::Lower));
    }
}
