//! Prepares the load: waits until the server answers, reads its list of models,
//! and detects its abilities. Judges nothing of this.

mod abilities;
mod gather;
mod hopeless;

use std::time::Duration;

use serde_json::Value;

pub(crate) use gather::{Gathered, gather};

use hopeless::Patience;

use super::identity::Identity;
use crate::error::Mistake;
use crate::fact::Abilities;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Call, Wire};

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
    /// Notes on abilities that could not be detected.
    pub notes: Vec<String>,
}

/// Model of the server's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    /// Model name that requests carry.
    pub id: String,
    /// Path or name of the weights, where the server reports it.
    pub root: Option<String>,
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
/// First and longest wait between two attempts to reach a server, microseconds.
const WAIT_US: (u64, u64) = (1_000_000, 10_000_000);

/// Waits for a server until `ready` has passed, and detects its abilities. `model` is the user's
/// choice, `served` are the names in the recipe, `unknown_host` says whether a host without a known
/// address is waited for, too. `waiting` is called after each failed attempt
/// with the time and the reason.
pub(crate) async fn arrive<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    ready: Duration,
    model: Option<&str>,
    served: &[String],
    unknown_host: bool,
    waiting: &mut dyn FnMut(At, &str),
) -> Result<ArrivedServer, NoServer> {
    let deadline = timeline.now().after(ready);
    let (port, models) = listed(wire, timeline, deadline, unknown_host, waiting).await?;
    let listed_at = timeline.now();
    let model = choose(&models, model, served).map_err(NoServer::Mistake)?;
    let mut notes = Vec::new();
    let (mut abilities, version, metrics) = endpoints(wire, timeline, &model.id).await;
    let (first_token, system) = abilities::of_requests(
        wire,
        timeline,
        deadline,
        &model.id,
        &mut abilities,
        &mut notes,
        waiting,
    )
    .await?;
    let prefill_per_s = abilities::prefill_per_s(wire, timeline, &model.id, &abilities).await;
    Ok(ArrivedServer {
        models,
        model,
        version,
        system,
        metrics,
        abilities,
        prefill_per_s,
        models_us: models_us(wire, timeline).await,
        port,
        listed: listed_at,
        first_token,
        notes,
    })
}

/// Waits for the list of models. Returns the time of the server's first response, and the models.
async fn listed<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    deadline: At,
    unknown_host: bool,
    waiting: &mut dyn FnMut(At, &str),
) -> Result<(At, Vec<Model>), NoServer> {
    let (mut wait_us, mut port) = (WAIT_US.0, None);
    let mut patience = Patience::new(unknown_host, timeline.now());
    loop {
        let answer = gather(wire, timeline, Call::get("/v1/models"), QUESTION).await;
        if answer.is_ok() {
            port.get_or_insert(timeline.now());
        }
        let words = match answer {
            Ok(gathered) if gathered.status == 200 => {
                let models = models(&gathered).map_err(NoServer::Mistake)?;
                return Ok((port.unwrap_or_default(), models));
            }
            Ok(gathered) if matches!(gathered.status, 401 | 403) => {
                return Err(NoServer::Mistake(
                    Mistake::new(format!(
                        "the server refuses the key: {} {}",
                        gathered.status,
                        gathered.words()
                    ))
                    .hint("--api-key-env NAME, where NAME is the variable that holds the key"),
                ));
            }
            Ok(Gathered { redirect: Some(redirect), .. }) => {
                return Err(NoServer::Mistake(hopeless::redirected(&redirect, "/v1/models")));
            }
            Ok(gathered) if gathered.status == 404 => {
                return Err(NoServer::Mistake(
                    Mistake::new("the server has no /v1/models: it does not speak OpenAI's protocol at this address")
                        .hint("the address of the API, as --endpoint http://host:8000"),
                ));
            }
            Ok(gathered) => format!("{} {}", gathered.status, gathered.words()),
            Err(not) => {
                if let Some(mistake) = patience.lost(&not, timeline.now()) {
                    return Err(NoServer::Mistake(mistake));
                }
                not.words
            }
        };
        let now = timeline.now();
        if now >= deadline {
            return Err(NoServer::NeverAnswered(words));
        }
        waiting(now, &words);
        timeline.until(At(now.0 + wait_us).min(deadline)).await;
        wait_us = (wait_us * 2).min(WAIT_US.1);
    }
}

/// Measures the latency of `/v1/models`: the mean of three, as llama-benchy does.
async fn models_us<W: Wire>(wire: &W, timeline: &Timeline) -> Option<u64> {
    let began = timeline.now();
    for _ in 0..3 {
        gather(wire, timeline, Call::get("/v1/models"), QUESTION).await.ok()?;
    }
    Some(timeline.now().since(began) / 3)
}

fn models(gathered: &Gathered) -> Result<Vec<Model>, Mistake> {
    let page: Value = serde_json::from_slice(&gathered.body).unwrap_or(Value::Null);
    let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
    let models: Vec<Model> = page["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|model| {
            Some(Model {
                id: text(model, "id")?,
                root: text(model, "root"),
                max_model_len: model["max_model_len"]
                    .as_u64()
                    .or_else(|| model["meta"]["n_ctx"].as_u64()),
            })
        })
        .collect();
    if models.is_empty() {
        let what = if page.is_null() { "is not JSON" } else { "lists no model" };
        return Err(Mistake::new(format!("the server's /v1/models {what}"))
            .hint("is this the address of the API? It is asked as http://host:8000/v1/models"));
    }
    Ok(models)
}

/// Returns the model to use: the user's choice, else the recipe's, else the only one.
fn choose(models: &[Model], wanted: Option<&str>, served: &[String]) -> Result<Model, Mistake> {
    let ids = || models.iter().map(|model| model.id.clone()).collect::<Vec<_>>().join(", ");
    let find = |id: &str| models.iter().find(|model| model.id == id).cloned();
    if let Some(wanted) = wanted {
        return find(wanted).ok_or_else(|| {
            Mistake::new(format!("the server does not list the model `{wanted}`"))
                .hint(format!("--model with one of: {}", ids()))
        });
    }
    if !served.is_empty() {
        return served.iter().find_map(|id| find(id)).ok_or_else(|| {
            Mistake::new(format!("the server does not list the recipe's model `{}`", served[0]))
                .at(format!("it lists: {}", ids()))
                .hint("the recipe that this server runs, or --model NAME to drive another")
        });
    }
    match models {
        [only] => Ok(only.clone()),
        _ => Err(Mistake::new(format!("the server lists {} models", models.len()))
            .hint(format!("--model with one of: {}", ids()))),
    }
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
    let models = models(&listed).map_err(|_| "its /v1/models lists no model".to_owned())?;
    let version = ask("/version", abilities.version).await.and_then(|page| version(&page));
    let metrics = ask("/metrics", abilities.metrics).await.map(|page| text(&page));
    Ok(Identity::of(&models, model, version.as_deref(), metrics.as_deref()))
}

fn version(page: &Gathered) -> Option<String> {
    let page: Value = serde_json::from_slice(&page.body).ok()?;
    page["version"].as_str().map(str::to_owned)
}

fn text(page: &Gathered) -> String {
    String::from_utf8_lossy(&page.body).into_owned()
}

/// Reads the auxiliary endpoints: version, health, metrics and tokenize.
async fn endpoints<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    model: &str,
) -> (Abilities, Option<String>, Option<String>) {
    let ok = async |call: Call| {
        gather(wire, timeline, call, QUESTION).await.ok().filter(|gathered| gathered.status == 200)
    };
    let json = |gathered: &Gathered| -> Value {
        serde_json::from_slice(&gathered.body).unwrap_or(Value::Null)
    };
    let version = ok(Call::get("/version")).await.and_then(|page| version(&page));
    let metrics = ok(Call::get("/metrics")).await.map(|page| text(&page));
    let health = ok(Call::get("/health")).await.is_some();
    let prompt =
        serde_json::json!({"model": model, "prompt": "Hello there", "add_special_tokens": false});
    let tokenize = ok(Call::post("/tokenize", prompt.to_string()))
        .await
        .is_some_and(|gathered| json(&gathered)["count"].as_u64().is_some_and(|count| count > 0));
    let content = serde_json::json!({"content": "Hello there"});
    let tokenize_content = !tokenize
        && ok(Call::post("/tokenize", content.to_string())).await.is_some_and(|gathered| {
            json(&gathered)["tokens"].as_array().is_some_and(|tokens| !tokens.is_empty())
        });
    let abilities = Abilities {
        version: version.is_some(),
        metrics: metrics.is_some(),
        health,
        tokenize,
        tokenize_content,
        ..Abilities::default()
    };
    (abilities, version, metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str) -> Model {
        Model { id: id.to_owned(), root: None, max_model_len: None }
    }

    #[test]
    fn the_only_model_is_taken_and_several_must_be_chosen_from() {
        assert_eq!(choose(&[model("a")], None, &[]), Ok(model("a")));
        let mistake = choose(&[model("a"), model("b")], None, &[]).unwrap_err().to_string();
        assert!(mistake.contains("--model with one of: a, b"), "{mistake}");
        assert_eq!(choose(&[model("a"), model("b")], Some("b"), &[]), Ok(model("b")));
    }

    /// Wire that answers by path and records the requests.
    #[derive(Clone, Default)]
    struct Pages(std::rc::Rc<std::cell::RefCell<Vec<Call>>>);

    struct Page(u16, Option<&'static str>);

    impl Wire for Pages {
        type Reply = Page;

        async fn call(&self, call: Call) -> Result<Page, crate::world::Broken> {
            let page = match call.path.as_str() {
                "/v1/models" => Page(200, Some(r#"{"data":[{"id":"m","max_model_len":8}]}"#)),
                "/version" => Page(200, Some(r#"{"version":"2"}"#)),
                _ => Page(404, None),
            };
            self.0.borrow_mut().push(call);
            Ok(page)
        }
    }

    impl crate::world::Reply for Page {
        fn status(&self) -> u16 {
            self.0
        }

        async fn chunk(&mut self) -> Result<Option<(At, bytes::Bytes)>, crate::world::Broken> {
            Ok(self.1.take().map(|text| (At::ZERO, bytes::Bytes::from(text))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_server_is_asked_again_with_three_gets_at_the_most() {
        let (wire, timeline) = (Pages::default(), Timeline::start());
        let able = Abilities { version: true, metrics: true, ..Abilities::default() };
        let identity = again(&wire, &timeline, able, "m").await.expect("it answers");
        assert_eq!(
            identity,
            Identity::of(&[Model { max_model_len: Some(8), ..model("m") }], "m", Some("2"), None)
        );
        let asked = wire.0.take();
        assert!(asked.len() == 3 && asked.iter().all(|call| call.body.is_none()), "{asked:?}");
        let _ = again(&wire, &timeline, Abilities::default(), "m").await;
        assert_eq!(wire.0.take().len(), 1, "what it could not do is not asked for");
    }

    /// Wire that fails in one way.
    #[derive(Clone)]
    struct Gone(crate::fact::BrokenHow, Timeline);

    impl Wire for Gone {
        type Reply = Page;

        async fn call(&self, _: Call) -> Result<Page, crate::world::Broken> {
            let (how, stage, at) = (self.0, crate::fact::Stage::Connect, self.1.now());
            Err(crate::world::Broken { how, stage, at, words: "gone".to_owned(), resent: false })
        }
    }

    /// Waits for a server that cannot be reached, two minutes at the most; returns how that ends
    /// and after how many seconds.
    async fn ends(how: crate::fact::BrokenHow, unknown_host: bool) -> (NoServer, f64) {
        let timeline = Timeline::start();
        let ready = Duration::from_secs(120);
        let wire = Gone(how, timeline);
        let arrived =
            arrive(&wire, &timeline, ready, None, &[], unknown_host, &mut |_, _| {}).await;
        (arrived.unwrap_err(), timeline.now().seconds())
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_mend_itself_is_waited_for() {
        use crate::fact::BrokenHow::{Refused, Unresolved, Untrusted};
        for (how, unknown_host, is_mistake, seconds) in [
            (Refused, false, false, 120.0),
            (Unresolved, false, true, 3.0),
            (Unresolved, true, false, 120.0),
            (Untrusted, false, true, 0.0),
            (Untrusted, true, true, 0.0),
        ] {
            let (end, after) = ends(how, unknown_host).await;
            assert_eq!(matches!(end, NoServer::Mistake(_)), is_mistake, "{how:?}: {end:?}");
            assert!((after - seconds).abs() < 0.1, "{how:?}: after {after} s");
        }
    }

    #[test]
    fn a_recipe_whose_model_is_not_listed_is_a_mistake() {
        let served = ["Cogni-Brain".to_owned()];
        let mistake = choose(&[model("m")], None, &served).unwrap_err().to_string();
        assert!(mistake.contains("`Cogni-Brain`") && mistake.contains("it lists: m"), "{mistake}");
        assert_eq!(choose(&[model("m")], Some("m"), &served), Ok(model("m")));
    }
}
