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
