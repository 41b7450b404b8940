//! Prepares the load: waits until the server answers, reads its list of models,
//! and detects its abilities. Judges nothing of this.

mod abilities;
mod asker;
mod first;
mod gather;
mod hopeless;
mod lengths;
mod listing;
mod pages;
mod patience;
mod presence;

use std::cell::Cell;
use std::time::Duration;

use serde_json::json;

pub(crate) use asker::prompt_tokens;
pub(crate) use gather::{Gathered, NotGathered, gather};
pub(crate) use lengths::{AskedLengths, ask_lengths};
pub(crate) use listing::listed;
pub(crate) use patience::RetryPolicy;

use hopeless::HostPatience;

use super::identity::Identity;
use crate::engine::vllm;
use crate::error::Mistake;
use crate::fact::{Abilities, Statement};
use crate::protocol::prometheus;
use crate::spec::scenario::Api;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Call, Wire};
use asker::Asker;
use presence::{Presence, presence};

/// Identity and abilities of a server, as read before the load.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ArrivedServer {
    /// Models of `/v1/models`, in the server's order.
    pub models: Vec<Model>,
    /// Model that the requests name.
    pub model: Model,
    /// Server version, where it is reported.
    pub version: Option<String>,
    /// System fingerprint, where responses carry one.
    pub system: Option<String>,
    /// Metrics page as first read, where there is one.
    pub metrics: Option<String>,
    pub abilities: Abilities,
    /// Prefill speed, tokens per second, of a prompt of about two thousand tokens, where it could
    /// be measured.
    pub prefill_per_s: Option<f64>,
    /// Latency of `/v1/models`, microseconds, the mean of three.
    pub models_us: Option<u64>,
    /// Time of the first response of any status.
    pub port: At,
    /// Time of the first list of models.
    pub listed: At,
    /// Time of the first token.
    pub first_token: At,
    /// Notes on what the server's refusals decide for the whole run.
    pub notes: Vec<Statement>,
}

impl ArrivedServer {
    /// Returns the names by which an answer may call the requested model: its own, those of its
    /// weights and of the model that it was made from, and all that the server lists for the same
    /// weights.
    pub(crate) fn names(&self) -> Vec<String> {
        let Model { id, root, parent, .. } = &self.model;
        let is_alias = |other: &&Model| root.is_some() && other.root == *root;
        let aliases = self.models.iter().filter(is_alias).map(|other| other.id.clone());
        let mut names = vec![id.clone()];
        names.extend(root.iter().chain(parent).cloned().chain(aliases));
        names.dedup();
        names
    }

    /// Whether it is longhaul's simulated server: by its version, by the fingerprint in its answers,
    /// or by its metrics. A proxy may hide some of these.
    pub(crate) fn is_simulated(&self) -> bool {
        let marked = [self.version.as_deref(), self.system.as_deref()];
        marked.into_iter().flatten().any(|words| words.contains(vllm::SIMULATED))
            || prometheus::series(self.metrics.as_deref().unwrap_or_default())
                .any(|series| series.name == vllm::SIMULATED_METRIC)
    }
}

/// Model of the server's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    /// Model name that requests carry.
    pub id: String,
    /// Path or name of the weights, where the server reports it.
    pub root: Option<String>,
    /// Model from which it was made, where the server reports it.
    pub parent: Option<String>,
    /// Largest sum of prompt and output, tokens.
    pub max_model_len: Option<u64>,
}

/// Reason why there is no server to drive.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NoServer {
    /// The server never answered; the last error or status of it.
    NeverAnswered(String),
    /// The server answers, but not as the user's settings expect.
    Mistake(Mistake),
}

/// Timeout of a single request, for servers that accept a connection and never answer.
const QUESTION: Duration = Duration::from_secs(20);
/// Longest time that `/health` may take to be the page of probes. Some servers ask all their
/// backends first.
const HEALTHY: Duration = Duration::from_secs(5);
/// First and longest wait between two attempts to reach a server, microseconds.
const WAIT_US: (u64, u64) = (1_000_000, 10_000_000);
/// Number of looks at an address without a path of the protocol after which there is no server to
/// wait for.
const NO_API_MAX: u32 = 2;
/// Number of refused or silent lists of models beside an API after which there is none to wait for.
const NO_LIST_MAX: u32 = 2;

/// Needs of a run that a server has to meet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requirements<'a> {
    /// Time within which the server has to be ready.
    pub ready: Duration,
    /// Whether a host without a known address is waited for, too.
    pub unknown_host: bool,
    /// Model that the user chose.
    pub model: Option<&'a str>,
    /// Model names in the recipe.
    pub served: &'a [String],
    /// APIs that the plan asks; at least one.
    pub apis: &'a [Api],
    /// Longest output that the plan asks for, tokens.
    pub output: u64,
}

/// Waits for a server, and detects its abilities. `waiting` is called with the time and the reason
/// before each wait.
pub(crate) async fn arrive<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    wanted: &Requirements<'_>,
    waiting: &dyn Fn(At, &str),
) -> Result<ArrivedServer, NoServer> {
    let deadline = timeline.now().after(wanted.ready);
    let list = wait_for_list(wire, timeline, wanted, deadline, waiting).await?;
    let listed_at = timeline.now();
    let chosen =
        listing::choose(&list.models, wanted.model, wanted.served).map_err(NoServer::Mistake)?;
    let (model, is_listed) = (chosen.model, chosen.listed);
    let patience = RetryPolicy::new(timeline, deadline, waiting);
    let fields = Cell::default();
    let ask = Asker { wire, timeline, model: &model.id, patience: &patience, fields };
    let api = wanted.apis.first().copied().unwrap_or(Api::Chat);
    let waited = first::AwaitedServer {
        api,
        models: &list.models,
        listed: is_listed,
        answered: list.answered,
        deadline,
        waiting,
    };
    let first = first::first_token(&ask, &waited).await?;
    let longest = model.max_model_len.unwrap_or(u64::MAX);
    let output = wanted.output.min(longest / 2);
    let mut abilities = Abilities::default();
    let detected = async {
        tokio::join!(
            pages::read(&ask),
            abilities::detect(&ask, api, &first, output, &mut abilities),
        )
    };
    let still = |now| waiting(now, "it answers; checking what it supports");
    let (pages, mut notes) = with_progress(timeline, detected, still).await;
    let abilities = pages.add_to(abilities);
    for api in wanted.apis.iter().filter(|api| !serves(&abilities, **api)) {
        if let Err(refused) = ask.ask(*api, json!({})).await {
            return Err(NoServer::Mistake(first::not_served(*api, &model.id, &refused)));
        }
    }
    let unlisted =
        (!is_listed).then(|| format!("the server does not list `{}`, and answers it", model.id));
    notes.splice(0..0, chosen.note.or(unlisted).map(|note| Statement::note("model", note)));
    notes.extend(first.note());
    notes.extend(pages.notes);
    // The speeds are measured alone.
    let prefill_per_s = abilities::prefill_per_s(&ask, api, &abilities).await;
    Ok(ArrivedServer {
        models_us: if list.models.is_empty() { None } else { models_us(wire, timeline).await },
        models: list.models,
        version: pages.version,
        metrics: pages.metrics,
        system: first.seen.system,
        abilities,
        prefill_per_s,
        port: list.port,
        listed: listed_at,
        first_token: first.at,
        notes,
        model,
    })
}

/// Completes `work`, and calls `still` from time to time meanwhile.
async fn with_progress<T>(
    timeline: &Timeline,
    work: impl Future<Output = T>,
    still: impl Fn(At),
) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        let next = At(timeline.now().0 + WAIT_US.1);
        match timeline.before(next, &mut work).await {
            Some(done) => return done,
            None => still(timeline.now()),
        }
    }
}

fn serves(abilities: &Abilities, api: Api) -> bool {
    match api {
        Api::Chat => abilities.chat,
        Api::Completions => abilities.completions,
    }
}

/// List of models as the server gave it.
struct Listing {
    /// Time of the server's first response.
    port: At,
    models: Vec<Model>,
    /// Whether `/v1/models` answered.
    answered: bool,
}

/// Waits for the list of models. Where the user named a model, a server without a list is taken.
async fn wait_for_list<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    wanted: &Requirements<'_>,
    deadline: At,
    waiting: &dyn Fn(At, &str),
) -> Result<Listing, NoServer> {
    let is_named = wanted.model.is_some();
    let (mut wait_us, mut port) = (WAIT_US.0, None);
    let (mut no_api, mut no_list, mut wrong_scheme) = (0, 0, 0);
    let mut host = HostPatience::new(wanted.unknown_host, timeline.now());
    loop {
        let answer = gather(wire, timeline, Call::get("/v1/models"), QUESTION).await;
        if answer.is_ok() {
            port.get_or_insert(timeline.now());
        }
        let port = port.unwrap_or_default();
        let mut words = match &answer {
            Ok(gathered) => gathered.status_words(),
            Err(not) => not.words.clone(),
        };
        if let Some(mistake) = answer.as_ref().err().and_then(|not| host.lost(not, timeline.now()))
        {
            return Err(NoServer::Mistake(mistake));
        }
        if let Ok(Gathered { redirect: Some(redirect), .. }) = &answer {
            return Err(NoServer::Mistake(hopeless::redirected(redirect, "/v1/models")));
        }
        let mistake = hopeless::wrong_scheme(&words);
        wrong_scheme += u32::from(mistake.is_some());
        if let Some(mistake) = mistake.filter(|_| wrong_scheme == hopeless::WRONG_SCHEME_MAX) {
            return Err(NoServer::Mistake(mistake));
        }
        let status = answer.as_ref().ok().map(|gathered| gathered.status);
        if matches!(status, Some(401 | 403)) && !is_named {
            return Err(NoServer::Mistake(key_refused(&words)));
        }
        match &answer {
            Ok(gathered @ Gathered { status: 200, .. }) => match listing::models(gathered) {
                Ok(models) => return Ok(Listing { port, models, answered: true }),
                Err(_) if is_named && !gathered.is_html() => {
                    return Ok(Listing { port, models: Vec::new(), answered: true });
                }
                Err(why) => words = why,
            },
            answer if has_no_list(answer, is_named) => {
                let present = match status {
                    // The name is there, and the first token is waited for anyway.
                    None | Some(..=403 | 405..) if is_named => Presence::Api,
                    _ => presence(wire, timeline).await,
                };
                no_api += u32::from(present == Presence::Nothing);
                no_list += u32::from(present == Presence::Api);
            }
            _ => {}
        }
        if no_api == NO_API_MAX {
            return Err(NoServer::Mistake(no_protocol()));
        }
        if no_list == NO_LIST_MAX {
            let answered = status.is_some_and(|status| status != 404);
            let without = Listing { port, models: Vec::new(), answered };
            let mistake = || NoServer::Mistake(no_list_of_models(&words));
            return is_named.then_some(without).ok_or_else(mistake);
        }
        let now = timeline.now();
        if now >= deadline {
            return Err(NoServer::NeverAnswered(words));
        }
        waiting(now, &words);
        let wait_us_now = wait_us.max(patience::asked_us(answer.as_ref().ok()));
        timeline.until(At(now.0 + wait_us_now).min(deadline)).await;
        wait_us = (wait_us * 2).min(WAIT_US.1);
    }
}

/// Whether an answer shows that waiting may bring no list. A server whose model the user named needs
/// none: there, every refusal and a silent list count.
fn has_no_list(answer: &Result<Gathered, NotGathered>, is_named: bool) -> bool {
    match answer {
        Ok(gathered) => {
            let is_refusal = matches!(gathered.status, 400..=499 | 501);
            is_refusal && (is_named || !gathered.may_pass())
        }
        Err(not) => is_named && not.how.is_none(),
    }
}

fn no_list_of_models(words: &str) -> Mistake {
    Mistake::new(format!("the server does not list its models: {words}"))
        .at("/v1/models")
        .hint("--model NAME, with a name that the server knows")
}

fn key_refused(words: &str) -> Mistake {
    Mistake::new(format!("the server refuses the key: {words}"))
        .hint("--api-key-env NAME, where NAME is the variable that holds the key")
}

fn no_protocol() -> Mistake {
    Mistake::new(
        "the server has no /v1/models: it does not speak OpenAI's protocol at this address",
    )
    .hint("the address of the API, as --endpoint http://host:8000 or http://host:8000/v3")
}

/// Measures the latency of `/v1/models`: the mean of three, as llama-benchy does.
async fn models_us<W: Wire>(wire: &W, timeline: &Timeline) -> Option<u64> {
    let began = timeline.now();
    for _ in 0..3 {
        gather(wire, timeline, Call::get("/v1/models"), QUESTION).await.ok()?;
    }
    Some(timeline.now().since(began) / 3)
}

/// Reads the identity of a known server again, with at most three requests and no generated token.
///
/// # Errors
/// The server did not list its models; the reason in words.
pub(crate) async fn again<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    abilities: Abilities,
    model: &str,
) -> Result<Identity, String> {
    let ask = async |path: &str, able: bool| {
        if !able {
            return None;
        }
        let gathered = gather(wire, timeline, Call::get(path), QUESTION).await.ok()?;
        (gathered.status == 200).then_some(gathered)
    };
    let listed = gather(wire, timeline, Call::get("/v1/models"), QUESTION).await?;
    if listed.status != 200 {
        return Err(format!("{} {}", listed.status, listed.words()));
    }
    let models = listing::models(&listed)?;
    let version = ask("/version", abilities.version).await.and_then(|page| pages::version(&page));
    let metrics = ask("/metrics", abilities.metrics).await.map(|page| pages::text(&page));
    Ok(Identity::of(&models, model, version.as_deref(), metrics.as_deref()))
}

#[cfg(test)]
pub(crate) mod tests;
