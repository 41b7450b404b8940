//! Waits for the first token, and tells a server that is still starting from one that cannot be
//! driven.

use std::time::Duration;

use serde_json::json;

use super::asker::{Asker, OptionalFields, Refused, SeenAnswer};
use super::presence::{Presence, presence, says_model};
use super::{NoServer, WAIT_US, hopeless, listing};
use crate::error::Mistake;
use crate::fact::Statement;
use crate::protocol::openai::path_of;
use crate::spec::scenario::Api;
use crate::unit::At;
use crate::world::Wire;

/// Number of refusals of the request itself, and time since the first, after which waiting is given
/// up. Where the refusal leaves no doubt, the number is enough.
const REFUSALS_MAX: (u32, Duration) = (3, Duration::from_secs(15));
/// Number of times that only the other API answers after which it is the only one.
const OTHER_API_MAX: u32 = 2;

/// Server whose first token is waited for.
pub(super) struct AwaitedServer<'a> {
    /// API that the plan asks, the first of several.
    pub api: Api,
    /// Models that the server lists.
    pub models: &'a [super::Model],
    /// Whether the requested model is among them.
    pub listed: bool,
    /// Whether `/v1/models` answered.
    pub answered: bool,
    pub deadline: At,
    pub waiting: &'a dyn Fn(At, &str),
}

impl AwaitedServer<'_> {
    /// Whether a refusal leaves no doubt that the server is not just starting: no API at the
    /// address, another model, or an answer that is no stream.
    fn is_clear(&self, refused: &Refused) -> bool {
        let no_api = !self.answered && refused.status == Some(404);
        let unknown = !self.listed && !self.models.is_empty();
        no_api || unknown || refused.is_whole
    }
}

/// First answer with a token.
pub(super) struct FirstAnswer {
    pub at: At,
    pub seen: SeenAnswer,
    /// Refusal of the temperature, where requests are taken without it only.
    pub temperature: Option<Refused>,
    /// Refusal of `max_tokens`, where requests are taken with `max_completion_tokens` only.
    pub max_tokens: Option<Refused>,
}

impl FirstAnswer {
    fn new(at: At, seen: SeenAnswer) -> FirstAnswer {
        FirstAnswer { at, seen, temperature: None, max_tokens: None }
    }

    /// Notes a status that is not the usual one of an answer.
    pub(super) fn note(&self) -> Option<Statement> {
        let status = self.seen.status;
        let note = || Statement::note("status", format!("answers have {status} instead of 200"));
        (status != 200).then(note)
    }
}

/// Waits for the first token.
///
/// # Errors
/// There was none until the deadline, or the server cannot be driven.
pub(super) async fn first_token<W: Wire>(
    ask: &Asker<'_, W>,
    server: &AwaitedServer<'_>,
) -> Result<FirstAnswer, NoServer> {
    let (mut wait_us, mut elsewhere, mut refusals) = (WAIT_US.0, 0, 0);
    let mut since = None;
    loop {
        let (refused, asked_us) = match ask.once(server.api, &json!({})).await {
            Ok(seen) => return Ok(FirstAnswer::new(ask.timeline.now(), seen)),
            Err(refused) => refused,
        };
        if let Some(redirect) = &refused.redirect {
            return Err(NoServer::Mistake(hopeless::redirected(redirect, path_of(server.api))));
        }
        if matches!(refused.status, Some(401 | 403)) {
            return Err(NoServer::Mistake(super::key_refused(&refused.words)));
        }
        if matches!(refused.status, Some(400 | 422))
            && !refused.says_starting()
            && let Some(first) = with_fewer_fields(ask, server.api, &refused).await
        {
            return Ok(first);
        }
        if refused.says_starting() {
            // Its own words say that waiting helps.
        } else if refused.is_of_request() {
            match ask.once(other(server.api), &json!({})).await {
                Ok(_) => {
                    elsewhere += 1;
                    if elsewhere == OTHER_API_MAX {
                        return Err(NoServer::Mistake(not_served(server.api, ask.model, &refused)));
                    }
                }
                Err((also, _)) if also.is_of_request() => {
                    refusals += u32::from(!is_starting(ask, server, &refused, &also).await);
                }
                Err(_) => {}
            }
        } else if matches!(refused.status, Some(200..=299)) && !refused.may_pass {
            refusals += 1;
        }
        let now = ask.timeline.now();
        if refusals > 0 && !refused.says_starting() {
            let is_over = now >= since.get_or_insert(now).after(REFUSALS_MAX.1);
            if refusals >= REFUSALS_MAX.0 && (is_over || server.is_clear(&refused)) {
                return Err(NoServer::Mistake(undrivable(ask.model, server, &refused)));
            }
        }
        if now >= server.deadline {
            return Err(NoServer::NeverAnswered(format!("no first token: {}", refused.words)));
        }
        (server.waiting)(now, &refused.words);
        let wait = At(now.0 + wait_us.max(asked_us)).min(server.deadline);
        ask.timeline.until(wait).await;
        wait_us = (wait_us * 2).min(WAIT_US.1);
    }
}

/// Asks without each field that some servers refuse, then without both; requests stay as the server
/// takes them. `refused` is the refusal with all fields.
async fn with_fewer_fields<W: Wire>(
    ask: &Asker<'_, W>,
    api: Api,
    refused: &Refused,
) -> Option<FirstAnswer> {
    let all = OptionalFields::default();
    let mut tried = vec![OptionalFields { temperature: false, ..all }];
    if api == Api::Chat {
        tried.push(OptionalFields { max_tokens: false, ..all });
        tried.push(OptionalFields { temperature: false, max_tokens: false });
    }
    // Refusals of the requests that still had the temperature, and `max_tokens`.
    let (mut temperature, mut max_tokens) = (refused.clone(), refused.clone());
    for fields in tried {
        ask.fields.set(fields);
        match ask.once(api, &json!({})).await {
            Ok(seen) => {
                let mut first = FirstAnswer::new(ask.timeline.now(), seen);
                first.temperature = (!fields.temperature).then_some(temperature);
                first.max_tokens = (!fields.max_tokens).then_some(max_tokens);
                return Some(first);
            }
            Err((refused, _)) if fields.temperature => temperature = refused,
            Err((refused, _)) => max_tokens = refused,
        }
    }
    ask.fields.set(all);
    None
}

/// Whether a server that refuses both APIs may be a frontend whose worker is not there yet: such a
/// frontend lists its model, or says that it is not ready, and answers 404.
async fn is_starting<W: Wire>(
    ask: &Asker<'_, W>,
    server: &AwaitedServer<'_>,
    refused: &Refused,
    also: &Refused,
) -> bool {
    let not_found = [refused, also].iter().any(|refused| refused.status == Some(404));
    if !not_found || (!server.listed && !server.models.is_empty()) {
        return false;
    }
    server.answered || presence(ask.wire, ask.timeline).await == Presence::Starting
}

/// Returns the other API.
pub(super) fn other(api: Api) -> Api {
    match api {
        Api::Chat => Api::Completions,
        Api::Completions => Api::Chat,
    }
}

/// Returns the mistake of a scenario that asks an API that the server does not serve.
pub(super) fn not_served(api: Api, model: &str, refused: &Refused) -> Mistake {
    let (what, remedy) = match api {
        Api::Chat => (
            "chat",
            "`api: completions` in the scenario's ladder: prompts without a chat template, which is another load",
        ),
        Api::Completions => (
            "plain completions",
            "`api: chat` in the scenario's ladder: prompts in a chat template, which is another load",
        ),
    };
    Mistake::new(format!("the server does not serve {what}: {}", refused.words))
        .at(format!("{}, model `{model}`", path_of(api)))
        .hint(remedy)
}

fn undrivable(model: &str, server: &AwaitedServer<'_>, refused: &Refused) -> Mistake {
    let not_found = !server.answered && refused.status == Some(404);
    if not_found && !says_model(&refused.words) {
        return super::no_protocol();
    }
    if not_found || (!server.listed && !server.models.is_empty()) {
        return listing::unknown(model, server.models, &refused.words);
    }
    let paths = [path_of(Api::Chat), path_of(Api::Completions)].join(" and ");
    Mistake::new(format!("the server answers, but cannot be driven: {}", refused.words))
        .at(format!("{paths}, model `{model}`"))
        .hint("a server that streams OpenAI's chat or plain completions")
}
