//! What differs between two recipes, and whether it is only one thing.

use std::fmt::Write;

use crate::escape::one_line;
use crate::report::layout;
use crate::spec::recipe::Reading;
use crate::spec::recipe::diff::{Difference, between};

/// Bounds a value in a table.
const VALUE_CHARS_MAX: usize = 60;

/// What differs between two recipes.
pub fn text(one: &Reading, other: &Reading) -> String {
    let found = between(one, other);
    let mut out = String::new();
    let (a, b) = (&one.recipe.source.origin, &other.recipe.source.origin);
    for (title, differences) in
        [("how they serve", &found.serving), ("where they are found", &found.address)]
    {
        if differences.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{title}");
        let mut rows = vec![vec![String::new(), heading(a), heading(b)]];
        rows.extend(differences.iter().map(row));
        out += &(layout::table(&rows, 3).join("\n") + "\n\n");
    }
    let verdict = match found.serving.as_slice() {
        [] => "They serve alike.".to_owned(),
        [only] => format!("One variable at a time: {}.", one_line(&only.what, VALUE_CHARS_MAX)),
        several => {
            format!("{} variables at once: what comes of them cannot be told apart.", several.len())
        }
    };
    out.push_str(&verdict);
    out.push('\n');
    out
}

/// Where a recipe is from; of a long way its end, by which two are told apart.
fn heading(origin: &str) -> String {
    let origin = one_line(origin, usize::MAX);
    match origin.chars().count().saturating_sub(VALUE_CHARS_MAX) {
        0 => origin,
        more => format!("…{}", origin.chars().skip(more + 1).collect::<String>()),
    }
}

fn row(difference: &Difference) -> Vec<String> {
    let side = |side: &Option<String>| {
        side.as_ref()
            .map_or_else(|| layout::NONE.to_owned(), |text| one_line(text, VALUE_CHARS_MAX))
    };
    vec![
        one_line(&difference.what, VALUE_CHARS_MAX),
        side(&difference.one),
        side(&difference.other),
    ]
}
