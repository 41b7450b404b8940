//! Judges the run as a whole: how it ended, whether any load ran, whether longhaul itself worked;
//! and collects the findings beside the gates.

use crate::analysis::{Analysis, Share};
use crate::escape::one_line;
use crate::fact::{ClosedBecause, Ended, FaultKind, Group, Phase};
use crate::incident::{Confidence, Incident, IncidentKind};
use crate::series::PREEMPTIONS;
use crate::spec::{Contract, Select};
use crate::unit::{At, grouped, span};

use super::{Finding, VerdictWord, cache, segments, slots, unmeasured};

/// Bound on a foreign text within a reason or finding.
const WORDS_CHARS_MAX: usize = 160;

/// Bound on the reason why a run ended: the server's exit and the log line that explains it.
const NOTE_CHARS_MAX: usize = 400;

/// Least share of answers that arrived in one piece that is reported.
const AT_ONCE_SHARE_MIN: f64 = 0.05;

/// Whether a failure of longhaul itself ended the run.
pub(crate) fn is_fatal(analysis: &Analysis) -> bool {
    let closed = analysis.calendar.closed().map(|(_, closed)| closed.because);
    closed == Some(ClosedBecause::Fault)
        || analysis.notes.faults.iter().any(|(_, fault)| fault.fatal)
}

/// Returns the reasons why the run as a whole is not PASS, the gravest first.
pub(crate) fn reasons(contract: &Contract, analysis: &Analysis) -> Vec<(VerdictWord, String)> {
    let mut reasons: Vec<(VerdictWord, String)> = Vec::new();
    reasons.extend(closed(analysis));
    for (_, fault) in &analysis.notes.faults {
        let what = match fault.kind {
            FaultKind::Journal => "the journal could not be written",
            FaultKind::Pace => "longhaul could not keep its own pace",
            FaultKind::Clock => "the clock jumped or the machine slept",
            FaultKind::Panic => "a task of longhaul broke",
            FaultKind::Resources => "longhaul's own machine gave it no connection",
        };
        let why = one_line(&fault.why, WORDS_CHARS_MAX);
        reasons.push((VerdictWord::Inconclusive, format!("{what}: {why}")));
    }
    let ended = analysis.calendar.closed().map(|(_, closed)| closed.because);
    let reported = matches!(ended, Some(ClosedBecause::Away | ClosedBecause::Gone));
    if analysis.calendar.still_away().is_some() && !reported {
        let words = "the server was away when the run ended".to_owned();
        reasons.push((VerdictWord::Inconclusive, words));
    }
    let unanswered = &analysis.unanswered;
    if unanswered.is_dead() {
        let lasted = span(unanswered.lasted_us() as f64 / 1e6);
        let words = match unanswered.failed {
            1 => format!("the last request, over {lasted}, ended badly"),
            failed => format!("the last {failed} requests, over {lasted}, all ended badly"),
        };
        reasons.push((VerdictWord::Inconclusive, words));
    }
    let never = matches!(ended, Some(ClosedBecause::NeverAnswered | ClosedBecause::NeverReady));
    if !never && analysis.count_ended(&Select::default(), Ended::is_good) == 0 {
        let only_warmup = analysis.atoms.iter().any(|atom| atom.phase == Phase::Warmup);
        let words = if only_warmup && analysis.calendar.first_steady().is_none() {
            "the run ended in its warm-up, so nothing is judged"
        } else {
            "no request has a whole answer"
        };
        reasons.push((VerdictWord::Inconclusive, words.to_owned()));
    }
    let blank = analysis.blank(&Select::default());
    if blank.part > 0 && blank.part == blank.of {
        let words = match blank.of {
            1 => "the only answer has no visible text".to_owned(),
            n => format!("none of {n} answers has any visible text"),
        };
        reasons.push((VerdictWord::Inconclusive, words));
    }
    if contract.gates.is_empty() {
        let words = "the scenario has no contract, so nothing is checked".to_owned();
        reasons.push((VerdictWord::Inconclusive, words));
    }
    reasons.sort_by_key(|(word, _)| std::cmp::Reverse(*word));
    reasons.dedup();
    reasons
}

/// Returns the word and the reason for the way in which the run ended.
fn closed(analysis: &Analysis) -> Option<(VerdictWord, String)> {
    let Some((_, closed)) = analysis.calendar.closed() else {
        let words = match &analysis.reported.failed {
            Some(why) => format!("longhaul failed: {}", one_line(why, NOTE_CHARS_MAX)),
            None => "the run has no end: killed, or its disk failed, or it still runs".to_owned(),
        };
        return Some((VerdictWord::Inconclusive, words));
    };
    let word = match closed.because {
        ClosedBecause::Done => return None,
        ClosedBecause::Away | ClosedBecause::Gone | ClosedBecause::NeverReady => VerdictWord::Fail,
        ClosedBecause::StopOnFail
        | ClosedBecause::Interrupted
        | ClosedBecause::InterruptedTwice
        | ClosedBecause::OutOfTime
        | ClosedBecause::NeverAnswered
        | ClosedBecause::Fault => VerdictWord::Inconclusive,
    };
    let plain = closed.because.plain();
    let by_user =
        matches!(closed.because, ClosedBecause::Interrupted | ClosedBecause::InterruptedTwice);
    let note = one_line(&closed.note, NOTE_CHARS_MAX);
    let words =
        if by_user || note.is_empty() { plain.to_owned() } else { format!("{plain}: {note}") };
    Some((word, words))
}

/// Tells what the run folder lacks.
fn journal(analysis: &Analysis, tell: &mut dyn FnMut(String, Vec<u64>)) {
    if analysis.reported.missing_seqs > 0 {
        let n = analysis.reported.missing_seqs;
        let words = if n == 1 { "row of the journal is" } else { "rows of the journal are" };
        tell(format!("{n} {words} missing"), Vec::new());
    }
    if analysis.reported.unsealed {
        let words =
            "run.json is of an earlier version and has no checksum: a change to it is not seen";
        tell(words.to_owned(), Vec::new());
    }
    for torn in &analysis.reported.torn {
        tell(one_line(torn, WORDS_CHARS_MAX), Vec::new());
    }
}

/// Returns the findings beside the gates.
pub(crate) fn findings(analysis: &Analysis) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut tell = |words: String, evidence: Vec<u64>| {
        findings.push(Finding { words, evidence, is_of_setting: false });
    };
    for words in segments::gaps(analysis) {
        tell(words, Vec::new());
    }
    for (seq, seen) in &analysis.notes.differs {
        tell(one_line(&seen.words(), 2 * WORDS_CHARS_MAX), vec![*seq]);
    }
    let guessed = |incident: &&Incident| {
        incident.is(IncidentKind::Crash) && incident.confidence == Confidence::Guess
    };
    if let Some(first) = analysis.calendar.incidents.iter().find(guessed) {
        let words = "a crash was seen over HTTP only; a stop by an operator looks the same";
        tell(words.to_owned(), first.evidence.clone());
    }
    unmeasured::never_asked(analysis, &mut tell);
    unmeasured::warm_up(analysis, &mut tell);
    unmeasured::kills(analysis, &mut tell);
    past_the_end(analysis, &mut tell);
    off_depth(analysis, &mut tell);
    at_once(analysis, &mut tell);
    cache::findings(analysis, &mut tell);
    let told = [slots::fewer(analysis), preempted(analysis), delayed(analysis)];
    for words in told.into_iter().flatten() {
        tell(words, Vec::new());
    }
    if analysis.fate_unknown > 0 {
        let n = analysis.fate_unknown;
        tell(format!("up to {n} sent, and their end was not recorded"), Vec::new());
    }
    journal(analysis, &mut tell);
    for step in &analysis.notes.steps {
        let by = span(step.step_us.unsigned_abs() as f64 / 1e6);
        let way = if step.step_us < 0 { "back" } else { "forward" };
        let after = span(At(step.at.0).seconds());
        tell(format!("the wall clock stepped {way} by {by}, {after} into the run"), vec![step.seq]);
    }
    if let Some((times, first, words)) = &analysis.notes.pauses {
        let more = if *times > 1 { format!(" ({times} times)") } else { String::new() };
        tell(format!("{}{more}", one_line(words, 2 * WORDS_CHARS_MAX)), vec![*first]);
    }
    if let Some((n, first)) = analysis.notes.parallel.limit() {
        let others = if n == 1 { "another" } else { "others" };
        let ran = if n == 1 { others.to_owned() } else { format!("{n} {others}") };
        let words = format!("it refused requests while {ran} ran: it takes at most {n} at once");
        tell(words, vec![first]);
    }
    if analysis.notes.resent > 0 {
        let n = analysis.notes.resent;
        let was = if n == 1 { "request was" } else { "requests were" };
        let words =
            "sent again on a fresh connection: the server closed the kept-alive one as it was used";
        tell(format!("{n} {was} {words}"), Vec::new());
    }
    if let Some((n, first)) = analysis.notes.cut_off {
        let answers = if n == 1 { "answer" } else { "answers" };
        let words = "came whole, and the connection was cut off without `[DONE]`";
        tell(format!("{n} {answers} {words}"), vec![first]);
    }
    if analysis.notes.unreadable > 0 {
        let n = analysis.notes.unreadable;
        tell(format!("{n} histograms of gaps could not be read"), Vec::new());
    }
    findings
}

/// Reports how often the server preempted requests, and when: it is why tokens came late.
fn preempted(analysis: &Analysis) -> Option<String> {
    let series = analysis.over_time.series.iter();
    let preemptions = series.filter(|it| PREEMPTIONS.has(it.source, &it.name));
    let lifetimes: Vec<_> = preemptions.flat_map(|it| &it.lifetimes).collect();
    let times: f64 = lifetimes.iter().map(|it| it.last - it.first).sum();
    let rises = || lifetimes.iter().flat_map(|it| &it.blocks).filter(|it| it.max > it.min);
    let (from, until) = (rises().map(|it| it.from).min()?, rises().map(|it| it.until).max()?);
    Some(format!(
        "the server preempted requests {} times, between {} and {} of the run: such a request \
         begins again, and its tokens come late",
        grouped(times),
        span(from.seconds()),
        span(until.seconds())
    ))
}

/// Reports requests of which longhaul's own delay spoiled a time.
fn delayed(analysis: &Analysis) -> Option<String> {
    let atoms = || analysis.atoms.iter().filter(|atom| atom.phase.is_steady());
    let n: u64 = atoms().map(|atom| atom.delayed).sum();
    let most_us = atoms().map(|atom| atom.delay_us_max).max()?;
    let requests = if n == 1 { "request was" } else { "requests were" };
    let most = span(most_us as f64 / 1e6);
    (n > 0).then(|| {
        format!(
            "{} {requests} delayed by longhaul itself, by up to {most}: it was stopped, or got no \
             processor; times that this changed are left out",
            grouped(n as f64)
        )
    })
}

/// Words of servers whose format of answers breaks past an answer's natural end, in lower case.
const IGNORE_EOS_ERRORS: [&str; 4] =
    ["unexpected token", "expecting start token", "harmony", "remaining in message header"];

/// Reports failures that come of `ignore_eos`, which longhaul sends so that answers have their
/// whole length.
fn past_the_end(analysis: &Analysis, tell: &mut impl FnMut(String, Vec<u64>)) {
    let abilities = analysis.notes.identity.get("abilities");
    if !abilities.is_some_and(|all| all.split(' ').any(|able| able == "ignore_eos")) {
        return;
    }
    let of_format = |words: &str| {
        let words = words.to_lowercase();
        IGNORE_EOS_ERRORS.iter().any(|known| words.contains(known))
    };
    let broken = || analysis.notes.words.iter().filter(|known| of_format(&known.words));
    if let Some(first) = broken().next() {
        let n: u64 = broken().map(|known| known.n).sum();
        let words = one_line(&first.words, WORDS_CHARS_MAX);
        tell(
            format!(
                "{n} broke with `{words}`: longhaul's `ignore_eos` forces answers past their natural end, which breaks some formats; `exact_output: false` leaves it away"
            ),
            vec![first.first],
        );
    }
}

/// Reports cells whose answers arrived in one piece, where that is more than a reader that was late
/// now and then.
fn at_once(analysis: &Analysis, tell: &mut impl FnMut(String, Vec<u64>)) {
    let every = Select::default();
    let depths = analysis.planned_depths().into_iter();
    let depths = depths.map(|depth| Select { depth: Some(depth), ..Select::default() });
    let without = analysis.without_cell(&every).into_iter().map(|group| every.within(group));
    for select in depths.chain(without) {
        let share = analysis.at_once(&select);
        let Some(first) = analysis.atoms_of(&select).next() else { continue };
        if share.value().is_some_and(|value| value >= AT_ONCE_SHARE_MIN) {
            let ((_, place), Share { part, of }) = (place(&first.group), share);
            let words = format!(
                "{place}: {part} of {of} answers arrived in one piece, as if a proxy held them back: \
                 their TTFT is the time of all of the answer"
            );
            tell(words, Vec::new());
        }
    }
}

/// Returns the place of a finding: a depth with all its loads, or a group without one.
fn place(group: &Group) -> (Option<u64>, String) {
    let depth = group.depth();
    (depth, depth.map_or_else(|| group.to_string(), |depth| format!("d{depth}")))
}

fn off_depth(analysis: &Analysis, tell: &mut impl FnMut(String, Vec<u64>)) {
    for depth in analysis.planned_depths() {
        let select = Select { depth: Some(depth), ..Select::default() };
        let share = analysis.portion(crate::measure::RequestShare::OffDepth, &select);
        if share.part > 0 {
            let (part, of) = (share.part, share.of);
            let first = analysis.atoms_of(&select).find_map(|atom| atom.off_depth_first);
            let first = first.map_or(String::new(), |(counted, planned)| {
                let [counted, planned] = [counted, planned].map(|tokens| grouped(tokens as f64));
                format!(": {counted} tokens by the server's count, {planned} planned")
            });
            let far = analysis.far_off_depth(&select);
            let judged = if far.part == far.of { "; no gate at this depth is judged" } else { "" };
            let words = format!("d{depth}: {part} of {of} prompts off their length{first}{judged}");
            tell(words, Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fact::{Fact, Load};
    use crate::incident::fixture::Story;
    use crate::spec::Gate;
    use crate::verdict::tests::{at_most, judged};

    use super::*;

    /// Returns answers of which the first `held` arrived in one piece, a pause after their sending.
    fn partly_held(held: u32, n: u32) -> Story {
        let mut story = Story::soaking();
        for nth in 0..n {
            let second = 10.0 + f64::from(nth) * 2.0;
            let mut request = story.request(second, 0);
            if nth < held {
                request.last_us = request.ttft_us;
                (request.first_tokens, request.max_gap_us) = (Some(128), None);
            }
            story.push(second + 1.0, Fact::Request(Box::new(request)));
        }
        story.closed(11.0 + f64::from(n) * 2.0, ClosedBecause::Done);
        story
    }

    #[test]
    fn where_half_of_the_answers_came_at_once_no_time_between_tokens_is_judged() {
        let names = ["tpot", "max_gap", "prefill_per_s", "tokens_per_s", "itl"];
        let gates: Vec<Gate> = names.iter().map(|name| at_most(name, 1e9)).collect();
        for held in [3, 6] {
            let verdict = judged(&partly_held(held, 6), &gates);
            let why = format!("n/a: the stream arrived in one piece in {held} of 6 answers");
            for gate in &verdict.gates {
                assert_eq!((gate.word, &gate.why), (VerdictWord::Inconclusive, &why));
                assert_eq!(gate.value, None);
            }
            let reported = &verdict.findings[0].words;
            assert!(
                reported.starts_with(&format!("d0: {held} of 6 answers arrived in one piece")),
                "{reported}"
            );
        }
        let ttft = judged(&partly_held(6, 6), &[at_most("ttft", 2.0)]);
        assert_eq!(
            ttft.gates[0].word,
            VerdictWord::Pass,
            "the first token came no later than that"
        );
        let share = Gate { attain: Some(0.5), ..at_most("tpot", 1.0) };
        let attained = judged(&partly_held(30, 30), &[share]);
        assert_eq!(attained.gates[0].word, VerdictWord::Inconclusive, "{:?}", attained.gates[0]);
    }

    #[test]
    fn a_run_whose_last_requests_all_ended_badly_does_not_pass() {
        let ended = |bad: u32| {
            let mut story = Story::soaking();
            for nth in 0..20 {
                let second = 10.0 + f64::from(nth) * 2.0;
                let mut request = story.request(second, 0);
                if nth >= 20 - bad {
                    (request.ended, request.http_status) = (Ended::HttpError, Some(500));
                }
                story.push(second + 1.0, Fact::Request(Box::new(request)));
            }
            story.closed(51.0, ClosedBecause::Done);
            judged(&story, &[at_most("errors", 0.5)])
        };
        assert_eq!((ended(2).word, ended(6).word), (VerdictWord::Pass, VerdictWord::Inconclusive));
        assert_eq!(ended(6).reasons[0], "the last 6 requests, over 11.0 s, all ended badly");
    }

    #[test]
    fn a_run_in_which_all_streams_were_silent_at_the_end_does_not_pass() {
        let ended = |streams: u32, silent: u32| {
            let mut story = Story::soaking();
            for nth in 0..200 {
                let mut request = story.request(10.0 + f64::from(nth) * 2.0, 0);
                request.cell.load = Load::Streams(streams);
                story.push(11.0 + f64::from(nth) * 2.0, Fact::Request(Box::new(request)));
            }
            for lane in 0..silent {
                let mut request = story.request(410.0 + 0.1 * f64::from(lane), 0);
                request.cell.load = Load::Streams(streams);
                (request.ttft_us, request.last_us) = (None, None);
                request.ended = Ended::TimedOut;
                request.done = Story::at(425.0 + f64::from(lane));
                story.push(425.0 + f64::from(lane), Fact::Request(Box::new(request)));
            }
            story.closed(430.0, ClosedBecause::Done);
            let verdict = judged(&story, &[at_most("errors", 0.01)]);
            verdict.reasons.join("; ")
        };
        assert_eq!(ended(2, 1), "", "the other stream was answered");
        assert_eq!(ended(2, 2), "the last 2 requests, over 16.0 s, all ended badly");
        assert_eq!(ended(1, 1), "the last request, over 15.0 s, ended badly");
    }

    #[test]
    fn a_depth_that_fails_all_the_time_and_is_the_last_says_nothing_of_the_end() {
        let ended = |laps: u32, last_fails: bool| {
            let mut story = Story::soaking();
            for lap in 0..laps {
                let second = 10.0 + f64::from(lap) * 40.0;
                if lap + 1 < laps || !last_fails {
                    story.good(second, 0);
                } else {
                    story.bad(second, 0, Ended::HttpError, "broken");
                }
                for nth in 1..10 {
                    let second = second + f64::from(nth) * 2.0;
                    story.bad(second, 65_536, Ended::HttpError, "broken");
                }
            }
            story.closed(500.0, ClosedBecause::Done);
            judged(&story, &[at_most("errors", 1.0)]).reasons.join("; ")
        };
        assert_eq!(ended(1, false), "", "it was never answered");
        assert_eq!(ended(4, false), "");
        assert_eq!(ended(4, true), "the last 19 requests, over 56.1 s, all ended badly");
    }

    #[test]
    fn a_few_answers_that_came_at_once_are_left_out_and_spoil_nothing() {
        let gates = [at_most("tpot", 0.005), at_most("max_gap", 0.1)];
        let verdict = judged(&partly_held(2, 6), &gates);
        assert_eq!(verdict.word, VerdictWord::Pass, "{verdict:#?}");
        assert!(verdict.gates.iter().all(|gate| gate.n == 4), "{:?}", verdict.gates);
        assert_eq!(verdict.findings.len(), 1);
        let rare = judged(&partly_held(1, 60), &gates);
        assert_eq!(
            (rare.word, rare.findings.len()),
            (VerdictWord::Pass, 0),
            "a reader that was late"
        );
    }

    /// Returns whole answers at a depth of 2,048 planned tokens whose prompts had these tokens.
    fn counted(tokens: &[u64]) -> Story {
        let mut story = Story::soaking();
        for (nth, tokens) in tokens.iter().enumerate() {
            let mut request = story.request(10.0 + nth as f64 * 2.0, 0);
            request.prompt_tokens = Some(*tokens);
            story.push(11.0 + nth as f64 * 2.0, Fact::Request(Box::new(request)));
        }
        story.closed(60.0, ClosedBecause::Done);
        story
    }

    #[test]
    fn a_depth_whose_prompts_all_had_another_length_is_not_judged() {
        let gates = [
            at_most("ttft", 1e9),
            at_most("ttft", 0.0),
            at_most("errors", 0.1),
            at_most("off_depth", 0.5),
            at_most("restarts", 0.0),
            Gate { attain: Some(0.5), ..at_most("ttft", 1e9) },
        ];
        let words = |tokens: &[u64]| {
            judged(&counted(tokens), &gates).gates.iter().map(|gate| gate.word).collect::<Vec<_>>()
        };
        let (pass, fail, open) = (VerdictWord::Pass, VerdictWord::Fail, VerdictWord::Inconclusive);
        assert_eq!(words(&[130; 20]), [open, open, open, fail, open, open]);
        assert_eq!(words(&[2300; 20]), [open, open, open, fail, open, open]);
        let near = [pass, fail, pass, fail, open, pass];
        assert_eq!(words(&[2200; 20]), near, "within 10 %");
        let mixed: Vec<u64> = (0..20).map(|nth| if nth == 0 { 2048 } else { 130 }).collect();
        assert_eq!(words(&mixed), near, "one had its length");
        let verdict = judged(&counted(&[130; 20]), &gates[..1]);
        assert_eq!(verdict.gates[0].why, "n/a: all 20 prompts had another length than planned");
        let reported: Vec<&str> = verdict.findings.iter().map(|it| it.words.as_str()).collect();
        insta::assert_snapshot!(reported.join("\n"), @"d0: 20 of 20 prompts off their length: 130 tokens by the server's count, 2,048 planned; no gate at this depth is judged");
    }

    #[test]
    fn whole_answers_that_were_cut_off_without_done_are_told_once_and_judged_as_good() {
        let mut story = partly_held(0, 3);
        for second in [30.0, 40.0] {
            let mut request = story.request(second, 0);
            request.error = "connection closed before message completed".to_owned();
            story.push(second + 1.0, Fact::Request(Box::new(request)));
        }
        let verdict = judged(&story, &[at_most("errors", 0.0)]);
        assert_eq!(verdict.gates[0].word, VerdictWord::Pass);
        let words = "2 answers came whole, and the connection was cut off without `[DONE]`";
        assert_eq!(verdict.findings[0].words, words);
    }

    #[test]
    fn a_prompt_off_its_length_is_told_with_both_lengths() {
        let mut story = partly_held(0, 3);
        let mut request = story.request(30.0, 0);
        request.prompt_tokens = Some(130);
        story.push(31.0, Fact::Request(Box::new(request)));
        let reported = &judged(&story, &[]).findings[0].words;
        let words = "d0: 1 of 4 prompts off their length: 130 tokens by the server's count, ";
        assert!(reported.starts_with(words) && reported.ends_with("2,048 planned"), "{reported}");
    }
}
