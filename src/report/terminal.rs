//! The report that answers first, then says why, then what it does not prove: at
//! most 24 lines of 80 columns, fit for a forum post. `wide` has the tables.

mod depths;
mod gates;
mod proof;

use crate::analysis::{Analysis, Asked};
use crate::escape::one_line;
use crate::fact::Ended;
use crate::incident::{Incident, Kind};
use crate::measure::{Measure, Portion};
use crate::spec::{Limit, Select};
use crate::timeline::wall_text;
use crate::unit::span;
use crate::verdict::{Verdict, Word};

use super::layout::{LABEL, counted, cut, finish, fold, labelled, percent, percent_short, wrap};
use super::wide;
use depths::{depths, shorter};
use gates::gates;
use proof::{proves, proves_not, seen};

/// Lines of the report without `--wide`.
pub const LINES_MAX: usize = 24;

/// Bounds a name in the first line, so that the time under load is always on it.
const NAME_CHARS_MAX: usize = 32;

/// How to write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// With all tables.
    pub wide: bool,
    /// With colours, which only repeat what the words say.
    pub colour: bool,
    /// Columns; 80 is what people paste.
    pub width: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { wide: false, colour: false, width: 80 }
    }
}

/// How many lines a section may take.
#[derive(Clone, Copy)]
struct Room {
    why: usize,
    incidents: usize,
    asked: usize,
    other: usize,
    again: usize,
}

const ROOMY: Room = Room { why: 2, incidents: 4, asked: 5, other: 2, again: 4 };
const TIGHT: Room = Room { why: 1, incidents: 3, asked: 4, other: 1, again: 2 };

/// Writes the report.
pub fn render(asked: &Asked, analysis: &Analysis, verdict: &Verdict, options: Options) -> String {
    let tell = Tell { asked, analysis, verdict, columns: options.width.max(40) };
    let table = depths(analysis);
    let mut lines = tell.lines(ROOMY, &table);
    if lines.len() > LINES_MAX {
        let without_depths = tell.lines(TIGHT, &[]).len();
        lines = tell.lines(TIGHT, &shorter(table, LINES_MAX.saturating_sub(without_depths)));
    }
    lines.truncate(LINES_MAX);
    let mut text = finish(&lines, tell.columns);
    if options.wide {
        // Tables are as wide as they are; what bounds a line is only sanity.
        text.push_str(&finish(&wide::lines(asked, analysis, verdict), 400));
    }
    if options.colour { coloured(&text) } else { text }
}

struct Tell<'a> {
    asked: &'a Asked,
    analysis: &'a Analysis,
    verdict: &'a Verdict,
    columns: usize,
}

impl Tell<'_> {
    fn lines(&self, room: Room, depths: &[String]) -> Vec<String> {
        let mut lines = vec![self.head(), String::new()];
        lines.extend(labelled("why", self.fold(&self.verdict.reasons, room.why)));
        lines.extend(self.ailing(room.other));
        lines.extend(self.incidents(room.incidents));
        lines.extend(self.errors());
        lines.extend(self.findings(room.other));
        if !depths.is_empty() {
            lines.push(String::new());
            lines.extend(depths.iter().cloned());
        }
        lines.push(String::new());
        lines.extend(labelled("asked", gates(self.verdict, self.inner(), room.asked)));
        lines.extend(labelled("seen", self.fold(&seen(self.analysis), room.other)));
        lines.extend(labelled("proves", cut(&proves(self.analysis), self.inner(), room.other)));
        lines.extend(labelled("not", cut(&proves_not(self.asked), self.inner(), room.other)));
        lines.extend(labelled("again", self.again(room.again)));
        lines
    }

    /// Columns beside the label.
    fn inner(&self) -> usize {
        self.columns - LABEL
    }

    fn fold(&self, items: &[String], lines_max: usize) -> Vec<String> {
        fold(items, self.inner(), lines_max)
    }

    fn head(&self) -> String {
        let asked = self.asked;
        let load = span(self.analysis.calendar.load_us() as f64 / 1e6);
        let word = self.verdict.word.word();
        let label = if asked.simulated { "SIMULATED " } else { "" };
        let recipe = one_line(&one_line(&asked.recipe, NAME_CHARS_MAX), NAME_CHARS_MAX);
        let scenario = one_line(&one_line(&asked.scenario, NAME_CHARS_MAX), NAME_CHARS_MAX);
        format!("{label}{word}  {recipe} · {scenario} · {load} under load")
    }

    /// What was made to go wrong, and whether the contract noticed.
    fn ailing(&self, lines_max: usize) -> Vec<String> {
        if self.asked.ailments.is_empty() {
            return Vec::new();
        }
        let gates = &self.verdict.gates;
        let broken = gates.iter().filter(|gate| gate.word == Word::Fail).count();
        let broken = match broken {
            0 => "no gate broke".to_owned(),
            n => counted(n as u64, "gate broke", "gates broke"),
        };
        let text = format!("{broken} under {}", self.asked.ailments.join(", "));
        labelled("ailing", cut(&text, self.inner(), lines_max))
    }

    fn incidents(&self, lines_max: usize) -> Vec<String> {
        let incidents = &self.analysis.calendar.incidents;
        let shown = if incidents.len() > lines_max { lines_max - 1 } else { incidents.len() };
        let mut lines: Vec<String> = incidents[..shown]
            .iter()
            .flat_map(|incident| {
                labelled(
                    short(incident.kind()),
                    vec![incident_words(self.analysis, incident, self.inner())],
                )
            })
            .collect();
        if shown < incidents.len() {
            let more = counted((incidents.len() - shown) as u64, "more incident", "more incidents");
            lines.extend(labelled("", vec![format!("{more}: --wide")]));
        }
        lines
    }

    fn errors(&self) -> Vec<String> {
        let all = Select::default();
        let share = self.analysis.portion(Portion::Errors, &all);
        let Some(value) = share.value() else { return Vec::new() };
        let requests = counted(share.of, "request", "requests");
        if share.part == 0 {
            return labelled("errors", vec![format!("none of {requests}")]);
        }
        let endings = self.analysis.endings(&all);
        let mut bad: Vec<(Ended, u64)> =
            endings.into_iter().filter(|(ended, _)| ended.is_bad()).collect();
        bad.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let asked = self.verdict.gates.iter().find_map(|gate| match (gate.measure, gate.limit) {
            (Measure::Portion(Portion::Errors), Limit::AtMost(limit)) => Some(limit),
            _ => None,
        });
        let asked =
            asked.map_or(String::new(), |limit| format!(", asked {}", percent_short(limit)));
        let words: Vec<String> = bad.iter().map(|(ended, n)| ending_words(*ended, *n)).collect();
        let text = format!("{}{asked}: {}, of {requests}", percent(value), words.join(", "));
        labelled("errors", cut(&text, self.inner(), 1))
    }

    fn findings(&self, lines_max: usize) -> Vec<String> {
        let mut items: Vec<String> =
            self.verdict.findings.iter().map(|finding| finding.words.clone()).collect();
        items.extend(self.asked.warnings.iter().cloned());
        labelled("note", self.fold(&items, lines_max))
    }

    /// The command, whole or not at all: it is there to be copied.
    fn again(&self, lines_max: usize) -> Vec<String> {
        let mut lines = wrap(&self.asked.again, self.inner() - 2);
        if lines.len() > lines_max {
            return cut("a long command: --wide has it", self.inner(), 1);
        }
        let before_last = lines.len().saturating_sub(1);
        for line in &mut lines[..before_last] {
            line.push_str(" \\");
        }
        lines
    }
}

/// A number of endings in words: `3 error frames`, `1 truncated`.
fn ending_words(ended: Ended, n: u64) -> String {
    let word = ended.word().replace('_', " ");
    match ended {
        Ended::ErrorFrame | Ended::HttpError => counted(n, &word, &format!("{word}s")),
        _ => counted(n, &word, &word),
    }
}

/// A kind in one word, for the label.
fn short(kind: Kind) -> &'static str {
    match kind {
        Kind::OutOfMemory => "OOM",
        _ => kind.word(),
    }
}

/// When, what, and how long, in one line of `width` characters.
pub fn incident_words(analysis: &Analysis, incident: &Incident, width: usize) -> String {
    let when = analysis
        .calendar
        .segments
        .iter()
        .find(|span| span.segment == incident.segment)
        .and_then(|span| span.opened.as_ref())
        .map_or_else(
            || span(incident.from.seconds()),
            |opened| {
                wall_text(opened.wall_us + incident.from.0).get(11..19).unwrap_or("").to_owned()
            },
        );
    let end = match incident.until {
        Some(until) if incident.is(Kind::Outage) => {
            format!("; back in {}", span(until.since(incident.from) as f64 / 1e6))
        }
        None if incident.is(Kind::Outage) => "; not back".to_owned(),
        _ => String::new(),
    };
    let room = width.saturating_sub(when.chars().count() + 1 + end.chars().count());
    format!("{when} {}{end}", cut(&incident.words, room, 1).concat())
}

/// The same text, its verdict words in colour.
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
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::analysis::story::{asked, gate};
    use crate::fact::{ClosedBecause, Fact, Load, Seen};
    use crate::incident::story::Story;
    use crate::report::json;
    use crate::spec::Contract;
    use crate::verdict::judge;

    fn written(asked: &Asked, story: &Story, options: Options) -> String {
        let analysis = analyse(asked, story.entries.iter());
        let verdict = judge(&asked.contract, &analysis);
        render(asked, &analysis, &verdict, options)
    }

    fn contract(names: &[(&str, f64)]) -> Contract {
        let gates = names.iter().map(|(name, limit)| {
            let text = format!("{name}: {limit}");
            crate::spec::Gate { text, ..gate(name, Limit::AtMost(*limit)) }
        });
        Contract { gates: gates.collect() }
    }

    fn fits(text: &str) {
        assert!(text.lines().count() <= LINES_MAX, "{} lines:\n{text}", text.lines().count());
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn a_healthy_run_is_told_in_few_lines() {
        let mut asked = asked(&[0, 4096]);
        asked.contract = contract(&[("crashes", 0.0), ("errors", 0.001), ("ttft_p95", 2.0)]);
        let mut story = Story::soaking();
        story.goods(10.0, 60, 0).goods(130.0, 60, 4096).closed(250.0, ClosedBecause::Done);
        let text = written(&asked, &story, Options::default());
        fits(&text);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "SIMULATED PASS  nemotron-3-super · smoke · 4 m 00 s under load");
        assert_eq!(lines[2], "  errors     none of 120 requests");
        assert_eq!(lines[4], "  depth   n  TTFT p50     p95  TPOT p50      p95  tok/s  bad");
        assert_eq!(lines[5], "  d0     60    400 ms  400 ms   4.00 ms  4.00 ms    250    0");
        assert!(
            text.contains("pass crashes: 0 · pass errors: 0.001 · pass ttft_p95: 2 (2 depths)")
        );
        assert!(text.contains("no failure in 4 m 00 s: MTBF above 1 m 20 s (95 %)"), "{text}");
    }

    #[test]
    fn an_open_loop_has_a_row_for_each_rate_and_the_wide_report_its_lateness() {
        let mut asked = asked(&[0, 4096]);
        let open = |depth, rate| crate::fact::Cell {
            load: Load::PerSecond(rate),
            ..crate::incident::story::cell(depth)
        };
        asked.cells.extend([open(4096, 0.5), open(4096, 2.0)]);
        let mut story = Story::soaking();
        story.goods(10.0, 3, 0).goods(20.0, 4, 4096);
        for (rate, late_us) in [(0.5, 1_000), (2.0, 30_000)] {
            for second in 0..60 {
                let mut request = story.request(100.0 + f64::from(second), 4096);
                request.cell = open(4096, rate);
                request.due = crate::unit::At(request.sent.0 - late_us);
                story.push(161.0, Fact::Request(Box::new(request)));
            }
        }
        story.closed(170.0, ClosedBecause::Done);
        let text = written(&asked, &story, Options::default());
        fits(&text);
        let rows = text.lines().skip_while(|line| !line.contains("TTFT p50"));
        let rows: Vec<&str> = rows.take_while(|line| !line.is_empty()).collect();
        let names = ["cell ", "d0 ", "d4096 c1 ", "d4096 r0.5 ", "d4096 r2 "];
        assert_eq!(rows.len(), names.len(), "{text}");
        assert!(rows.iter().zip(names).all(|(row, name)| row.trim().starts_with(name)), "{text}");
        assert!(text.contains("over 2 requests/s"), "{text}");
        let wide = written(&asked, &story, Options { wide: true, ..Options::default() });
        let late = |cell: &str| -> Vec<&str> {
            let row = wide.lines().find(|line| line.contains(cell)).unwrap();
            let columns = row.rsplit("  ").map(str::trim).filter(|column| !column.is_empty());
            columns.take(3).collect()
        };
        assert_eq!(late("d4096/r2/"), ["30.0 ms"; 3]);
        assert_eq!(late("d4096/c1/"), ["-"; 3]);
    }

    /// Nine depths, five incidents, twelve gates that do not hold or cannot be judged, long names.
    fn worst() -> (Asked, Story) {
        let depths = [0, 4096, 8192, 16_384, 32_768, 65_535, 100_000, 131_072, 262_144];
        let mut asked = asked(&depths);
        asked.recipe = "a-recipe-with-a-rather-long-name-\u{1b}[31mand-colour".to_owned();
        asked.warnings =
            vec!["concurrency 10 is over the server's max_num_seqs of 4".to_owned(); 9];
        asked.again.push_str(&" --depths 0,4096,8192,16384".repeat(9));
        asked.contract = contract(&[
            ("crashes", 0.0),
            ("ooms", 0.0),
            ("restarts", 0.0),
            ("hangs", 0.0),
            ("outages", 0.0),
            ("errors", 0.001),
            ("ttft_p95", 2.0),
            ("ttft_p99", 2.0),
            ("tpot_p95", 0.001),
            ("tpot_p99", 2.0),
            ("e2e", 0.1),
            ("off_depth", 0.0),
        ]);
        let mut story = Story::soaking();
        let seen = Seen {
            subject: "model\u{7}".to_owned(),
            declared: Some("x".repeat(300)),
            seen: "y\n".repeat(300),
            differs: true,
            note: String::new(),
        };
        story.push(10.0, Fact::Seen(seen));
        for (index, depth) in depths.iter().enumerate() {
            let start = 10.0 + f64::from(index as u32) * 200.0;
            story.goods(start, 61, *depth);
            let broken = index < 5;
            if broken {
                let error = "CUDA out of memory. \u{1b}[2J Tried to allocate ".repeat(9);
                story.bad(start + 128.0, *depth, Ended::ErrorFrame, &error);
                story.bad(start + 129.0, *depth, Ended::Refused, "refused\r\n");
            }
            for probe in 13..20 {
                story.up(start + f64::from(probe) * 10.0, !broken || probe > 17);
            }
        }
        story.closed(1811.0, ClosedBecause::Away);
        (asked, story)
    }

    #[test]
    fn the_worst_run_fits_a_screen_and_obeys_no_foreign_character() {
        let (asked, story) = worst();
        let text = written(&asked, &story, Options::default());
        fits(&text);
        assert!(text.starts_with("SIMULATED FAIL  "));
        assert!(text.contains("FAIL crashes: 0 (5)"), "{text}");
        assert!(text.contains("more depths: --wide"), "{text}");
        for label in
            ["why", "OOM", "errors", "note", "depth", "asked", "seen", "proves", "not", "again"]
        {
            assert!(text.contains(&format!("\n  {label} ")), "{label} is missing:\n{text}");
        }
        let wide = written(&asked, &story, Options { wide: true, ..Options::default() });
        assert!(wide.chars().all(|character| character == '\n' || !character.is_control()));
    }

    #[test]
    fn every_output_of_a_simulated_run_says_so_and_no_other_does() {
        let (mut asked, mut story) = worst();
        for simulated in [true, false] {
            asked.simulated = simulated;
            if let Fact::Opened(opened) = &mut story.entries[0].fact {
                opened.simulated = simulated;
            }
            let analysis = analyse(&asked, story.entries.iter());
            let verdict = judge(&asked.contract, &analysis);
            let wide = Options { wide: true, ..Options::default() };
            let json = json::render(&asked, &analysis, &verdict).unwrap();
            let mut progress = crate::report::Progress::new(asked.extent);
            story.entries.iter().for_each(|entry| progress.take(entry));
            assert_eq!(written(&asked, &story, wide).contains("SIMULATED"), simulated);
            assert_eq!(json.contains("\"simulated\": true"), simulated);
            assert_eq!(progress.line(Story::at(2000.0), 80).contains("SIMULATED"), simulated);
        }
    }

    #[test]
    fn an_event_that_nobody_could_see_is_not_observed_never_zero() {
        let mut asked = asked(&[0]);
        asked.contract = contract(&[("ooms", 0.0)]);
        let mut story = Story::soaking();
        story.goods(10.0, 60, 0).closed(130.0, ClosedBecause::Done);
        let text = written(&asked, &story, Options::default());
        fits(&text);
        let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            flat.contains("INCONCLUSIVE ooms: 0 (OOM: not observed; dark: server log not read, kernel not read)"),
            "{text}"
        );
    }

    #[test]
    fn colour_only_repeats_the_words() {
        let (asked, story) = worst();
        let plain = written(&asked, &story, Options::default());
        let coloured = written(&asked, &story, Options { colour: true, ..Options::default() });
        assert!(coloured.contains("\u{1b}[1;31mFAIL\u{1b}[0m"));
        let stripped = ["\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;33m", "\u{1b}[0m"]
            .iter()
            .fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(stripped, plain);
    }

    #[test]
    fn a_run_in_which_nothing_happened_is_told_too() {
        let mut story = Story::new();
        story.opened().closed(3.0, ClosedBecause::NeverAnswered);
        let text = written(&asked(&[0]), &story, Options::default());
        fits(&text);
        assert!(text.contains("the server never answered"), "{text}");
        assert!(!text.contains("depth "), "a table without rows is not printed:\n{text}");
    }

    #[test]
    fn the_json_is_the_same_every_time_and_can_be_read() {
        let (asked, story) = worst();
        let json = || {
            let analysis = analyse(&asked, story.entries.iter());
            json::render(&asked, &analysis, &judge(&asked.contract, &analysis)).unwrap()
        };
        assert_eq!(json(), json());
        let value: serde_json::Value = serde_json::from_str(&json()).unwrap();
        assert_eq!(value["verdict"], "FAIL");
        assert_eq!(value["schema"], 1);
        assert_eq!(value["gates"][3]["value"], serde_json::Value::Null, "hangs were not observed");
        assert_eq!(value["incidents"].as_array().map(Vec::len), Some(5));
    }
}
