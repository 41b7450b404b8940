//! Writes the report of a run as Markdown, for a forum or an issue: the verdict first, then what was
//! seen, what it proves, and how to do it again.

use super::layout::{SEPARATOR, cells};
use super::markdown::Markdown;
use super::page::{GateWords, IncidentWords, Page};
use super::printable::Printable;
use super::terminal::ROWS_MAX;
use super::words::counted;
use crate::analysis::Provenance;
use crate::escape::one_line;
use crate::timeline::wall_text;
use crate::unit::span;
use crate::verdict::VerdictWord;

/// Largest number of lines.
pub(crate) const LINES_MAX: usize = 60;

/// Bound on the items of a list.
const ITEMS_MAX: usize = 8;

/// Bound on an item.
const ITEM_CHARS_MAX: usize = 400;

/// Bound on a command, which is on one line.
const COMMAND_CHARS_MAX: usize = 4_000;

/// Writes the report, with as many items of each list as there is room for.
pub(crate) fn render(page: &Page<'_>) -> Printable {
    let fits = |text: &Markdown| text.lines() <= LINES_MAX;
    let longest = (1..=ITEMS_MAX).rev().map(|items| whole(page, items)).find(fits);
    Printable::markdown(&longest.unwrap_or_else(|| whole(page, 1)))
}

fn whole(page: &Page<'_>, items_max: usize) -> Markdown {
    let mut out = Markdown::default();
    let asked = page.asked;
    let label = if asked.simulated { "SIMULATED " } else { "" };
    out.markup("**").text(label).text(page.verdict.word.word()).markup("** · ");
    let names = [&*asked.recipe, &*asked.scenario, &format!("{} under load", span(page.load_s))];
    out.text(&names.join(SEPARATOR)).markup("\n\n");
    each(&mut out, "why", &page.verdict.reasons, items_max);
    each(&mut out, "ailing", page.ailing.as_slice(), 1);
    incidents(&mut out, &page.incidents, items_max);
    for of in &page.gates {
        gates(&mut out, of, items_max);
    }
    each(&mut out, "errors", page.errors.as_slice(), 1);
    each(&mut out, "most often", page.error_words.as_slice(), 1);
    let checks: Vec<String> = page.checks.iter().map(|[.., whole]| whole.clone()).collect();
    each(&mut out, "checks", &checks, items_max);
    table(&mut out, page);
    joined(&mut out, "streams", &page.stream_lines, items_max);
    joined(&mut out, "memory", &page.trend_words.memory, items_max);
    joined(&mut out, "drift", &page.trend_words.drift, items_max);
    joined(&mut out, "seen", &page.proofs.seen, items_max);
    joined(&mut out, "cache", &page.proofs.cache, items_max);
    joined(&mut out, "recipe", page.in_effect.counts.as_slice(), 1);
    joined(&mut out, "not in effect", &page.in_effect.sentences, items_max);
    joined(&mut out, "note", &page.notes, items_max);
    let proves: Vec<String> = page.proofs.mtbf.iter().chain(&page.proofs.also).cloned().collect();
    joined(&mut out, "proves", &proves, ITEMS_MAX);
    joined(&mut out, "does not prove", std::slice::from_ref(&page.proofs.not), 1);
    what_was_run(&mut out, page);
    out
}

/// Adds items as a point each.
fn each(out: &mut Markdown, label: &'static str, items: &[String], items_max: usize) {
    let shown = if items.len() > items_max { items_max - 1 } else { items.len() };
    for item in &items[..shown] {
        point(out, label, item);
    }
    if shown < items.len() {
        point(out, label, &counted((items.len() - shown) as u64, "more", "more"));
    }
}

/// Adds items as one point.
fn joined(out: &mut Markdown, label: &'static str, items: &[String], items_max: usize) {
    if items.is_empty() {
        return;
    }
    let mut shown: Vec<String> = items.iter().take(items_max).cloned().collect();
    if shown.len() < items.len() {
        shown.push(format!("{} more", items.len() - shown.len()));
    }
    let shown: Vec<String> = shown.iter().map(|it| one_line(it, ITEM_CHARS_MAX)).collect();
    out.markup("- **").markup(label).markup("** ").text(&shown.join(SEPARATOR)).markup("\n");
}

fn point(out: &mut Markdown, label: &'static str, item: &str) {
    joined(out, label, &[item.to_owned()], 1);
}

fn incidents(out: &mut Markdown, incidents: &[IncidentWords<'_>], items_max: usize) {
    let shown = if incidents.len() > items_max { items_max - 1 } else { incidents.len() };
    for words in &incidents[..shown] {
        point(out, words.label, &words.whole());
    }
    if shown < incidents.len() {
        let more = (incidents.len() - shown) as u64;
        point(out, "incidents", &counted(more, "more", "more"));
    }
}

/// Adds the gates of a word: a point for each that did not pass, one for all that did.
fn gates(out: &mut Markdown, of: &GateWords, items_max: usize) {
    match of.word {
        VerdictWord::Pass => joined(out, "asked", &of.items, 2 * items_max),
        VerdictWord::Fail | VerdictWord::Inconclusive => each(out, "asked", &of.items, items_max),
    }
}

/// Adds the most telling rows of times and rates.
fn table(out: &mut Markdown, page: &Page<'_>) {
    let grid = page.depths.of_rows(ROWS_MAX);
    if grid.rows.is_empty() {
        return;
    }
    let head: Vec<String> = grid.headings.iter().map(|it| it.words.to_owned()).collect();
    out.markup("\n").row(&head);
    for heading in &grid.headings {
        out.markup(match heading.align {
            super::page::Align::Left => "|:--",
            super::page::Align::Right => "|--:",
        });
    }
    out.markup("|\n");
    for row in cells(&grid) {
        out.row(&row);
    }
    out.markup("\n");
    let left_out = page.depths.len() - grid.rows.len();
    if left_out > 0 {
        let more = counted(left_out as u64, "more row", "more rows");
        out.text(&format!("{more}: longhaul report {} --wide", page.asked.folder)).markup("\n\n");
    }
}

/// Adds what was run: model, engine, machine, commands and digests.
fn what_was_run(out: &mut Markdown, page: &Page<'_>) {
    let asked = page.asked;
    let Provenance { run, began_us, engine, hosts, command, recipe_sha256, scenario_sha256 } =
        &asked.provenance;
    out.markup("\n<details><summary>what was run</summary>\n\n");
    let begun =
        if *began_us > 0 { format!("began {}", wall_text(*began_us)) } else { String::new() };
    let longhaul = format!("longhaul {}", asked.version);
    let run = if run.is_empty() { String::new() } else { format!("run {run}") };
    let digest = |name: &str, sha256: &str| {
        if sha256.is_empty() { String::new() } else { format!("{name} sha256 {sha256}") }
    };
    let digests = [digest("recipe", recipe_sha256), digest("scenario", scenario_sha256)];
    let known = |items: &[String]| -> Vec<String> {
        items.iter().filter(|item| !item.is_empty()).cloned().collect()
    };
    joined(out, "model", &known(std::slice::from_ref(&asked.model)), 1);
    joined(out, "engine", &known(std::slice::from_ref(engine)), 1);
    joined(out, "image", &known(asked.container.as_slice()), 1);
    joined(out, "machine", hosts, ITEMS_MAX);
    joined(out, "ailments", &asked.ailments, ITEMS_MAX);
    joined(out, "by", &known(&[longhaul, begun, run]), ITEMS_MAX);
    joined(out, "digests", &known(&digests), ITEMS_MAX);
    out.markup("\n").code(&one_line(&asked.again, COMMAND_CHARS_MAX));
    if let Some(command) = command {
        let line = command.replace("\\\n", " ");
        let words: Vec<&str> = line.split_whitespace().collect();
        out.markup("\nThe recipe's command:\n\n");
        out.code(&one_line(&words.join(" "), COMMAND_CHARS_MAX));
    }
    out.markup("\n</details>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::report::terminal::tests::worst;
    use crate::verdict::judge;

    #[test]
    fn the_longest_report_has_at_most_sixty_lines_and_no_text_of_others_is_markup() {
        let (mut asked, story) = worst();
        asked.provenance.command = Some("vllm serve \\\n  --x '```\n</details>'".to_owned());
        asked.provenance.hosts = vec!["<b>spark</b>".to_owned(); 20];
        let analysis = analyse(&asked, story.entries.iter());
        let verdict = judge(&asked.contract, &analysis);
        let post = render(&Page::new(&asked, &analysis, &verdict));
        let lines: Vec<&str> = post.text().lines().collect();
        assert!(lines.len() <= LINES_MAX, "{}", post.text());
        assert!(lines[0].starts_with("**SIMULATED FAIL** · "), "{}", lines[0]);
        assert!(lines.contains(&"````") && !post.text().contains("<b>"), "{}", post.text());
    }
}
