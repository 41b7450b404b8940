//! Generates passages: functions, log excerpts and paragraphs, the typical
//! input of a coding assistant or an automation.

use std::fmt::Write;

use crate::rng::Rng;

/// Number of passages in a corpus. The server's tokenizer counts each once before the load, so
/// this bounds the number of those requests.
pub(super) const COUNT: u64 = 120;

const NOUNS: [&str; 24] = [
    "buffer", "session", "packet", "worker", "record", "window", "queue", "signal", "cursor",
    "ledger", "socket", "sample", "region", "bucket", "target", "metric", "stream", "schema",
    "handle", "digest", "parser", "scope", "lease", "shard",
];
const VERBS: [&str; 16] = [
    "load", "merge", "flush", "resolve", "append", "verify", "rotate", "encode", "trim", "update",
    "collect", "release", "measure", "split", "restore", "schedule",
];
const ADJECTIVES: [&str; 16] = [
    "stale", "pending", "recent", "remote", "local", "broken", "idle", "narrow", "frozen", "empty",
    "partial", "steady", "sorted", "hidden", "shared", "late",
];
const PEOPLE: [&str; 8] = [
    "the operator",
    "the night shift",
    "a reviewer",
    "the maintainer",
    "the support desk",
    "a new colleague",
    "the auditor",
    "the team",
];
const PLACES: [&str; 8] = [
    "in the second rack",
    "behind the gateway",
    "on the build host",
    "in the archive",
    "at the edge site",
    "in the test bench",
    "on the spare node",
    "near the cooling unit",
];

/// Returns all passages of a seed: a third each of source code, logs and prose, and some short
/// lines.
pub(super) fn made(seed: u64) -> Vec<String> {
    (0..COUNT)
        .map(|index| {
            let mut words = Words { rng: Rng::at(seed, &[2, index]) };
            match index % 4 {
                0 => words.function(),
                1 => words.log(),
                2 => words.paragraph(),
                _ => words.line(),
            }
        })
        .collect()
}

struct Words {
    rng: Rng,
}

impl Words {
    fn one(&mut self, of: &[&'static str]) -> &'static str {
        of[self.rng.below(of.len() as u64) as usize]
    }

    fn noun(&mut self) -> &'static str {
        self.one(&NOUNS)
    }

    fn verb(&mut self) -> &'static str {
        self.one(&VERBS)
    }

    fn adjective(&mut self) -> &'static str {
        self.one(&ADJECTIVES)
    }

    fn function(&mut self) -> String {
        let (subject, object, verb) = (self.noun(), self.noun(), self.verb());
        let (field, other, limit) = (self.noun(), self.verb(), 2 + self.rng.below(97));
        if self.rng.below(2) == 0 {
            format!(
                "def {verb}_{subject}({object}, limit={limit}):\n    \"\"\"{verb} the {subject} until the {object} is {}.\"\"\"\n    for {field} in {object}.items():\n        if {field}.count > limit:\n            return {other}({subject}, {field})\n    return None\n\n",
                self.adjective()
            )
        } else {
            format!(
                "fn {verb}_{subject}({object}: &mut Vec<u64>) -> Option<u64> {{\n    // The {field} may be {} by now.\n    let {field} = {object}.iter().filter(|value| **value > {limit}).count();\n    {object}.truncate({field});\n    {object}.last().copied()\n}}\n\n",
                self.adjective()
            )
        }
    }

    fn log(&mut self) -> String {
        let mut minute = self.rng.below(50);
        let mut lines = String::new();
        for _ in 0..3 + self.rng.below(3) {
            minute += 1;
            let (day, hour, second) =
                (1 + self.rng.below(28), self.rng.below(24), self.rng.below(60));
            let level = self.one(&["INFO", "WARN", "DEBUG", "ERROR"]);
            let (who, verb, what) = (self.noun(), self.verb(), self.noun());
            let (spent, left) = (self.rng.below(900), self.rng.below(4000));
            // Writing into a String does not fail.
            let _ = writeln!(
                lines,
                "2026-03-{day:02} {hour:02}:{minute:02}:{second:02} {level} {who}: {verb} {what} after {spent} ms, {left} left"
            );
        }
        lines
    }

    fn sentence(&mut self) -> String {
        let (who, place) = (self.one(&PEOPLE), self.one(&PLACES));
        let (verb, noun, other) = (self.verb(), self.noun(), self.noun());
        let adjective = self.adjective();
        match self.rng.below(4) {
            0 => format!(
                "Before {who} could {verb} the {adjective} {noun}, the {other} was found {place}. "
            ),
            1 => format!(
                "Nobody expected the {noun} to {verb} itself while the {other} was still {adjective}. "
            ),
            2 => format!(
                "It took {who} an hour to see why the {adjective} {noun} had to {verb} every {other} {place}. "
            ),
            _ => format!(
                "When the {noun} is {adjective}, {who} will {verb} the {other} and write down what happened. "
            ),
        }
    }

    fn paragraph(&mut self) -> String {
        let sentences = 3 + self.rng.below(3);
        let mut text: String = (0..sentences).map(|_| self.sentence()).collect();
        text.truncate(text.trim_end().len());
        text.push_str("\n\n");
        text
    }

    fn line(&mut self) -> String {
        format!("- {} the {} {} first\n", self.verb(), self.adjective(), self.noun())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_passage_ends_its_line_and_some_are_short() {
        let passages = made(7);
        assert_eq!(passages.len() as u64, COUNT);
        assert!(passages.iter().all(|passage| passage.ends_with('\n')));
        assert!(passages.iter().any(|passage| passage.len() < 60));
        assert!(passages.iter().all(|passage| passage.len() < 700));
    }
}
