//! Formats the report for a terminal: the verdict first, then the reasons, then what it does not
//! prove. It has at most 24 lines of 80 columns, fit for a forum post. `wide` adds the tables.

use crate::escape::one_line;
use crate::shell::broken_for_terminal;
use crate::unit::span;
use crate::verdict::VerdictWord;

use super::layout::{LABEL, SEPARATOR, columns, cut, finish, fold, grid, labelled, packed, wrap};
use super::page::{DepthTable, GateWords, InEffect, IncidentWords, Page};
use super::printable::Printable;
use super::wide;
use super::words::counted;

/// Largest number of lines without `--wide`.
pub(crate) const LINES_MAX: usize = 24;

/// Largest number of rows of the table.
pub(crate) const ROWS_MAX: usize = 8;

/// Bound on a name in the first line, so that the time under load always fits.
const NAME_CHARS_MAX: usize = 32;

/// Width of a gate's line with its reason, in columns, that stays whole where there is little room.
const SHORT_ITEM: usize = 30;

/// Options of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TerminalOptions {
    /// Whether to add all tables.
    pub wide: bool,
    /// Whether to add colours, which only repeat the words.
    pub colour: bool,
    /// Width in columns; forum posts have 80.
    pub width: usize,
}

impl Default for TerminalOptions {
    fn default() -> TerminalOptions {
        TerminalOptions { wide: false, colour: false, width: 80 }
    }
}

/// Largest number of lines of each section.
#[derive(Clone, Copy)]
struct ListLimits {
    why: usize,
    checks: usize,
    incidents: usize,
    streams: usize,
    asked: usize,
    /// Of gates that passed.
    passed: usize,
    other: usize,
    /// Of what the proof does not exclude.
    also: usize,
    again: usize,
    /// Whether to say of settings and cache that all is as declared.
    as_declared: bool,
}

const LIMITS_FULL: ListLimits = ListLimits {
    why: 2,
    checks: 8,
    incidents: 4,
    streams: 3,
    asked: 5,
    passed: 5,
    other: 2,
    also: 2,
    again: 4,
    as_declared: true,
};
const LIMITS_COUNTED: ListLimits = ListLimits { passed: 2, ..LIMITS_FULL };
const LIMITS_PROVEN: ListLimits = ListLimits { streams: 2, passed: 1, also: 1, ..LIMITS_FULL };
const LIMITS_PLAIN: ListLimits = ListLimits { also: 0, ..LIMITS_PROVEN };
/// Of a run that passed: with what its time proves.
const LIMITS_PASSED: ListLimits =
    ListLimits { streams: 1, also: 1, as_declared: true, ..LIMITS_SHORT };
const LIMITS_SHORT: ListLimits = ListLimits {
    why: 1,
    checks: 0,
    incidents: 3,
    streams: 0,
    asked: 4,
    passed: 1,
    other: 1,
    also: 0,
    again: 2,
    as_declared: false,
};

/// Writes the report.
pub(crate) fn render(page: &Page<'_>, options: TerminalOptions) -> Printable {
    let laid = Layout { page, columns: options.width.max(40) };
    let table = telling(&page.depths, LINES_MAX);
    let longest =
        [LIMITS_FULL, LIMITS_COUNTED, LIMITS_PROVEN, LIMITS_PLAIN].map(|it| laid.lines(it, &table));
    let fits = |lines: &Vec<String>| lines.len() <= LINES_MAX;
    let mut lines = longest.into_iter().find(fits).unwrap_or_else(|| {
        let has_passed = page.verdict.word == VerdictWord::Pass;
        let limits = if has_passed { LIMITS_PASSED } else { LIMITS_SHORT };
        let without_depths = laid.lines(limits, &[]).len();
        laid.lines(limits, &telling(&page.depths, LINES_MAX.saturating_sub(without_depths)))
    });
    lines.truncate(LINES_MAX);
    let mut text = finish(&lines, laid.columns);
    if options.wide {
        text.push_str(&wide::text(page));
    }
    let text = Printable::terminal(&text);
    if options.colour { text.painted(coloured) } else { text }
}

/// Layout of a page in lines of `columns` columns.
struct Layout<'a> {
    page: &'a Page<'a>,
    columns: usize,
}

impl Layout<'_> {
    fn lines(&self, room: ListLimits, depths: &[String]) -> Vec<String> {
        let page = self.page;
        let mut lines = vec![self.headline(), String::new()];
        lines.extend(labelled("why", self.fold(&page.verdict.reasons, room.why)));
        lines.extend(self.sentence("ailing", page.ailing.as_ref(), room.other));
        lines.extend(self.incidents(room.incidents));
        lines.extend(self.sentence("errors", page.errors.as_ref(), 1));
        lines.extend(self.sentence("", page.error_words.as_ref(), room.other));
        lines.extend(labelled("checks", self.checks(room.checks)));
        if room.as_declared || !page.in_effect.sentences.is_empty() {
            lines.extend(labelled("recipe", self.in_effect(room.incidents)));
        }
        lines.extend(labelled("note", self.fold(&page.notes, room.other)));
        if !depths.is_empty() {
            lines.push(String::new());
            lines.extend(depths.iter().cloned());
        }
        lines.push(String::new());
        lines.extend(labelled("streams", self.streams(room.streams)));
        lines.extend(labelled("asked", self.gates(room.asked, room.passed)));
        lines.extend(labelled("memory", self.fold(&page.trend_words.memory, room.other)));
        lines.extend(labelled("drift", self.fold(&page.trend_words.drift, room.other)));
        lines.extend(labelled("seen", self.fold(&page.proofs.seen, room.other)));
        if room.as_declared {
            lines.extend(labelled("cache", self.fold(&page.proofs.cache, 1)));
        }
        lines.extend(self.sentence("proves", page.proofs.mtbf.as_ref(), room.other));
        let also = page.proofs.also.iter().take(room.also);
        let label = if page.proofs.mtbf.is_some() { "" } else { "proves" };
        lines.extend(labelled(label, also.flat_map(|it| cut(it, self.inner(), 1)).collect()));
        lines.extend(self.sentence("not", Some(&page.proofs.not), room.other));
        lines.extend(labelled("again", self.again(room.again)));
        lines
    }

    /// Returns the columns beside the label.
    fn inner(&self) -> usize {
        self.columns - LABEL
    }

    fn fold(&self, items: &[String], lines_max: usize) -> Vec<String> {
        fold(items, self.inner(), lines_max)
    }

    /// Returns a sentence under its label, cut to `lines_max` lines; nothing for `None`.
    fn sentence(&self, label: &str, words: Option<&String>, lines_max: usize) -> Vec<String> {
        words.map_or_else(Vec::new, |words| labelled(label, cut(words, self.inner(), lines_max)))
    }

    /// Returns the numbers of settings, and each that is not in effect: in a sentence, or where there
    /// is no room by its name.
    fn in_effect(&self, lines_max: usize) -> Vec<String> {
        let InEffect { counts, names, sentences } = &self.page.in_effect;
        let mut lines: Vec<String> =
            counts.iter().flat_map(|it| cut(it, self.inner(), 2)).collect();
        let room = lines_max.saturating_sub(lines.len().max(1));
        let shown = if sentences.len() > room { room.saturating_sub(1) } else { sentences.len() };
        let each = if 2 * sentences.len() <= room { 2 } else { 1 };
        lines.extend(sentences[..shown].iter().flat_map(|words| cut(words, self.inner(), each)));
        if shown < sentences.len() {
            let more = sentences.len() - shown;
            let named = format!("{more} more: {}", names[shown..].join(", "));
            let fits = columns(&named) <= self.inner();
            lines.push(if fits { named } else { format!("{more} more: --wide") });
        }
        lines
    }

    /// Returns the lines of the first depths, with the number of the others where there is room.
    fn streams(&self, lines_max: usize) -> Vec<String> {
        let all = &self.page.stream_lines;
        let fewer = lines_max.saturating_sub(1).max(1).min(lines_max);
        let shown = if all.len() > lines_max { fewer } else { all.len() };
        let mut lines: Vec<String> =
            all[..shown].iter().flat_map(|line| cut(line, self.inner(), 2)).collect();
        if shown < all.len() && shown < lines_max {
            let depths = counted((all.len() - shown) as u64, "more depth", "more depths");
            lines.push(format!("{depths}: --wide"));
        }
        lines
    }

    fn headline(&self) -> String {
        let Page { asked, verdict, load_s, .. } = self.page;
        let label = if asked.simulated { "SIMULATED " } else { "" };
        let name = |name: &str| one_line(&one_line(name, NAME_CHARS_MAX), NAME_CHARS_MAX);
        let (recipe, scenario) = (name(&asked.recipe), name(&asked.scenario));
        let word = verdict.word.word();
        format!("{label}{word}  {recipe} · {scenario} · {} under load", span(*load_s))
    }

    /// Returns a line for each check that fired, or where there is no room the numbers alone.
    fn checks(&self, lines_max: usize) -> Vec<String> {
        let checks = &self.page.checks;
        if checks.len() > lines_max {
            let numbers: Vec<String> = checks.iter().map(|[short, ..]| short.clone()).collect();
            return packed(&numbers, self.inner());
        }
        let line = |[_, place, whole]: &[String; 3]| {
            let fits = columns(whole) <= self.inner();
            cut(if fits { whole } else { place }, self.inner(), 1)
        };
        checks.iter().flat_map(line).collect()
    }

    fn incidents(&self, lines_max: usize) -> Vec<String> {
        let incidents = &self.page.incidents;
        let shown = if incidents.len() > lines_max { lines_max - 1 } else { incidents.len() };
        let each = if 2 * incidents.len() <= lines_max { 2 } else { 1 };
        let reported = |words: &IncidentWords<'_>| {
            labelled(words.label, incident_lines(words, self.inner(), each))
        };
        let mut lines: Vec<String> = incidents[..shown].iter().flat_map(reported).collect();
        if shown < incidents.len() {
            let more = counted((incidents.len() - shown) as u64, "more incident", "more incidents");
            lines.extend(labelled("", vec![format!("{more}: --wide")]));
        }
        lines
    }

    /// Folds the gates of each word separately; each later word is sure of a line. Those that passed
    /// have `passed` lines at the most.
    fn gates(&self, lines_max: usize, passed: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for (index, of) in self.page.gates.iter().enumerate() {
            let later = self.page.gates.len() - index - 1;
            let left = lines_max.saturating_sub(lines.len()).saturating_sub(later).max(1);
            lines.extend(match of.word {
                VerdictWord::Pass => self.fold(&of.items, left.min(passed)),
                _ => self.not_passed(of, left),
            });
        }
        lines
    }

    /// Names each gate that did not pass before a reason takes the room: whole, else in a line each,
    /// else broken ones without long reasons.
    fn not_passed(&self, of: &GateWords, lines_max: usize) -> Vec<String> {
        let whole = wrap(&of.items.join(SEPARATOR), self.inner());
        if whole.len() <= lines_max {
            return whole;
        }
        if of.items.len() > lines_max && of.word == VerdictWord::Fail {
            let short = |(item, name): (&String, &String)| {
                let is_short = columns(item) <= SHORT_ITEM;
                if is_short { item.clone() } else { name.clone() }
            };
            let short: Vec<String> = of.items.iter().zip(&of.names).map(short).collect();
            return self.fold(&short, lines_max);
        }
        if of.items.len() > lines_max {
            return self.fold(&of.items, lines_max);
        }
        let first = lines_max - (of.items.len() - 1);
        let room = |index: usize| if index == 0 { first } else { 1 };
        let each = of.items.iter().enumerate();
        each.flat_map(|(index, item)| cut(item, self.inner(), room(index))).collect()
    }

    /// Returns the whole command or nothing, since it is there to be copied.
    fn again(&self, lines_max: usize) -> Vec<String> {
        let lines = broken_for_terminal(&self.page.asked.again, self.inner() - 2, columns);
        lines
            .filter(|lines| lines.len() <= lines_max)
            .unwrap_or_else(|| cut("a long command: --wide has it", self.inner(), 1))
    }
}

/// Lays out the most telling rows of a table in at most `room` lines, a blank line included, and
/// counts the others.
fn telling(depths: &DepthTable, room: usize) -> Vec<String> {
    let (all, noun) = (depths.len(), depths.noun());
    let room = room.saturating_sub(1);
    if all <= ROWS_MAX && all < room {
        return grid(&depths.of_rows(all));
    }
    // The head, and the line that counts the others.
    let shown = ROWS_MAX.min(room.saturating_sub(2));
    if shown < 2 {
        // A heading alone says nothing.
        let all = counted(all as u64, noun, &format!("{noun}s"));
        return (room > 0).then(|| format!("  {all}: --wide")).into_iter().collect();
    }
    let mut lines = grid(&depths.of_rows(shown));
    let (one, many) = (format!("more {noun}"), format!("more {noun}s"));
    lines.push(format!("  … {}: --wide", counted((all - shown) as u64, &one, &many)));
    lines
}

/// Formats an incident in lines of `width` columns: when, why, and how long. With one line only,
/// the affected requests and the evidence are left out before the cause is cut.
pub(crate) fn incident_lines(
    incident: &IncidentWords<'_>,
    width: usize,
    lines_max: usize,
) -> Vec<String> {
    let IncidentWords { when, cause, shown, met, back, .. } = incident;
    let [colon, comma] = incident.marked();
    let whole = incident.whole();
    if columns(&whole) <= width {
        return vec![whole];
    }
    let room = width.saturating_sub(columns(when) + 1 + columns(back));
    // What a cause says behind a semicolon goes to the second line first.
    let (begin, rest) = match cause.split_once("; ") {
        Some((begin, rest)) if lines_max > 1 && columns(cause) > room => (begin, rest),
        _ => (&**cause, ""),
    };
    let mut first = cut(begin, room, 1).concat();
    let mut second =
        [rest, met].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("; ");
    if lines_max > 1 {
        second.push_str(if second.is_empty() { shown } else { &colon });
    } else {
        if columns(&first) + columns(&comma) <= room {
            first.push_str(&comma);
        }
        second.clear();
    }
    let mut lines = vec![format!("{when} {first}{back}")];
    if !second.is_empty() {
        lines.extend(cut(&second, width, 1));
    }
    lines
}

/// Colours the verdict words of a text.
fn coloured(text: &str) -> String {
    const CODES: [(&str, &str); 3] = [("FAIL", "31"), ("INCONCLUSIVE", "33"), ("PASS", "32")];
    let mut out = String::new();
    for (index, line) in text.lines().enumerate() {
        let mut line = line.to_owned();
        let asked = line.starts_with("  asked") || line.starts_with(&" ".repeat(LABEL));
        for (word, code) in CODES {
            let leads = index == 0 && line.trim_start_matches("SIMULATED ").starts_with(word);
            if leads || asked {
                let place = line.find(word).filter(|place| leads || *place == LABEL);
                if let Some(place) = place {
                    let colour = format!("\u{1b}[1;{code}m{word}\u{1b}[0m");
                    line.replace_range(place..place + word.len(), &colour);
                }
            }
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
pub(super) mod tests;
