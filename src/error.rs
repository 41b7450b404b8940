//! Defines the user's mistakes, with a place and hints.
//!
//! Failures of the target are facts, and failures of longhaul are faults
//! (`fact.rs`); neither is a mistake.

use std::fmt;

use crate::escape::one_line;

/// Longest line of a mistake, characters.
const LINE_CHARS_MAX: usize = 4_000;

/// Mistake that a user can correct. Ends the program with exit code 2, before anything was
/// started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    what: String,
    at: Option<String>,
    tries: Vec<String>,
}

impl Mistake {
    /// Returns a mistake. `what` is one sentence without a full stop.
    pub(crate) fn new(what: impl Into<String>) -> Mistake {
        Mistake { what: what.into(), at: None, tries: Vec::new() }
    }

    /// Returns the sentence alone.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Returns the place alone.
    pub(crate) fn place(&self) -> Option<&str> {
        self.at.as_deref()
    }

    /// Adds whose mistake it is, where several inputs could contain it.
    #[must_use]
    pub(crate) fn of(mut self, whose: &str) -> Mistake {
        self.what = format!("{whose}: {}", self.what);
        self
    }

    /// Adds the place: `scenarios/overnight.yaml:31 contract.tfft_p99`.
    #[must_use]
    pub(crate) fn at(mut self, place: impl Into<String>) -> Mistake {
        self.at = Some(place.into());
        self
    }

    /// Adds a hint; may be called several times.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Mistake {
        self.tries.push(hint.into());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text may come from a user, a file or a server, so control characters are escaped
        // before a terminal prints it.
        let line = |text: &str| one_line(text, LINE_CHARS_MAX);
        write!(f, "error: {}", line(&self.what))?;
        if let Some(at) = &self.at {
            write!(f, "\n   at: {}", line(at))?;
        }
        for hint in &self.tries {
            write!(f, "\n  try: {}", line(hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistake {}

/// Returns the known word nearest to a mistyped one, if one is near enough.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = &word.trim().to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_reads_like_help() {
        let mistake = Mistake::new("scenario `overnight` has no measure `tfft_p99`")
            .at("scenarios/overnight.yaml:31 contract.tfft_p99")
            .hint("ttft_p99");
        assert_eq!(
            mistake.to_string(),
            "error: scenario `overnight` has no measure `tfft_p99`\n   at: scenarios/overnight.yaml:31 contract.tfft_p99\n  try: ttft_p99"
        );
    }

    #[test]
    fn a_mistake_that_is_one_of_severals_says_whose() {
        let mistake = Mistake::new("it is too deep").at("s.yaml").hint("0").of("the arm `a`");
        assert_eq!(mistake.what(), "the arm `a`: it is too deep");
        assert_eq!(mistake.place(), Some("s.yaml"));
        assert!(mistake.to_string().ends_with("try: 0"));
    }

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        let mistake = Mistake::new("there is no `\u{1b}[2J`").at("a\nb");
        assert_eq!(mistake.to_string(), "error: there is no `\\u{1b}[2J`\n   at: a\\nb");
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        assert_eq!(nearest("tfft_p99", ["ttft_p99", "crashes"]), Some("ttft_p99"));
        assert_eq!(nearest("banana", ["ttft_p99", "crashes"]), None);
        assert_eq!(nearest(" CRASHES", ["ttft_p99", "crashes"]), Some("crashes"));
    }
}
