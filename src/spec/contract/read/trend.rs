//! Parses the gates on changes over the hours: `growth: 0 where seen`, `growth: {
//! process_anonymous: 32MiB/h }`, `steps: 0`, `drift: 5%`, `drift: { tpot: 5% }`.

use super::{Reader, Scope};
use crate::error::{Mistake, nearest};
use crate::measure::{DRIFT, GROWTH, Measure, Per, Quantity, STEPS};
use crate::series::SeriesUnit;
use crate::series::growth::{JUDGED, JudgedSeries};
use crate::spec::contract::{Gate, Limit, Select};
use crate::spec::field::{Field, shown};
use crate::unit;

/// Ending of a gate that is only asked where memory was read.
const WHERE_SEEN: &str = "where seen";

/// Parses the gates of a key that is one of these, and returns whether it is.
pub(super) fn read(
    name: &str,
    field: &Field<'_>,
    scope: &Scope<'_>,
    gates: &mut Vec<Gate>,
) -> Result<bool, Mistake> {
    match name {
        GROWTH if field.node.is_map() => {
            for (series, limit) in not_empty(field, "growth: { process_anonymous: 32MiB/h }")? {
                gates.push(growth(series, &limit)?);
            }
        }
        GROWTH => gates.push(zero(Measure::Growth(Per::Hour), GROWTH, field)?),
        STEPS => gates.push(zero(Measure::Steps, STEPS, field)?),
        DRIFT if field.node.is_map() => {
            for (quantity, limit) in not_empty(field, "drift: { tpot: 5% }")? {
                let known = Quantity::parse(quantity);
                let known = known.filter(|it| Quantity::DRIFTING.contains(it));
                let quantity = known.ok_or_else(|| no_drift(quantity, &limit))?;
                gates.push(drift(quantity, &limit, scope)?);
            }
        }
        DRIFT => {
            for quantity in Quantity::DRIFTING {
                gates.push(drift(quantity, field, scope)?);
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Returns the entries of a map; an empty one would ask nothing.
fn not_empty<'a>(field: &Field<'a>, example: &str) -> Result<Vec<(&'a str, Field<'a>)>, Mistake> {
    let entries = field.any_map()?;
    if entries.is_empty() {
        return Err(field.mistake("it asks nothing".to_owned()).hint(example));
    }
    Ok(entries)
}

fn no_drift(name: &str, field: &Field<'_>) -> Mistake {
    let names = Quantity::DRIFTING.map(Quantity::word).join(", ");
    field.mistake(format!("the drift of {} is not measured", shown(name))).hint(names)
}

fn drift(quantity: Quantity, field: &Field<'_>, scope: &Scope<'_>) -> Result<Gate, Mistake> {
    let measure = Measure::Drift(quantity);
    let reader = Reader { name: &measure.to_string(), measure, scope };
    reader.gate(field, Select::default(), None)
}

/// Parses a gate whose only limit is none at all.
fn zero(measure: Measure, name: &str, field: &Field<'_>) -> Result<Gate, Mistake> {
    let text = field.text()?;
    let may_be_unseen = measure == Measure::Growth(Per::Hour);
    let (number, where_seen) = match text.strip_suffix(WHERE_SEEN) {
        Some(number) if may_be_unseen => (number.trim(), true),
        _ => (text, false),
    };
    if number != "0" {
        let mistake = field.mistake(format!("`{name}` is 0 or not asked"));
        return Err(if may_be_unseen {
            mistake
                .hint("growth: 0")
                .hint("growth: 0 where seen")
                .hint("growth: { process_anonymous: 32MiB/h }")
        } else {
            mistake.hint("steps: 0")
        });
    }
    let (select, limit) = (Select::default(), Limit::AtMost(0.0));
    let (text, line) = (format!("{name}: {text}"), field.node.line);
    Ok(Gate { measure, select, limit, attain: None, where_seen, text, line })
}

/// Parses a limit of one series, by time or by request.
fn growth(name: &str, field: &Field<'_>) -> Result<Gate, Mistake> {
    let Some(series) = JudgedSeries::parse(name) else {
        let mistake = field.mistake(format!("the growth of {} is not judged", shown(name)));
        let names: Vec<&str> = JUDGED.iter().map(|judged| judged.name).collect();
        return Err(match nearest(name, names.iter().copied()) {
            Some(near) => mistake.hint(near),
            None => mistake.hint(names.join(", ")),
        });
    };
    let text = field.text()?;
    let example = match series.series.unit {
        SeriesUnit::Bytes => "32MiB/h or 1KiB/request",
        _ => "1/h",
    };
    let wrong = || {
        let what = format!("{} is no growth of `{name}`", shown(text));
        field.mistake(what).hint(format!("{name}: {example}"))
    };
    let (amount, per) = text.rsplit_once('/').ok_or_else(wrong)?;
    let per = Per::parse(per.trim()).ok_or_else(wrong)?;
    let amount = match series.series.unit {
        SeriesUnit::Bytes => unit::bytes(amount.trim()).ok().map(|bytes| bytes.0 as f64),
        _ => amount.trim().parse().ok(),
    };
    let amount = amount.filter(|it: &f64| it.is_finite() && *it > 0.0).ok_or_else(wrong)?;
    Ok(Gate {
        measure: Measure::Growth(per),
        select: Select { series: Some(series), ..Select::default() },
        limit: Limit::AtMost(amount),
        attain: None,
        where_seen: false,
        text: format!("{GROWTH} {name}: {text}"),
        line: field.node.line,
    })
}
