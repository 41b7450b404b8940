//! Reports what was not measured, and what happened beside the judged load.

use crate::analysis::Analysis;
use crate::escape::one_line;
use crate::fact::{Cell, Ended, Phase};
use crate::spec::Select;

/// Bound on a foreign text within a finding.
const WORDS_CHARS_MAX: usize = 160;

/// Bound on the cells that a sentence names.
const CELLS_MAX: usize = 6;

/// Reports planned cells of which no request was judged, where others were.
pub(super) fn never_asked(analysis: &Analysis, tell: &mut impl FnMut(String, Vec<u64>)) {
    let every = Select::default();
    let asked: Vec<Cell> = analysis.atoms_of(&every).filter_map(|atom| atom.group.cell).collect();
    if asked.is_empty() {
        return;
    }
    let never = analysis.planned.iter().filter(|cell| !asked.contains(cell));
    let never: Vec<String> = never.map(|cell| format!("d{} {}", cell.depth, cell.load)).collect();
    let more = never.len().saturating_sub(CELLS_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    if !never.is_empty() {
        let named = never.iter().take(CELLS_MAX).cloned().collect::<Vec<_>>().join(", ");
        tell(
            format!("planned and never asked: {named}{more}; nothing is known of them"),
            Vec::new(),
        );
    }
}

/// Reports requests of the warm-up that ended badly; no gate counts them.
pub(super) fn warm_up(analysis: &Analysis, tell: &mut impl FnMut(String, Vec<u64>)) {
    let warm_up = Select { phase: Some(Phase::Warmup), ..Select::default() };
    let bad = analysis.count_ended(&warm_up, Ended::is_bad);
    if bad == 0 {
        return;
    }
    let all = analysis.count_ended(&warm_up, |ended| !ended.ended_by_longhaul());
    let endings = analysis.endings(&warm_up).into_iter().filter(|(ended, _)| ended.is_bad());
    let words: Vec<String> =
        endings.map(|(ended, n)| format!("{n} {}", ended.word().replace('_', " "))).collect();
    let words = format!(
        "{bad} of {all} requests of the warm-up ended badly, which no gate counts: {}",
        words.join(", ")
    );
    tell(words, analysis.bad_seqs(&warm_up));
}

/// Whether a process of the server's machine was killed for lack of memory, and it is not known
/// whose.
pub(super) fn has_unclear_kill(analysis: &Analysis) -> bool {
    analysis.notes.kills.unclear(&analysis.calendar).next().is_some()
}

/// Reports kills on the server's machine that are not, or may not be, the server's.
pub(super) fn kills(analysis: &Analysis, tell: &mut impl FnMut(String, Vec<u64>)) {
    let kills = &analysis.notes.kills;
    for kill in &kills.others {
        let whom = one_line(&kill.words, WORDS_CHARS_MAX);
        let words = format!(
            "another process on this machine was killed: {whom}; it is none of the server's"
        );
        tell(words, vec![kill.seq]);
    }
    for kill in kills.elsewhere() {
        let words = "another process on this machine was killed for lack of memory: the server's own cgroup counts none";
        tell(words.to_owned(), vec![kill.seq]);
    }
    for kill in kills.unclear(&analysis.calendar) {
        let what = one_line(&kill.words, WORDS_CHARS_MAX);
        let words = format!(
            "a process on this machine was killed for lack of memory, and it is not known whose: {what}"
        );
        tell(words, vec![kill.seq]);
    }
}

#[cfg(test)]
mod tests {
    use crate::analysis::analyse;
    use crate::analysis::fixture::asked;
    use crate::fact::{ClosedBecause, Ended, Fact, Phase, Severity, SignatureMatch, Source, Whose};
    use crate::incident::fixture::Story;
    use crate::series::{CGROUP_OOM_KILLS, LOG_LINES, OOM_KILLS};
    use crate::spec::Contract;
    use crate::verdict::tests::{at_most, judged};
    use crate::verdict::{Verdict, VerdictWord, judge};

    fn reported(verdict: &Verdict) -> Vec<&str> {
        verdict.findings.iter().map(|finding| finding.words.as_str()).collect()
    }

    #[test]
    fn a_planned_cell_that_was_never_asked_is_told() {
        let mut story = Story::soaking();
        story.goods(10.0, 20, 0).closed(60.0, ClosedBecause::Done);
        let told = |depths: &[u64]| {
            let analysis = analyse(&asked(depths), story.entries.iter());
            let verdict = judge(&Contract::default(), &analysis);
            reported(&verdict).join("\n")
        };
        assert_eq!(told(&[0]), "");
        assert_eq!(
            told(&[0, 4096, 8192]),
            "planned and never asked: d4096 c1, d8192 c1; nothing is known of them"
        );
        assert_eq!(told(&[4096]), "planned and never asked: d4096 c1; nothing is known of them");
    }

    #[test]
    fn requests_of_the_warm_up_that_ended_badly_are_told_and_not_judged() {
        let mut story = Story::new();
        story.opened().phase(0.0, Phase::Warmup).up(0.5, true).good(2.0, 0);
        story.bad(5.0, 0, Ended::ErrorFrame, "boom").bad(6.0, 0, Ended::Reset, "reset");
        story.up(7.0, true).phase(10.0, Phase::Soak).goods(10.0, 20, 0);
        story.closed(60.0, ClosedBecause::Done);
        let verdict = judged(&story, &[at_most("errors", 0.0)]);
        assert_eq!(verdict.gates[0].word, VerdictWord::Pass);
        let words = "2 of 3 requests of the warm-up ended badly, which no gate counts: ";
        assert!(reported(&verdict).iter().any(|it| it.starts_with(words)), "{verdict:#?}");
    }

    /// Returns a run with the kernel and the server's log read, in which these facts come.
    fn watched(facts: &[(f64, Fact)]) -> Story {
        let mut all: Vec<(f64, Fact)> = facts.to_vec();
        for second in (0..=100).step_by(10).map(f64::from) {
            let kills = if second < 50.0 { 3.0 } else { 4.0 };
            let rose = facts.iter().any(|(_, fact)| matches!(fact, Fact::Said(_)));
            let kills = OOM_KILLS.reading(if rose { kills } else { 3.0 });
            let log = crate::fact::Reading::single(Source::Process, LOG_LINES, 1.0);
            all.extend([(second, Fact::Reading(kills)), (second, Fact::Reading(log))]);
        }
        let mut story = Story::soaking();
        story.goods(10.0, 40, 0);
        all.extend(story.entries.iter().map(|entry| (entry.at.seconds(), entry.fact.clone())));
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut story = Story::new();
        for (seconds, fact) in all {
            story.push(seconds, fact);
        }
        story.closed(100.0, ClosedBecause::Done);
        story
    }

    fn line(whose: Option<Whose>) -> Fact {
        let row = crate::engine::signature::named("oom_kill_cgroup").unwrap();
        let (signature, line) = (row.name.to_owned(), row.line.to_owned());
        let (source, severity) = (Source::Kernel, Severity::Fatal);
        Fact::Said(SignatureMatch { source, signature, severity, line, whose })
    }

    fn ooms(story: &Story) -> (VerdictWord, String, u64) {
        let verdict = judged(story, &[at_most("ooms", 0.0)]);
        let kills = reported(&verdict).into_iter().filter(|it| it.contains("was killed"));
        let kills = kills.collect::<Vec<_>>().join("\n");
        (verdict.gates[0].word, kills, verdict.proof.unwrap().failures)
    }

    #[test]
    fn a_kill_of_another_process_is_a_note_and_neither_an_oom_nor_a_failure() {
        assert_eq!(ooms(&watched(&[])), (VerdictWord::Pass, String::new(), 0));
        let (word, told, failures) = ooms(&watched(&[(49.8, line(Some(Whose::Other)))]));
        assert_eq!((word, failures), (VerdictWord::Pass, 0), "{told}");
        let words = "another process on this machine was killed: hello (pid 4242); it is none of the server's";
        assert_eq!(told, words);
        let (word, _, failures) = ooms(&watched(&[(49.8, line(Some(Whose::Server)))]));
        assert_eq!((word, failures), (VerdictWord::Fail, 1));
    }

    #[test]
    fn a_kill_of_nobody_knows_whom_is_an_oom_only_if_the_server_died() {
        let (word, told, failures) = ooms(&watched(&[(49.8, line(None))]));
        assert_eq!((word, failures), (VerdictWord::Inconclusive, 0));
        assert!(told.contains("it is not known whose: hello (pid 4242)"), "{told}");
        let mut story = Story::new();
        let mut refused = story.bad(52.0, 0, Ended::Refused, "refused").entries.remove(0).fact;
        if let Fact::Request(request) = &mut refused {
            request.phase = Phase::Soak;
        }
        let down = |second| (second, Fact::Reading(crate::series::UP.reading(0.0)));
        let died = [(49.8, line(None)), (52.0, refused), down(52.1), down(52.2)];
        let (word, told, failures) = ooms(&watched(&died));
        assert_eq!((word, told.as_str(), failures), (VerdictWord::Fail, "", 1));
    }

    #[test]
    fn a_count_that_rises_is_elsewhere_if_the_servers_own_cgroup_counts_nothing() {
        let count = |second, value| (second, Fact::Reading(OOM_KILLS.reading(value)));
        let cgroup = |second, value| (second, Fact::Reading(CGROUP_OOM_KILLS.reading(value)));
        let (word, told, _) = ooms(&watched(&[count(95.0, 4.0)]));
        assert_eq!(word, VerdictWord::Inconclusive, "{told}");
        let read = [cgroup(20.0, 0.0), count(95.0, 4.0), cgroup(96.0, 0.0)];
        let (word, told, _) = ooms(&watched(&read));
        assert_eq!(word, VerdictWord::Pass);
        assert!(told.contains("the server's own cgroup counts none"), "{told}");
        let own = [cgroup(20.0, 0.0), count(95.0, 4.0), cgroup(96.0, 1.0)];
        assert_eq!(ooms(&watched(&own)).0, VerdictWord::Fail);
    }
}
