//! Parses the contract of a scenario. A measure is followed by a limit (`crashes: 0`), by limits
//! per depth (`{ d0: 2s, d100000: 180s }`), or by a list of the long form.

mod trend;

use super::{Base, Contract, Gate, Limit, Select};
use crate::error::{Mistake, nearest};
use crate::fact::{Class, Load, Phase};
use crate::measure::{Better, Measure, Unit};
use crate::spec::field::{Field, shown};
use crate::spec::scenario::Workload;
use crate::unit;

const KEYS: [&str; 9] =
    ["depth", "class", "phase", "load", "rate", "workload", "at_most", "at_least", "attain"];

/// Parts of the scenario that the contract may refer to.
pub(in crate::spec) struct Scope<'a> {
    /// Workloads of the scenario.
    pub workloads: &'a [Workload],
    /// Number of its reference laps.
    pub reference_laps: u64,
}

/// Parses the value of `contract:`.
pub(in crate::spec) fn read(field: &Field<'_>, scope: &Scope<'_>) -> Result<Contract, Mistake> {
    let mut gates = Vec::new();
    for (name, field) in field.any_map()? {
        if trend::read(name, &field, scope, &mut gates)? {
            continue;
        }
        let Some(measure) = Measure::parse(name) else {
            return Err(no_measure(name, &field));
        };
        let reader = Reader { name, measure, scope };
        if field.node.is_map() {
            reader.by_depth(&field, &mut gates)?;
        } else if field.node.items().is_some() {
            for item in field.list()? {
                gates.push(reader.long(&item)?);
            }
        } else {
            gates.push(reader.gate(&field, Select::default(), None)?);
        }
    }
    Ok(Contract { gates })
}

fn no_measure(name: &str, field: &Field<'_>) -> Mistake {
    let scenario = &field.source.name;
    let mistake = field.mistake(format!("scenario `{scenario}` has no measure {}", shown(name)));
    let names = Measure::names();
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => mistake.hint(near),
        None => mistake.hint("docs/formats/scenario.md lists the measures"),
    }
}

struct Reader<'a> {
    name: &'a str,
    measure: Measure,
    scope: &'a Scope<'a>,
}

impl Reader<'_> {
    /// Parses limits per depth: `{ d0: 2s, d100000: 180s }`.
    fn by_depth(&self, field: &Field<'_>, gates: &mut Vec<Gate>) -> Result<(), Mistake> {
        let values = field.any_map()?;
        let of_the_run = ["phase", "at_most", "at_least"];
        let may = |key: &&str| !self.measure.is_of_the_run() || of_the_run.contains(key);
        let of_the_long_form = |key: &&str| KEYS.contains(key) && may(key);
        if let Some((key, inner)) = values.iter().find(|(key, _)| of_the_long_form(key)) {
            let text = inner.node.text().unwrap_or("…");
            let mistake = field.mistake(format!("`{}` takes the long form as a list", self.name));
            return Err(mistake.hint(format!("{}: [{{ {key}: {text} }}]", self.name)));
        }
        self.only_on_the_run(field, "depths")?;
        if values.is_empty() {
            return Err(field.mistake(format!("`{}` names no depth", self.name)));
        }
        for (key, limit) in values {
            let depth = key.strip_prefix('d').and_then(|digits| digits.parse().ok());
            let Some(depth) = depth.filter(|depth: &u64| key == format!("d{depth}")) else {
                let mistake = limit.mistake(format!("{} is not a depth", shown(key)));
                return Err(mistake.hint("d0, d4096, d100000"));
            };
            self.check_depth(depth, &limit)?;
            gates.push(self.gate(
                &limit,
                Select { depth: Some(depth), ..Select::default() },
                None,
            )?);
        }
        Ok(())
    }

    /// Parses the long form: `{ depth: 100000, at_least: 15 }`.
    fn long(&self, item: &Field<'_>) -> Result<Gate, Mistake> {
        let mut select = Select::default();
        let mut limit = None;
        let mut attain = None;
        for (key, field) in item.map(&KEYS)? {
            match key {
                "at_most" | "at_least" if limit.is_some() => {
                    return Err(field.mistake("one gate has one limit").hint("a list item each"));
                }
                "at_most" => limit = Some((field, Better::Lower)),
                "at_least" => limit = Some((field, Better::Higher)),
                "attain" => attain = Some(self.attain(&field)?),
                _ => self.select(key, &field, &mut select)?,
            }
        }
        let Some((field, way)) = limit else {
            let mistake = item.mistake(format!("a gate on `{}` needs its limit", self.name));
            return Err(mistake.hint("at_most: …").hint("at_least: …"));
        };
        let mut gate = self.gate(&field, select, Some(way))?;
        gate.line = item.node.line;
        if let Some(share) = attain {
            if gate.limit.base().is_some() {
                return Err(field.mistake("`attain` takes a limit of its own"));
            }
            gate.attain = Some(share);
            gate.text = format!("{} for {}% of requests", gate.text, unit::figures(share * 100.0));
        }
        Ok(gate)
    }

    fn select(&self, key: &str, field: &Field<'_>, select: &mut Select) -> Result<(), Mistake> {
        if key != "phase" || matches!(self.measure, Measure::Mtbf | Measure::NotInEffect) {
            self.only_on_the_run(field, "parts of the load")?;
        }
        match key {
            "depth" => {
                let depth = field.tokens(0, u64::MAX)?;
                self.check_depth(depth, field)?;
                select.depth = Some(depth);
            }
            "class" => select.class = Some(field.word(&Class::ALL.map(|c| (c.word(), c)))?),
            "phase" => {
                let phase = field.word(&Phase::ALL.map(|phase| (phase.word(), phase)))?;
                let compared = matches!(phase, Phase::Reference | Phase::Return);
                if compared && self.scope.reference_laps == 0 {
                    return Err(no_reference(field));
                }
                select.phase = Some(phase);
            }
            "load" | "rate" if select.load.is_some() => {
                let what = "a gate is on one load: `load` streams at once, or `rate` per second";
                return Err(field.mistake(what).hint("a list item each"));
            }
            "load" => {
                let load = Load::Streams(field.whole(1, u64::from(u32::MAX))? as u32);
                select.load = Some(self.asked(load, field)?);
            }
            "rate" => {
                let load = Load::PerSecond(field.number(0.0)?);
                select.load = Some(self.asked(load, field)?);
            }
            _ => {
                let names = self.scope.workloads.iter().map(|w| (w.name(), w.name()));
                select.workload = Some(field.word(&names.collect::<Vec<_>>())?.to_owned());
            }
        }
        Ok(())
    }

    /// Builds a gate. Without an explicit direction, the limit bounds the measure towards its worse
    /// side.
    fn gate(
        &self,
        field: &Field<'_>,
        select: Select,
        way: Option<Better>,
    ) -> Result<Gate, Mistake> {
        let raw = field.text()?;
        let wanted = way.unwrap_or_else(|| self.measure.better());
        if self.measure == Measure::Mtbf && wanted == Better::Lower {
            let what = format!("`{}` is a time to be reached, not to be kept under", self.name);
            return Err(field.mistake(what).hint("at_least: 4h"));
        }
        let is_number = matches!(
            self.measure,
            Measure::Count(_) | Measure::NotInEffect | Measure::Growth(_) | Measure::Steps
        );
        if is_number && wanted == Better::Higher {
            let what = format!("`{}` is a number to be kept under, not to be reached", self.name);
            return Err(field.mistake(what).hint("at_most: 0"));
        }
        let limit = match raw.split_once(" of ") {
            Some((share, base)) => {
                let base = self.base(base.trim(), &select, field)?;
                let share = unit::share(share.trim())
                    .map_err(|message| field.mistake(message).hint(format!("95% of {base}")))?;
                match wanted {
                    Better::Lower => Limit::AtMostOf(share, base),
                    Better::Higher => Limit::AtLeastOf(share, base),
                }
            }
            None => match wanted {
                Better::Lower => Limit::AtMost(self.value(field)?),
                Better::Higher => Limit::AtLeast(self.value(field)?),
            },
        };
        let sign = match way {
            None => "",
            Some(Better::Lower) => "at most ",
            Some(Better::Higher) => "at least ",
        };
        let text = format!("{}{}: {sign}{raw}", self.name, selector(&select));
        Ok(Gate {
            measure: self.measure,
            select,
            limit,
            attain: None,
            where_seen: false,
            text,
            line: field.node.line,
        })
    }

    /// Parses the part of the run that a relative limit refers to.
    fn base(&self, text: &str, select: &Select, field: &Field<'_>) -> Result<Base, Mistake> {
        if self.measure.is_of_the_run() || matches!(self.measure, Measure::Drift(_)) {
            let what = format!("`{}` cannot be compared with another part of the run", self.name);
            return Err(field.mistake(what).hint("a limit of its own"));
        }
        let depth = text.strip_prefix('d').and_then(|digits| digits.parse().ok());
        match (text, depth) {
            ("reference", _) if self.scope.reference_laps == 0 => Err(no_reference(field)),
            ("reference", _) => Ok(Base::Reference),
            (_, Some(depth)) => {
                self.check_depth(depth, field)?;
                if select.depth == Some(depth) {
                    let what = format!("d{depth} is compared with itself");
                    return Err(field.mistake(what).hint("another depth"));
                }
                Ok(Base::Depth(depth))
            }
            _ => {
                let what = format!("nothing of the run is called {}", shown(text));
                Err(field.mistake(what).hint("95% of reference").hint("90% of d0"))
            }
        }
    }

    /// Parses an absolute limit in the measure's base unit.
    fn value(&self, field: &Field<'_>) -> Result<f64, Mistake> {
        let text = field.text()?;
        let wrong = |hint: &str| {
            let what = format!("`{}` cannot be compared with {}", self.name, shown(text));
            Err(field.mistake(what).hint(hint))
        };
        let is_bare = text.parse::<f64>().is_ok();
        match self.measure.unit() {
            Unit::Seconds => match unit::duration(text) {
                Ok(span) if self.measure == Measure::Mtbf && span.as_secs() == 0 => {
                    wrong("a duration of 1s or more, as 4h")
                }
                Ok(span) => Ok(span.as_secs_f64()),
                Err(_) if self.measure == Measure::Mtbf => wrong("a duration, as 4h"),
                Err(_) if is_bare => wrong(&format!("{text}s or {text}ms")),
                Err(_) => wrong("a duration, as 2s or 60ms"),
            },
            Unit::Share => match unit::share(text) {
                // No run is long enough to exclude any drift at all.
                _ if self.is_zero_drift(text) => wrong("a share above 0, as 5%"),
                Ok(share) if share <= 1.0 => Ok(share),
                Err(_) if text.parse() == Ok(0.0) => Ok(0.0),
                Err(_) if is_bare => wrong(&format!("{text}%")),
                _ => wrong("a share, as 0.1%"),
            },
            Unit::Count | Unit::Tokens => match text.parse::<u32>() {
                Ok(count) => Ok(f64::from(count)),
                Err(_) => wrong("a whole number, as 0"),
            },
            Unit::TokensPerSecond => match text.parse::<f64>() {
                Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
                _ => wrong("tokens per second as a plain number, as 15"),
            },
        }
    }

    fn is_zero_drift(&self, text: &str) -> bool {
        let is_zero = unit::share(text) == Ok(0.0) || text.parse() == Ok(0.0);
        matches!(self.measure, Measure::Drift(_)) && is_zero
    }

    fn attain(&self, field: &Field<'_>) -> Result<f64, Mistake> {
        let Measure::Of(quantity, _) = self.measure else {
            let what = format!("`attain` is about single requests, and `{}` is not", self.name);
            return Err(field.mistake(what));
        };
        if self.name != quantity.word() {
            let what = format!("`attain` takes single values, and `{}` is a statistic", self.name);
            return Err(field.mistake(what).hint(quantity.word()));
        }
        match unit::share(field.text()?) {
            Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
            _ => Err(field.mistake("`attain` is a share of requests").hint("95%")),
        }
    }

    fn only_on_the_run(&self, field: &Field<'_>, parts: &str) -> Result<(), Mistake> {
        if self.measure.is_of_the_run() {
            let what = format!("`{}` is about the run as a whole, not about {parts}", self.name);
            return Err(field.mistake(what));
        }
        Ok(())
    }

    fn check_depth(&self, depth: u64, field: &Field<'_>) -> Result<(), Mistake> {
        let workloads = self.scope.workloads.iter();
        let mut depths: Vec<u64> = workloads.flat_map(Workload::depths).copied().collect();
        if depths.contains(&depth) {
            return Ok(());
        }
        depths.sort_unstable();
        depths.dedup();
        Err(field.mistake(format!("no workload asks at depth {depth}")).hint(join(&depths)))
    }

    /// Returns the load if a workload sends it, else a mistake.
    fn asked(&self, load: Load, field: &Field<'_>) -> Result<Load, Mistake> {
        let loads: Vec<Load> = self.scope.workloads.iter().flat_map(Workload::loads).collect();
        if loads.contains(&load) {
            return Ok(load);
        }
        let mut known: Vec<f64> = loads
            .iter()
            .filter_map(|known| match (known, load) {
                (Load::Streams(known), Load::Streams(_)) => Some(f64::from(*known)),
                (Load::PerSecond(known), Load::PerSecond(_)) => Some(*known),
                _ => None,
            })
            .collect();
        known.sort_unstable_by(f64::total_cmp);
        known.dedup();
        let mistake = field.mistake(match load {
            Load::Streams(streams) => format!("no workload asks with {streams} at once"),
            Load::PerSecond(rate) => format!("no workload asks {rate} times per second"),
        });
        Err(if known.is_empty() { mistake } else { mistake.hint(join(&known)) })
    }
}

fn no_reference(field: &Field<'_>) -> Mistake {
    let scenario = &field.source.name;
    let what = format!("scenario `{scenario}` has no reference laps to compare this with");
    field.mistake(what).hint("reference: 2 laps")
}

fn join<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// Formats a selection for reports: ` d100000 c4 return`, or ` r0.5`.
fn selector(select: &Select) -> String {
    let parts = [
        select.depth.map(|depth| format!("d{depth}")),
        select.load.map(|load| load.to_string()),
        select.class.map(|class| class.word().to_owned()),
        select.phase.map(|phase| phase.word().to_owned()),
        select.workload.clone(),
    ];
    parts.into_iter().flatten().fold(String::new(), |text, part| text + " " + &part)
}

#[cfg(test)]
mod tests;
