//! The user's mistake, as help: what is wrong, where it stands, what to try.
//!
//! Only mistakes live here. What the target does wrong is a fact, what
//! longhaul does wrong is a fault (`fact.rs`).

use std::fmt;

/// A mistake that a user can mend. Ends the program with exit code 2, before
/// anything was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    what: String,
    at: Option<String>,
    tries: Vec<String>,
}

impl Mistake {
    /// What is wrong, in one sentence without a full stop.
    pub fn new(what: impl Into<String>) -> Mistake {
        Mistake { what: what.into(), at: None, tries: Vec::new() }
    }

    /// Where: `scenarios/overnight.yaml:31 contract.tfft_p99`.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Mistake {
        self.at = Some(place.into());
        self
    }

    /// What to try; may be said more than once.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Mistake {
        self.tries.push(hint.into());
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if let Some(at) = &self.at {
            write!(f, "\n   at: {at}")?;
        }
        for hint in &self.tries {
            write!(f, "\n  try: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistake {}

/// The known word nearest to a mistyped one, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
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
    fn only_a_near_word_is_suggested() {
        assert_eq!(nearest("tfft_p99", ["ttft_p99", "crashes"]), Some("ttft_p99"));
        assert_eq!(nearest("banana", ["ttft_p99", "crashes"]), None);
    }
}
