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
use super::{Input, LengthSample, Message, Plan, Slot};
use crate::fact::{Cell, Fitted};
use crate::rng::Rng;
use crate::spec::scenario::Api;
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
    /// Returns the most tokens that the chat template adds to a prompt; 0 where they are not known.
    pub(crate) fn template_tokens(&self) -> u64 {
        self.prompt_overhead.max(self.both_overhead)
    }

    /// Returns the estimate where the server counts nothing: four characters per token.
    pub(crate) fn guess(corpus: &Corpus) -> Fit {
        let tokens = |text: &str| text.len() as f64 / 4.0;
        Fit {
            method: Method::Guess,
            passages: corpus.passages().iter().map(|passage| tokens(passage)).collect(),
            number: tokens(&number_line(&mut Rng::at(0, &[]), None)),
            filler: tokens(FILLER),
            prompt_overhead: 0,
            both_overhead: 0,
        }
    }
}

/// Request of the fitter for the number of tokens of a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FitQuestion {
    /// A text without a template.
    Text(String),
    /// Messages with the template.
    Chat(Vec<Message>),
}

impl From<Input> for FitQuestion {
    fn from(input: Input) -> FitQuestion {
        match input {
            Input::Messages(messages) => FitQuestion::Chat(messages),
            Input::Text(text) => FitQuestion::Text(text),
        }
    }
}

/// Repetitions of a passage in its question, so that tokens at the joints are counted too.
const CORRECTIONS_MAX: usize = 4;
/// Filler words in their question.
const FILLERS: usize = 64;
/// Deepest sample without `/tokenize`, where a sample costs a prefill, tokens. Deeper prompts are
/// checked through the request rows, which carry the server's count.
const SAMPLE_MAX: u64 = 9_000;
/// Relative error below which the samples need no correction.
const CLOSE_ENOUGH: f64 = 0.001;

/// Stage of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Parts of texts are counted.
    Parts,
    /// Whole samples are counted.
    Samples,
    /// Whole samples are counted once more, after a correction.
    Again,
    Over,
}

/// State of a measurement that gives a [`Fit`].
pub(crate) struct Fitter<'a> {
    plan: &'a Plan,
    fit: Fit,
    samples: Vec<(Cell, Slot)>,
    counted: Vec<Option<u64>>,
    stage: Stage,
}

impl<'a> Fitter<'a> {
    /// Returns a fitter for the texts of a plan.
    pub(crate) fn new(plan: &'a Plan, method: Method) -> Fitter<'a> {
        let mut samples: Vec<(Cell, Slot)> = Vec::new();
        for LengthSample { slot, cell, .. } in
            plan.samples().iter().filter(|it| it.api == Api::Chat)
        {
            let is_known = samples.iter().any(|(known, _)| known.is_as_long(cell));
            if !is_known && (method == Method::Tokenize || cell.input() <= SAMPLE_MAX) {
                samples.push((*cell, *slot));
            }
        }
        let fit = Fit { method, ..Fit::default() };
        Fitter { plan, fit, counted: vec![None; samples.len()], samples, stage: Stage::Parts }
    }

    /// Returns the next questions, in any order to be asked; none when the fit is complete.
    pub(crate) fn questions(&self) -> Vec<FitQuestion> {
        match self.stage {
            Stage::Parts => self.parts(),
            Stage::Samples | Stage::Again => {
                self.samples.iter().map(|(_, slot)| self.sample(*slot)).collect()
            }
            Stage::Over => Vec::new(),
        }
    }

    /// Whether the next questions are samples.
    pub(crate) fn counts_samples(&self) -> bool {
        self.stage != Stage::Parts
    }

    /// Returns the cells of the samples.
    pub(crate) fn samples(&self) -> impl Iterator<Item = Cell> {
        self.samples.iter().map(|(cell, _)| *cell)
    }

    fn parts(&self) -> Vec<FitQuestion> {
        let message = |role| Message { role, content: ".".to_owned() };
        let number = number_line(&mut Rng::at(0, &[]), None).repeat(CORRECTIONS_MAX);
        let mut parts = Vec::new();
        if !self.samples.is_empty() {
            parts.push(FitQuestion::Chat(vec![message("user")]));
            parts.push(FitQuestion::Chat(vec![message("system"), message("user")]));
        }
        parts.push(FitQuestion::Text(number));
        parts.push(FitQuestion::Text(format!("more{}", FILLER.repeat(FILLERS - 1))));
        let passages = self.plan.corpus().passages().iter();
        parts.extend(passages.map(|passage| FitQuestion::Text(passage.repeat(CORRECTIONS_MAX))));
        parts
    }

    fn sample(&self, slot: Slot) -> FitQuestion {
        self.plan.ask(slot, At::ZERO, &self.fit).input.into()
    }

    /// Takes the answers to the last questions, in tokens; `None` for one that was not answered.
    ///
    /// # Errors
    /// No text was counted, so there is nothing to make lengths from.
    pub(crate) fn answer(&mut self, tokens: &[Option<u64>]) -> Result<(), NothingCounted> {
        self.stage = match self.stage {
            Stage::Parts => {
                self.work_out(tokens).ok_or(NothingCounted)?;
                Stage::Samples
            }
            Stage::Samples => {
                self.counted = tokens.to_vec();
                if self.scale_counts() { Stage::Again } else { Stage::Over }
            }
            Stage::Again | Stage::Over => {
                self.counted = tokens.to_vec();
                Stage::Over
            }
        };
        Ok(())
    }

    /// Computes the fit from the counts of the parts. A text that was not counted has the tokens
    /// per character of those that were.
    fn work_out(&mut self, tokens: &[Option<u64>]) -> Option<()> {
        let parts = self.parts();
        let texts: Vec<(&str, Option<u64>)> = parts
            .iter()
            .zip(tokens)
            .filter_map(|(part, tokens)| match part {
                FitQuestion::Text(text) => Some((text.as_str(), *tokens)),
                FitQuestion::Chat(_) => None,
            })
            .collect();
        let known = texts.iter().filter_map(|(text, tokens)| Some((text.len(), (*tokens)?)));
        let (length, all) =
            known.fold((0, 0), |(length, all), (more, tokens)| (length + more, all + tokens));
        if all == 0 {
            return None;
        }
        let per_byte = all as f64 / length as f64;
        let mut counts = texts
            .iter()
            .map(|(text, tokens)| tokens.map_or(text.len() as f64 * per_byte, |it| it as f64));
        self.fit.number = counts.next()? / CORRECTIONS_MAX as f64;
        self.fit.filler = (counts.next()? / FILLERS as f64).max(0.1);
        self.fit.passages = counts.map(|count| (count / CORRECTIONS_MAX as f64).max(0.1)).collect();
        let is_chat = |part: &FitQuestion| matches!(part, FitQuestion::Chat(_));
        let mut chats = parts.iter().zip(tokens).filter(|it| is_chat(it.0)).map(|it| *it.1);
        // The full stop in the template questions is a token itself.
        let of_prompt = chats.next().flatten().map(|count| count.saturating_sub(1));
        let of_both = chats.next().flatten().map(|count| count.saturating_sub(2));
        self.fit.prompt_overhead = of_prompt.or(of_both).unwrap_or(0);
        self.fit.both_overhead = of_both.or(of_prompt).unwrap_or(0);
        Some(())
    }

    /// Scales the passage counts by the error of the deepest counted sample; whether they changed,
    /// so that the samples are to be counted again.
    fn scale_counts(&mut self) -> bool {
        let counted = self.samples.iter().zip(&self.counted);
        let deepest = counted
            .filter_map(|((cell, _), counted)| Some((cell.input(), (*counted)?)))
            .max_by_key(|(wanted, _)| *wanted);
        let Some((wanted, counted)) = deepest else { return false };
        let factor = counted as f64 / wanted as f64;
        if (factor - 1.0).abs() < CLOSE_ENOUGH || !(0.5..2.0).contains(&factor) {
            return false;
        }
        for tokens in &mut self.fit.passages {
            *tokens *= factor;
        }
        true
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
                counted: sample.and_then(|index| self.counted[index]),
            };
            if !fitted.contains(&entry) {
                fitted.push(entry);
            }
        }
        (self.fit, fitted)
    }
}

/// Error of a server that counted no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NothingCounted;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Phase;
    use crate::plan::tests::scenario;
    use crate::plan::{Bounds, Input, RoundPosition};

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

    /// Fits with a server that answers the questions that `answers` says.
    fn fitted_by(
        plan: &Plan,
        method: Method,
        answers: impl Fn(&FitQuestion) -> bool,
    ) -> (Fit, Vec<Fitted>) {
        let mut fitter = Fitter::new(plan, method);
        for _ in 0..9 {
            let questions = fitter.questions();
            if questions.is_empty() {
                return fitter.finish();
            }
            let counted = questions.iter().map(|question| {
                answers(question).then(|| match question {
                    FitQuestion::Text(text) => count(text),
                    FitQuestion::Chat(messages) => chat(messages),
                })
            });
            fitter.answer(&counted.collect::<Vec<_>>()).expect("a text was counted");
        }
        panic!("it comes to no end");
    }

    fn fitted(plan: &Plan, method: Method) -> (Fit, Vec<Fitted>) {
        fitted_by(plan, method, |_| true)
    }

    /// By how many tokens the worst ask misses its length.
    fn worst_miss(plan: &Plan, fit: &Fit) -> u64 {
        let slots = (0..plan.lap().len()).map(|index| {
            let nth = plan.slot(RoundPosition::new(0, index), 0);
            Slot { phase: Phase::Soak, lane: 0, nth, repeat: 0 }
        });
        let miss = |slot| {
            let ask = plan.ask(slot, At::ZERO, fit);
            let Input::Messages(messages) = &ask.input else { panic!("a chat") };
            ask.cell.input().abs_diff(chat(messages))
        };
        slots.map(miss).max().unwrap_or(0)
    }

    #[test]
    fn a_question_that_is_refused_costs_that_question_and_a_deep_sample_that_depth() {
        let scenario = scenario(&[0, 4096], &[1]);
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        let is_long = |question: &FitQuestion| match question {
            FitQuestion::Text(_) => false,
            FitQuestion::Chat(messages) => messages.iter().any(|it| it.content.len() > 8_000),
        };
        let (fit, samples) = fitted_by(&plan, Method::Tokenize, |question| !is_long(question));
        let counted: Vec<bool> = samples.iter().map(|sample| sample.counted.is_some()).collect();
        assert_eq!(counted, [true, false]);
        assert!(worst_miss(&plan, &fit) <= 41, "{}", worst_miss(&plan, &fit));
        let unlucky = plan.corpus().passages()[5].repeat(CORRECTIONS_MAX);
        let refused = FitQuestion::Text(unlucky);
        let (fit, _) = fitted_by(&plan, Method::Tokenize, |question| *question != refused);
        assert!(worst_miss(&plan, &fit) <= 41, "{}", worst_miss(&plan, &fit));
    }

    #[test]
    fn a_server_that_counts_no_text_gives_no_fit() {
        let plan = Plan::new(&scenario(&[0], &[1]), 7, Bounds::default()).unwrap();
        let mut fitter = Fitter::new(&plan, Method::Usage);
        let none = vec![None; fitter.questions().len()];
        assert_eq!(fitter.answer(&none), Err(NothingCounted));
    }

    #[test]
    fn every_ask_has_its_depth_within_one_per_cent_or_sixteen_tokens() {
        let scenario = scenario(&[0, 4096, 32_768], &[1, 2]);
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        for method in [Method::Tokenize, Method::Usage] {
            let (fit, _) = fitted(&plan, method);
            for index in 0..plan.lap().len() {
                for lap in 0..3 {
                    let place = RoundPosition::new(lap, index);
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
