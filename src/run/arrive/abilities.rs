//! Detects what a server can do by requesting a few tokens with different
//! parameters. A parameter that the server refuses is not used afterwards.

use std::time::Duration;

use serde_json::{Value, json};

use super::gather::gather_stream;
use super::{Gathered, NoServer, QUESTION, WAIT_US};
use crate::error::Mistake;
use crate::fact::Abilities;
use crate::protocol::openai::Chunk;
use crate::protocol::{shape, sse};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Call, Wire};

/// Timeout of a first request, during which the server may compile or capture graphs.
const FIRST: Duration = Duration::from_secs(600);
/// Number of responses below 500 without a token after which waiting is given up: a server that is
/// still loading refuses connections or returns 503.
const USELESS_MAX: u64 = 6;
/// Number of requested tokens: enough to distinguish an obeyed parameter from an answer that ended
/// by itself.
const TOKENS: u64 = 12;

/// Waits for the first token, then detects which parameters work. Returns the instant of the first
/// token and the system fingerprint of that response.
pub(super) async fn of_requests<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    deadline: At,
    model: &str,
    abilities: &mut Abilities,
    notes: &mut Vec<String>,
    waiting: &mut dyn FnMut(At, &str),
) -> Result<(At, Option<String>), NoServer> {
    let ask = Asker { wire, timeline, model };
    let (first_token, system) = first_token(&ask, deadline, abilities, waiting).await?;
    if !abilities.chat && !abilities.completions {
        notes.push("neither chat nor plain completions gave a stream".to_owned());
        return Ok((first_token, system));
    }
    let path = if abilities.chat { CHAT } else { COMPLETIONS };
    stream_options(&ask, path, abilities).await;
    knobs(&ask, path, abilities).await;
    if abilities.chat {
        let plain = ask.ask(COMPLETIONS, json!({})).await;
        abilities.completions = plain.is_some_and(|seen| seen.status == 200 && seen.frames > 0);
    }
    if abilities.completions {
        let ids = ask.ask(COMPLETIONS, json!({"prompt": [1, 2, 3, 4]})).await;
        abilities.token_id_prompts = ids.is_some_and(|seen| seen.status == 200 && seen.frames > 0);
    }
    Ok((first_token, system))
}

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";

async fn first_token<W: Wire>(
    ask: &Asker<'_, W>,
    deadline: At,
    abilities: &mut Abilities,
    waiting: &mut dyn FnMut(At, &str),
) -> Result<(At, Option<String>), NoServer> {
    let mut wait_us = WAIT_US.0;
    let mut useless = 0;
    loop {
        let mut words = String::new();
        for path in [CHAT, COMPLETIONS] {
            match ask.asked(path, json!({})).await {
                Ok(gathered) => {
                    let seen = Seen::of(&gathered);
                    if seen.status == 200 && seen.frames > 0 && !seen.error {
                        match path {
                            CHAT => abilities.chat = true,
                            _ => abilities.completions = true,
                        }
                        return Ok((ask.timeline.now(), seen.system));
                    }
                    words = shape::of_answer(gathered.status, &gathered.body);
                    useless += u64::from(gathered.status < 500);
                    // A 4xx on both endpoints is not temporary.
                    if gathered.status >= 500 {
                        break;
                    }
                }
                Err(broken) => {
                    words = broken;
                    break;
                }
            }
        }
        if useless >= USELESS_MAX {
            return Err(NoServer::Mistake(
                Mistake::new(format!("the server answers, but cannot be driven: {words}"))
                    .at(format!("{CHAT} and {COMPLETIONS}, model `{}`", ask.model))
                    .hint("a server that streams OpenAI's chat or plain completions"),
            ));
        }
        let now = ask.timeline.now();
        if now >= deadline {
            return Err(NoServer::NeverAnswered(format!("no first token: {words}")));
        }
        waiting(now, &words);
        ask.timeline.until(At(now.0 + wait_us).min(deadline)).await;
        wait_us = (wait_us * 2).min(WAIT_US.1);
    }
}

async fn stream_options<W: Wire>(ask: &Asker<'_, W>, path: &str, abilities: &mut Abilities) {
    let both = json!({"stream_options": {"include_usage": true, "continuous_usage_stats": true}});
    let one = json!({"stream_options": {"include_usage": true}});
    for knobs in [both, one] {
        let Some(seen) = ask.ask(path, knobs).await else { continue };
        if seen.status == 200 && !seen.error && seen.usage.is_some() {
            abilities.usage = true;
            abilities.continuous_usage = seen.usages > 1;
            abilities.cached_tokens = seen.cached;
            return;
        }
    }
}

async fn knobs<W: Wire>(ask: &Asker<'_, W>, path: &str, abilities: &mut Abilities) {
    let asked = async |knobs: Value| {
        let mut knobs = knobs;
        if abilities.usage {
            knobs["stream_options"] = json!({"include_usage": true});
        }
        ask.ask(path, knobs).await
    };
    let obeyed = |seen: &Option<Seen>, usage: bool| {
        seen.as_ref().is_some_and(|seen| {
            seen.status == 200 && !seen.error && (!usage || seen.usage == Some(TOKENS))
        })
    };
    let ignore_eos = asked(json!({"ignore_eos": true})).await;
    let min_tokens = asked(json!({"min_tokens": TOKENS})).await;
    let ids = asked(json!({"return_token_ids": true})).await;
    // vLLM rejects an empty salt. A server that accepts it ignores the parameter.
    let salt = asked(json!({"cache_salt": ""})).await;
    abilities.ignore_eos = obeyed(&ignore_eos, abilities.usage);
    abilities.min_tokens = obeyed(&min_tokens, abilities.usage);
    abilities.return_token_ids = ids.is_some_and(|seen| seen.status == 200 && seen.ids);
    abilities.cache_salt = salt.is_some_and(|seen| seen.status == 400);
}

/// Measures the prefill speed, tokens per second, with a prompt of about two thousand tokens;
/// `None` where the server does not count tokens.
pub(super) async fn prefill_per_s<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    model: &str,
    abilities: &Abilities,
) -> Option<f64> {
    if !abilities.usage || !abilities.chat {
        return None;
    }
    let ask = Asker { wire, timeline, model };
    let text =
        (0..700).map(|number| format!("Line {number} of a list.")).collect::<Vec<_>>().join("\n");
    let knobs = json!({
        "max_tokens": 1,
        "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": text}],
    });
    let gathered = ask.asked(CHAT, knobs).await.ok()?;
    let seen = Seen::of(&gathered);
    let computed = seen.prompt?.checked_sub(seen.cached_count)?;
    let seconds = timeline.now().since(gathered.sent) as f64 / 1e6;
    (seen.status == 200 && computed > 100).then(|| computed as f64 / seconds)
}

/// Sender of requests for a few tokens.
struct Asker<'a, W: Wire> {
    wire: &'a W,
    timeline: &'a Timeline,
    model: &'a str,
}

impl<W: Wire> Asker<'_, W> {
    async fn ask(&self, path: &str, knobs: Value) -> Option<Seen> {
        self.asked(path, knobs).await.ok().map(|gathered| Seen::of(&gathered))
    }

    async fn asked(&self, path: &str, knobs: Value) -> Result<Gathered, String> {
        let mut body = json!({
            "model": self.model, "stream": true, "max_tokens": TOKENS, "temperature": 0,
        });
        if path == CHAT {
            body["messages"] = json!([{"role": "user", "content": "Say OK."}]);
        } else {
            body["prompt"] = json!("Say OK.");
        }
        if let (Some(body), Some(knobs)) = (body.as_object_mut(), knobs.as_object()) {
            body.extend(knobs.clone());
        }
        let limit = if path == CHAT { FIRST } else { FIRST.max(QUESTION) };
        gather_stream(self.wire, self.timeline, Call::post(path, body.to_string()), limit).await
    }
}

/// Fields of the response to such a request.
#[derive(Debug, Default)]
struct Seen {
    status: u16,
    frames: u64,
    error: bool,
    usage: Option<u64>,
    usages: u64,
    prompt: Option<u64>,
    cached: bool,
    cached_count: u64,
    ids: bool,
    system: Option<String>,
}

impl Seen {
    fn of(gathered: &Gathered) -> Seen {
        let mut seen = Seen { status: gathered.status, ..Seen::default() };
        // A body that is not an event stream yields no events.
        let _ = sse::Parser::default().feed(&gathered.body, |event| {
            if let Ok(chunk) = Chunk::parse(event) {
                seen.take(chunk);
            }
        });
        seen
    }

    fn take(&mut self, chunk: Chunk) {
        self.error |= chunk.error.is_some();
        self.frames += u64::from(chunk.of_answer);
        self.ids |= chunk.ids.is_some_and(|ids| ids > 0);
        self.system = chunk.system.or(self.system.take());
        // A record of zeros counts nothing.
        let Some(usage) = chunk.usage.filter(|usage| usage.output > Some(0)) else { return };
        self.usage = usage.output;
        self.usages += 1;
        self.prompt = usage.prompt;
        self.cached |= usage.cached.is_some();
        self.cached_count = usage.cached.unwrap_or(0);
    }
}
