//! Counts the tokens of a text or of messages in whichever ways a server has, the cheapest first.

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::Counted;
use crate::fact::Abilities;
use crate::plan::Message;
use crate::plan::fitter::{FitQuestion, Method};
use crate::protocol::{self, openai};
use crate::run::arrive::{Gathered, NotGathered, gather, prompt_tokens};
use crate::spec::scenario::Api;
use crate::world::{Call, Wire};

/// Longest timeout of one question; a slow tokenizer takes seconds for a deep sample.
const QUESTION: Duration = Duration::from_secs(120);
/// Number of ways to count the same without an answer in time after which the server counts as
/// silent, and is not asked any more.
const SILENT_MAX: usize = 2;
/// Number of texts in a row that a way failed to count after which it is not used any more.
const FAILURES_MAX: u32 = 3;

/// Way of a server to count tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CountMethod {
    /// `/tokenize` of a text, vLLM's form.
    Text,
    /// `/tokenize` of a text, llama.cpp's form.
    Content,
    /// `/tokenize` of messages.
    Messages,
    /// The usage record of a request for one token.
    Usage { api: Api, stream: bool },
}

impl CountMethod {
    fn is_usage(self) -> bool {
        matches!(self, CountMethod::Usage { .. })
    }
}

/// Way, and how it went so far.
struct Counter {
    way: CountMethod,
    /// Number of texts in a row that it failed to count.
    failures: Cell<u32>,
    /// Whether it got no answer in time, and none came since in any way.
    is_late: Cell<bool>,
    /// Tokens that a request has besides its text.
    besides: OnceCell<u64>,
}

/// All ways of a server.
pub(super) struct TokenCounters<'a, W: Wire> {
    server: &'a Counted<'a, W>,
    texts: Vec<Counter>,
    chats: Vec<Counter>,
}

impl<'a, W: Wire> TokenCounters<'a, W> {
    /// Returns all ways of a server.
    pub(super) fn of(server: &'a Counted<'a, W>) -> TokenCounters<'a, W> {
        TokenCounters::by(server, ways(server.abilities))
    }

    /// Returns the ways of a server without `/tokenize`.
    pub(super) fn by_usage(server: &'a Counted<'a, W>) -> TokenCounters<'a, W> {
        let (mut texts, mut chats) = ways(server.abilities);
        texts.retain(|way| way.is_usage());
        chats.retain(|way| way.is_usage());
        TokenCounters::by(server, (texts, chats))
    }

    fn by(
        server: &'a Counted<'a, W>,
        (texts, chats): (Vec<CountMethod>, Vec<CountMethod>),
    ) -> TokenCounters<'a, W> {
        let counters = |ways: Vec<CountMethod>| {
            let counter = |way| Counter {
                way,
                failures: Cell::new(0),
                is_late: Cell::new(false),
                besides: OnceCell::new(),
            };
            ways.into_iter().map(counter).collect()
        };
        let (texts, chats) = (counters(texts), counters(chats));
        TokenCounters { server, texts, chats }
    }

    /// Returns the method by which whole prompts are counted.
    pub(super) fn method(&self, has_chats: bool) -> Method {
        let counters = if has_chats { &self.chats } else { &self.texts };
        match counters.first() {
            Some(counter) if counter.way.is_usage() => Method::Usage,
            _ => Method::Tokenize,
        }
    }

    /// Whether any text is counted by `/tokenize`.
    pub(super) fn tokenizes(&self) -> bool {
        self.texts.iter().chain(&self.chats).any(|counter| !counter.way.is_usage())
    }

    /// Counts in the first way that answers.
    ///
    /// # Errors
    /// The reason why the first method did not count.
    pub(super) async fn count(&self, question: &FitQuestion) -> Result<u64, String> {
        let counters = match question {
            FitQuestion::Text(_) => &self.texts,
            FitQuestion::Chat(_) => &self.chats,
        };
        let mut why = None;
        for counter in counters.iter().filter(|counter| counter.failures.get() < FAILURES_MAX) {
            if self.is_silent() {
                break;
            }
            match self.count_by(counter, question).await {
                Ok(tokens) => return Ok(tokens),
                Err(words) => {
                    why.get_or_insert(words);
                }
            }
        }
        if self.is_silent() {
            let seconds = self.limit().as_secs();
            return Err(format!("the server is silent: no count of tokens within {seconds} s"));
        }
        let none =
            || "the server neither tokenizes nor says how many tokens a prompt had".to_owned();
        Err(why.unwrap_or_else(none))
    }

    /// Whether several ways to count the same got no answer in time, and none came since.
    fn is_silent(&self) -> bool {
        let late = |all: &[Counter]| all.iter().filter(|it| it.is_late.get()).count();
        late(&self.texts).max(late(&self.chats)) >= SILENT_MAX
    }

    /// Returns the timeout of one question: a server that takes longer for one token is too slow for
    /// the load.
    fn limit(&self) -> Duration {
        self.server.first_token.min(QUESTION)
    }

    async fn count_by(&self, counter: &Counter, question: &FitQuestion) -> Result<u64, String> {
        let tokens = self.ask(counter, question).await?;
        let (CountMethod::Usage { .. }, FitQuestion::Text(_)) = (counter.way, question) else {
            return Ok(tokens);
        };
        // A text can only be counted within a request, so what else is in one is subtracted.
        let full_stop = FitQuestion::Text(".".to_owned());
        let besides = async || Ok(self.ask(counter, &full_stop).await?.saturating_sub(1));
        let besides = counter.besides.get_or_try_init(besides).await.map_err(|it: String| it)?;
        Ok(tokens.saturating_sub(*besides))
    }

    async fn ask(&self, counter: &Counter, question: &FitQuestion) -> Result<u64, String> {
        let Counted { wire, timeline, patience, .. } = self.server;
        let (path, body) = request(counter.way, question, self.server);
        let call = Call::post(path, body.to_string());
        let is_late = Cell::new(false);
        let once = async || {
            let limit = self.limit();
            let late =
                || NotGathered::new(format!("{path}: no answer within {} s", limit.as_secs()));
            if is_late.get() {
                return Err(late());
            }
            let deadline = timeline.now().after(limit);
            let answer = gather(*wire, timeline, call.clone(), limit).await;
            is_late.set(answer.is_err() && timeline.now() >= deadline);
            if is_late.get() { Err(late()) } else { answer }
        };
        let answer = patience.ask(once).await;
        counter.is_late.set(is_late.get());
        if answer.is_ok() {
            self.texts.iter().chain(&self.chats).for_each(|it| it.is_late.set(false));
        }
        if let FitQuestion::Text(_) = question {
            let has_failed = answer.as_ref().map_or(true, Gathered::may_pass);
            let failures = if has_failed { counter.failures.get() + 1 } else { 0 };
            // A text is short: a way that does not count it in time is given up at once.
            counter.failures.set(if is_late.get() { FAILURES_MAX } else { failures });
        }
        let answer = answer?;
        let tokens = (answer.status == 200).then(|| tokens(counter.way, &answer)).flatten();
        tokens.ok_or_else(|| match answer.status {
            200 => format!("{path} does not say how many tokens it counted"),
            _ => format!("{path}: {}", answer.status_words()),
        })
    }
}

/// Returns the ways for texts and those for messages.
fn ways(abilities: &Abilities) -> (Vec<CountMethod>, Vec<CountMethod>) {
    let usage = |api, is_served: bool| {
        let forms = [(false, abilities.usage_whole), (true, abilities.usage)];
        forms
            .into_iter()
            .filter(move |(_, able)| *able && is_served)
            .map(move |(stream, _)| CountMethod::Usage { api, stream })
    };
    let chat = || usage(Api::Chat, abilities.chat);
    let plain = usage(Api::Completions, abilities.completions && !abilities.chat);
    let able = |(way, able): (CountMethod, bool)| able.then_some(way);
    let tokenize = [
        (CountMethod::Text, abilities.tokenize),
        (CountMethod::Content, abilities.tokenize_content),
    ];
    let messages = able((CountMethod::Messages, abilities.tokenize_messages));
    (
        tokenize.into_iter().filter_map(able).chain(chat()).chain(plain).collect(),
        messages.into_iter().chain(chat()).collect(),
    )
}

/// Returns path and body of a question.
fn request<W: Wire>(
    way: CountMethod,
    question: &FitQuestion,
    server: &Counted<'_, W>,
) -> (&'static str, Value) {
    let model = server.model;
    let text = match question {
        FitQuestion::Text(text) => text.as_str(),
        FitQuestion::Chat(_) => "",
    };
    match way {
        CountMethod::Text => {
            ("/tokenize", json!({"model": model, "prompt": text, "add_special_tokens": false}))
        }
        CountMethod::Content => ("/tokenize", json!({"content": text})),
        CountMethod::Messages => {
            ("/tokenize", json!({"model": model, "messages": messages(question, server.abilities)}))
        }
        CountMethod::Usage { api, stream } => {
            let bound = openai::bound_field(api, server.abilities.max_tokens);
            let mut body = json!({"model": model, bound: 1, "stream": stream});
            if stream {
                body["stream_options"] = json!({"include_usage": true});
            }
            match api {
                Api::Chat => body["messages"] = messages(question, server.abilities),
                Api::Completions => body["prompt"] = json!(text),
            }
            (openai::path_of(api), body)
        }
    }
}

fn messages(question: &FitQuestion, abilities: &Abilities) -> Value {
    let of_text;
    let messages = match question {
        FitQuestion::Chat(messages) => messages,
        FitQuestion::Text(text) => {
            of_text = vec![Message { role: "user", content: text.clone() }];
            &of_text
        }
    };
    let spoken = openai::spoken(messages, abilities).into_iter();
    spoken.map(|(role, content)| json!({"role": role, "content": content})).collect()
}

/// Reads the count of an answer.
fn tokens(way: CountMethod, answer: &Gathered) -> Option<u64> {
    let page = || protocol::json::page(&answer.body).unwrap_or(Value::Null);
    let counted = match way {
        CountMethod::Text | CountMethod::Messages => page()["count"].as_u64(),
        CountMethod::Content => protocol::json::entries(&answer.body, "tokens"),
        CountMethod::Usage { stream: true, .. } => prompt_tokens(answer),
        CountMethod::Usage { stream: false, .. } => page()["usage"]["prompt_tokens"].as_u64(),
    };
    counted.filter(|tokens| *tokens > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_count_is_enough_and_the_cheapest_comes_first() {
        let usage = |api, stream| CountMethod::Usage { api, stream };
        let cases = [
            (Abilities { tokenize: true, ..Abilities::default() }, vec![CountMethod::Text], vec![]),
            (
                Abilities { chat: true, usage_whole: true, ..Abilities::default() },
                vec![usage(Api::Chat, false)],
                vec![usage(Api::Chat, false)],
            ),
            (
                Abilities { chat: true, usage: true, tokenize: true, ..Abilities::default() },
                vec![CountMethod::Text, usage(Api::Chat, true)],
                vec![usage(Api::Chat, true)],
            ),
            (
                Abilities { completions: true, usage: true, ..Abilities::default() },
                vec![usage(Api::Completions, true)],
                vec![],
            ),
        ];
        for (abilities, texts, chats) in cases {
            assert_eq!(ways(&abilities), (texts, chats), "{abilities:?}");
        }
    }
}
