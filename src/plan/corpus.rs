//! Makes the texts of asks: passages of source code, logs and prose, generated
//! from the seed or cut from files that the user named. Nothing is downloaded.
//!
//! A text of a given length is a sequence of passages in its own order, filled
//! up with short passages and single words until the fitted token count is
//! reached.

mod passages;

use super::Fit;
use crate::digest::sha256;
use crate::rng::Rng;
use crate::spec::SpecFile;

/// Length after which a user's file is cut at the next line end, characters.
const CUT_CHARS: usize = 280;

/// Filler word of about one token, used where no passage fits any more.
pub(crate) const FILLER: &str = " more";

/// Passages from which the texts of asks are made.
#[derive(Clone, Debug)]
pub(crate) struct Corpus {
    passages: Vec<String>,
}

impl Corpus {
    /// Generates passages from the seed, or cuts them from `texts` if there are any.
    pub(crate) fn new(seed: u64, texts: &[SpecFile]) -> Corpus {
        if texts.is_empty() {
            return Corpus { passages: passages::made(seed) };
        }
        Corpus { passages: texts.iter().flat_map(|text| cut(&text.text)).collect() }
    }

    /// Returns the passages, each ending in a newline.
    pub(crate) fn passages(&self) -> &[String] {
        &self.passages
    }

    /// Returns a fingerprint of all passages.
    pub(crate) fn hash(&self) -> String {
        sha256(self.passages.concat().as_bytes())
    }

    /// Returns a text of `tokens` tokens by the fit's counts. It begins with a number that is unique
    /// in the run and, with a nonce, to the run, so that no two texts share a prefix longer than a
    /// few tokens.
    pub(crate) fn text(&self, mut rng: Rng, tokens: u64, fit: &Fit, nonce: Option<u64>) -> String {
        let mut left = tokens as f64 - fit.number;
        let mut text = String::with_capacity(tokens as usize * 5);
        text.push_str(&number_line(&mut rng, nonce));
        let smallest = fit.passages.iter().copied().fold(f64::INFINITY, f64::min);
        while left >= smallest {
            let start = rng.below(self.passages.len() as u64) as usize;
            let Some(index) = self.fitting(start, left, fit) else { break };
            left -= fit.passages[index];
            text.push_str(&self.passages[index]);
        }
        let fillers = (left / fit.filler).round().max(0.0) as usize;
        text.push_str(&FILLER.repeat(fillers));
        text
    }

    /// Returns the first passage from `start` on that has at most `left` tokens.
    fn fitting(&self, start: usize, left: f64, fit: &Fit) -> Option<usize> {
        let count = self.passages.len().min(fit.passages.len());
        (0..count).map(|step| (start + step) % count).find(|index| fit.passages[*index] <= left)
    }
}

/// Returns a line that makes a text unique. It has a fixed number of digits, so that its token
/// count is always the same. A nonce shifts all numbers of a run alike: they stay unique.
pub(crate) fn number_line(rng: &mut Rng, nonce: Option<u64>) -> String {
    let mut shifts = nonce.map(|nonce| Rng::at(nonce, &[]));
    let mut group = || {
        let shift = shifts.as_mut().map_or(0, |shifts| shifts.below(9000));
        1000 + (rng.below(9000) + shift) % 9000
    };
    format!("Ticket {}-{}-{}-{}.\n", group(), group(), group(), group())
}

/// Cuts a file at line ends into passages of about [`CUT_CHARS`] characters.
fn cut(text: &str) -> Vec<String> {
    let mut passages = Vec::new();
    let mut passage = String::new();
    for line in text.lines() {
        for piece in pieces(line) {
            passage.push_str(piece);
            passage.push('\n');
            if passage.len() >= CUT_CHARS {
                passages.push(std::mem::take(&mut passage));
            }
        }
    }
    if !passage.trim().is_empty() {
        passages.push(passage);
    }
    passages
}

/// Splits a line into pieces of at most [`CUT_CHARS`] characters: some files are a single line.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.char_indices().nth(CUT_CHARS).map_or(rest.len(), |(end, _)| end);
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokenizer for tests: a token for every four characters of a passage.
    fn fit(corpus: &Corpus) -> Fit {
        Fit {
            passages: corpus.passages().iter().map(|text| text.len() as f64 / 4.0).collect(),
            number: 7.0,
            filler: FILLER.len() as f64 / 4.0,
            ..Fit::default()
        }
    }

    #[test]
    fn a_text_has_the_tokens_that_were_asked_for() {
        let corpus = Corpus::new(7, &[]);
        let fit = fit(&corpus);
        for tokens in [16, 100, 2048, 65_535] {
            let text = corpus.text(Rng::at(7, &[tokens]), tokens, &fit, None);
            let counted = text.len() as f64 / 4.0;
            assert!((counted - tokens as f64).abs() < 4.0, "{tokens} became {counted}");
        }
    }

    #[test]
    fn no_two_texts_begin_alike_and_the_same_address_gives_the_same_text() {
        let corpus = Corpus::new(7, &[]);
        let fit = fit(&corpus);
        let text = |address| corpus.text(Rng::at(7, &[address]), 500, &fit, None);
        assert_eq!(text(1), text(1));
        assert_ne!(text(1)[..27], text(2)[..27]);
    }

    #[test]
    fn with_another_nonce_a_text_has_another_head_and_all_else_is_the_same() {
        let corpus = Corpus::new(7, &[]);
        let fit = fit(&corpus);
        let text = |nonce| corpus.text(Rng::at(7, &[1]), 500, &fit, nonce);
        let (none, one, other) = (text(None), text(Some(1)), text(Some(2)));
        let head = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        for (a, b) in [(&none, &one), (&one, &other), (&none, &other)] {
            assert_ne!(head(a)[..11], head(b)[..11], "the first group of digits differs");
            assert_eq!(a[head(a).len()..], b[head(b).len()..]);
            assert_eq!(head(a).len(), head(b).len());
        }
    }

    #[test]
    fn numbers_that_differ_without_a_nonce_differ_with_one() {
        let lines = |nonce| -> std::collections::BTreeSet<String> {
            (0..2_000).map(|address| number_line(&mut Rng::at(7, &[address]), nonce)).collect()
        };
        let (none, one) = (lines(None), lines(Some(1_778_644_062_000_000)));
        assert_eq!((none.len(), one.len()), (2_000, 2_000));
        assert!(none.is_disjoint(&one), "and no run has a number of another");
    }

    #[test]
    fn the_corpus_is_made_from_the_seed() {
        assert_eq!(Corpus::new(7, &[]).hash(), Corpus::new(7, &[]).hash());
        assert_ne!(Corpus::new(7, &[]).hash(), Corpus::new(8, &[]).hash());
    }

    #[test]
    fn a_users_file_is_cut_at_its_lines_and_a_file_of_one_line_is_cut_too() {
        let source = |text: &str| SpecFile {
            name: "own".to_owned(),
            origin: "own.txt".to_owned(),
            text: text.to_owned(),
        };
        let lines = Corpus::new(1, &[source(&"fn main() {}\n".repeat(100))]);
        assert!(lines.passages().len() > 3);
        assert!(lines.passages().iter().all(|passage| passage.ends_with("}\n")));
        let one = Corpus::new(1, &[source(&"x".repeat(1000))]);
        assert_eq!(one.passages().len(), 4);
    }
}
