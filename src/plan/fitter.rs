//! Fits text lengths to exact token counts: measures how many tokens the server
//! counts for each passage before the load, so that any ask can be made to
//! length without another request.
//!
//! Pure: it returns questions and takes the answers; the caller sends them. All
//! common tokenizers start a new token at the word at a line's start, so counts
//! of passages add up; the last step checks whole samples and corrects the
//! rest.

use serde::{Deserialize, Serialize};

use super::corpus::{Corpus, FILLER, number_line};
use super::{Input, Message, Plan, Slot};
use crate::fact::{Cell, Fitted};
use crate::rng::Rng;
use crate::unit::At;
use crate::words::words;

/// Token counts of the server's tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fit {
    /// Method by which they were measured.
    pub method: Method,
    /// Tokens of each passage of the corpus.
    pub passages: Vec<f64>,
    /// Tokens of the line that makes a text unique.
    pub number: f64,
    /// Tokens of one filler word.
    pub filler: f64,
    /// Tokens that the chat template adds to a user's message.
    pub prompt_overhead: u64,
    /// Tokens that the chat template adds to a system's and a user's message.
    pub both_overhead: u64,
}

impl Default for Fit {
    fn default() -> Fit {
        Fit {
            method: Method::Tokenize,
            passages: Vec::new(),
            number: 1.0,
            filler: 1.0,
            prompt_overhead: 0,
            both_overhead: 0,
        }
    }
}

/// Method by which the server's token counts are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    /// `/tokenize`: nearly free for the server.
    Tokenize,
    /// The usage record of requests for one output token.
    Usage,
    /// Not measured: four characters per token.
    Guess,
}

words!(Method { Tokenize: "tokenize", Usage: "usage", Guess: "guess" });

impl Fit {
    /// Returns the estimate where the server counts nothing: four characters per token.
    pub(crate) fn guess(corpus: &Corpus) -> Fit {
        let tokens = |text: &str| text.len() as f64 / 4.0;
        Fit {
            method: Method::Guess,
            passages: corpus.passages().iter().map(|passage| tokens(passage)).collect(),
            number: tokens(&number_line(&mut Rng::at(0, &[]))),
            filler: tokens(FILLER),
            prompt_overhead: 0,
            both_overhead: 0,
        }
    }
}

/// Question of the fitter: how many tokens is this text?
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FitQuestion {
    /// A text without a template.
    Text(String),
    /// Messages with the template.
    Chat(Vec<Message>),
}

/// Repetitions of a passage in its question, so that tokens at the joints are counted too.
const TIMES: usize = 4;
/// Filler words in their question.
const FILLERS: usize = 64;
/// Deepest sample without `/tokenize`, where a sample costs a prefill, tokens. Deeper prompts are
/// checked through the request rows, which carry the server's count.
const SAMPLE_MAX: u64 = 9_000;
/// Relative error below which the samples need no correction.
const CLOSE_ENOUGH: f64 = 0.001;

/// State of a measurement that gives a [`Fit`].
pub(crate) struct Fitter<'a> {
    plan: &'a Plan,
    fit: Fit,
    counts: Vec<u64>,
    samples: Vec<(Cell, Slot)>,
    counted: Vec<u64>,
    mended: bool,
}

impl<'a> Fitter<'a> {
    /// Returns a fitter for the texts of a plan.
    pub(crate) fn new(plan: &'a Plan, method: Method) -> Fitter<'a> {
        let mut samples = plan.samples();
        samples.retain(|(cell, _)| method == Method::Tokenize || cell.input() <= SAMPLE_MAX);
        Fitter {
            plan,
            fit: Fit { method, ..Fit::default() },
            counts: Vec::new(),
            samples,
            counted: Vec::new(),
            mended: false,
        }
    }

    /// Returns the number of answered questions, and the largest possible number of all.
    pub(crate) fn progress(&self) -> (usize, usize) {
        let all = BEFORE_PASSAGES + self.plan.corpus().passages().len() + self.samples.len();
        ((self.counts.len() + self.counted.len()).min(all), all)
    }

    /// Returns the next question; `None` when the fit is complete.
    pub(crate) fn question(&self) -> Option<FitQuestion> {
        let user = |content: String| Message { role: "user", content };
        let passages = self.plan.corpus().passages();
        match self.counts.len() {
            0 => Some(FitQuestion::Chat(vec![user(".".to_owned())])),
            1 => Some(FitQuestion::Chat(vec![
                Message { role: "system", content: ".".to_owned() },
                user(".".to_owned()),
            ])),
            2 => Some(FitQuestion::Text(number_line(&mut Rng::at(0, &[])).repeat(TIMES))),
            3 => Some(FitQuestion::Text(format!("more{}", FILLER.repeat(FILLERS - 1)))),
            asked if asked < BEFORE_PASSAGES + passages.len() => {
                Some(FitQuestion::Text(passages[asked - BEFORE_PASSAGES].repeat(TIMES)))
            }
            _ => {
                let (_, slot) = self.samples.get(self.counted.len())?;
                match self.plan.ask(*slot, At::ZERO, &self.fit).input {
                    Input::Messages(messages) => Some(FitQuestion::Chat(messages)),
                    Input::Text(text) => Some(FitQuestion::Text(text)),
                }
            }
        }
    }

    /// Takes the answer to the last question, in tokens.
    pub(crate) fn answer(&mut self, tokens: u64) {
        let all = BEFORE_PASSAGES + self.plan.corpus().passages().len();
        if self.counts.len() < all {
            self.counts.push(tokens);
            if self.counts.len() == all {
                self.work_out();
            }
            return;
        }
        self.counted.push(tokens);
        if self.counted.len() == self.samples.len() && !self.mended {
            self.mend();
        }
    }

    fn work_out(&mut self) {
        // The full stop in the template questions is a token itself.
        self.fit.prompt_overhead = self.counts[0].saturating_sub(1);
        self.fit.both_overhead = self.counts[1].saturating_sub(2);
        self.fit.number = self.counts[2] as f64 / TIMES as f64;
        self.fit.filler = (self.counts[3] as f64 / FILLERS as f64).max(0.1);
        self.fit.passages = self.counts[BEFORE_PASSAGES..]
            .iter()
            .map(|count| (*count as f64 / TIMES as f64).max(0.1))
            .collect();
    }

    /// Scales the passage counts by the error of the deepest sample, and measures the samples
    /// again.
    fn mend(&mut self) {
        self.mended = true;
        let deepest = (0..self.samples.len()).max_by_key(|index| self.samples[*index].0.input());
        let Some(deepest) = deepest else { return };
        let wanted = self.samples[deepest].0.input() as f64;
        let factor = self.counted[deepest] as f64 / wanted;
        if (factor - 1.0).abs() < CLOSE_ENOUGH || !(0.5..2.0).contains(&factor) {
            return;
        }
        for tokens in &mut self.fit.passages {
            *tokens *= factor;
        }
        self.counted.clear();
    }

    /// Returns the fit, and the sample of each length for the journal.
    pub(crate) fn finish(self) -> (Fit, Vec<Fitted>) {
        let method = self.fit.method.word();
        let mut fitted: Vec<Fitted> = Vec::new();
        for cell in self.plan.cells() {
            let sample = self.samples.iter().position(|(known, _)| known.is_as_long(&cell));
            let entry = Fitted {
                method: method.to_owned(),
                depth: cell.depth,
                prompt: cell.prompt,
                counted: sample.and_then(|index| self.counted.get(index).copied()),
            };
            if !fitted.contains(&entry) {
                fitted.push(entry);
            }
        }
        (self.fit, fitted)
    }
}

/// Questions before the passages: two for the template, one for the number, one for the filler.
const BEFORE_PASSAGES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Phase;
    use crate::plan::tests::scenario;
    use crate::plan::{Bounds, Input, Place};

    /// Tokenizer for tests: letters cost one token per five, digits one per three, other
    /// characters one each; single spaces are free.
    fn count(text: &str) -> u64 {
        let mut tokens = 0;
        let mut run = 0;
        let mut kind = ' ';
        for character in text.chars().chain([' ']) {
            let now = match character {
                c if c.is_alphabetic() => 'a',
                c if c.is_ascii_digit() => '0',
                ' ' => ' ',
                _ => '.',
            };
            if now != kind || now == '.' {
                tokens += match kind {
                    'a' => (run as u64).div_ceil(5),
                    '0' => (run as u64).div_ceil(3),
                    '.' => 1,
                    _ => 0,
                };
                run = 0;
            }
            kind = now;
            run += 1;
        }
        tokens
    }

    fn chat(messages: &[Message]) -> u64 {
        7 + messages.iter().map(|message| 4 + count(&message.content)).sum::<u64>()
    }

    fn fitted(plan: &Plan, method: Method) -> (Fit, Vec<Fitted>) {
        let mut fitter = Fitter::new(plan, method);
        let mut questions = 0;
        while let Some(question) = fitter.question() {
            questions += 1;
            assert!(questions < 400, "it comes to an end");
            fitter.answer(match question {
                FitQuestion::Text(text) => count(&text),
                FitQuestion::Chat(messages) => chat(&messages),
            });
        }
        fitter.finish()
    }

    #[test]
    fn every_ask_has_its_depth_within_one_per_cent_or_sixteen_tokens() {
        let scenario = scenario(&[0, 4096, 32_768], &[1, 2]);
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        for method in [Method::Tokenize, Method::Usage] {
            let (fit, _) = fitted(&plan, method);
            for index in 0..plan.lap().len() {
                for lap in 0..3 {
                    let place = Place::new(lap, index);
                    let nth = plan.slot(place, 0);
                    let slot = Slot { phase: Phase::Soak, lane: 0, nth, repeat: 0 };
                    let ask = plan.ask(slot, At::ZERO, &fit);
                    let Input::Messages(messages) = &ask.input else { panic!("a chat") };
                    let (wanted, counted) = (ask.cell.input(), chat(messages));
                    let allowed = (wanted / 100).max(16);
                    assert!(wanted.abs_diff(counted) <= allowed, "{wanted} became {counted}");
                }
            }
        }
    }

    #[test]
    fn every_length_has_a_sample_in_the_journal() {
        let scenario = scenario(&[0, 4096], &[1, 2]);
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        let (_, samples) = fitted(&plan, Method::Tokenize);
        let lengths: Vec<(u64, u64)> =
            samples.iter().map(|sample| (sample.depth, sample.prompt)).collect();
        assert_eq!(lengths, [(0, 512), (4096, 512)]);
        assert!(samples.iter().all(|sample| sample.counted.is_some()));
    }
}
