//! Chooses one of the tables of a text. Tables are never joined: a README has one for each server,
//! or for each setting.

use crate::analysis::arena::Table;
use crate::error::Mistake;

use super::markdown::TextTable;

/// Bound on the tables that a mistake lists.
const LISTED_MAX: usize = 12;

/// Returns the table that is meant: the only one, or the one with this number or heading.
pub(super) fn chosen(
    origin: &str,
    mut tables: Vec<TextTable>,
    choice: Option<&str>,
) -> Result<Table, Mistake> {
    let Some(choice) = choice else {
        if tables.len() == 1 {
            return tables.remove(0).read;
        }
        // A broken table may be a part of the others.
        if let Some(broken) = tables.iter().position(|table| table.read.is_err()) {
            return tables.remove(broken).read;
        }
        return Err(listed(origin, "there are several tables here", &tables));
    };
    let number = choice.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let meant: Vec<usize> = if let Some(place) = number {
        (place < tables.len()).then_some(place).into_iter().collect()
    } else {
        let wanted = slug(choice);
        let is_meant = |place: &usize| slug(&tables[*place].heading).contains(&wanted);
        (0..tables.len()).filter(is_meant).collect()
    };
    match meant.as_slice() {
        [place] => tables.remove(*place).read,
        [] => Err(listed(origin, &format!("there is no table `#{choice}` here"), &tables)),
        _ => Err(listed(origin, &format!("several tables are called `#{choice}`"), &tables)),
    }
}

/// Returns a mistake that lists the tables.
fn listed(origin: &str, what: &str, tables: &[TextTable]) -> Mistake {
    let mistake = Mistake::new(format!("{what}; name one of them")).at(origin);
    let hint = |(place, table): (usize, &TextTable)| {
        let heading = match crate::escape::one_line(&table.heading, 50) {
            heading if heading.is_empty() => "without a heading".to_owned(),
            heading => format!("\"{heading}\""),
        };
        let size = match &table.read {
            Ok(table) => format!("{} rows of {}", table.rows.len(), named(table)),
            Err(_) => "it cannot be read".to_owned(),
        };
        format!("{origin}#{}, {heading}, line {}: {size}", place + 1, table.line)
    };
    let mistake = tables.iter().enumerate().take(LISTED_MAX).map(hint).fold(mistake, Mistake::hint);
    match tables.len().saturating_sub(LISTED_MAX) {
        0 => mistake,
        more => mistake.hint(format!("and {more} more")),
    }
}

/// Names the model of a table, and its most streams.
fn named(table: &Table) -> String {
    let model = match crate::escape::one_line(&table.model, 40) {
        model if model.is_empty() => "an unnamed model".to_owned(),
        model => model,
    };
    format!("{model}, up to c{}", table.streams_max())
}

/// Returns a heading as an anchor has it: `R26.2 quality` is `r26-2-quality`.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}
