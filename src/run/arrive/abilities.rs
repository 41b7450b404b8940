//! Detects what a server can do by requesting a few tokens with different
//! fields. A field that the server refuses, or that has no effect, is not sent
//! afterwards; what a refusal decides for the whole run is noted.

use serde_json::{Map, Value, json};

use super::asker::{Asker, Refused, SeenAnswer, TOKENS};
use super::first::{FirstAnswer, other};
use crate::fact::{Abilities, Statement};
use crate::run::side_by_side::side_by_side;
use crate::spec::scenario::Api;
use crate::world::Wire;

/// Largest number of questions that are asked side by side.
const AT_ONCE: usize = 8;
/// Largest number of tokens by which it is seen whether answers reach their length: more than a
/// natural answer to the question has, reasoning included.
const OUTPUT_MAX: u64 = 256;

/// Number of times that the accepted fields are asked for again, and the tokens of each answer.
const REPEATS: usize = 4;
const REPEATED_TOKENS: u64 = 2;

/// Detects the abilities of requests for tokens. `output` is the longest output that will be
/// requested.
pub(super) async fn detect<W: Wire>(
    ask: &Asker<'_, W>,
    api: Api,
    first: &FirstAnswer,
    output: u64,
    abilities: &mut Abilities,
) -> Vec<Statement> {
    let mut notes = Vec::new();
    match api {
        Api::Chat => abilities.chat = true,
        Api::Completions => abilities.completions = true,
    }
    if let Some(refused) = &first.temperature {
        abilities.temperature = false;
        notes.push(left_away("temperature", refused));
    }
    if let Some(refused) = &first.max_tokens {
        abilities.max_tokens = false;
        let words = &refused.words;
        let note =
            format!("`max_completion_tokens` is sent in its place: the server refused it: {words}");
        notes.push(Statement::note("max_tokens", note));
    }
    if first.seen.finish.is_none() {
        abilities.finish_reason = false;
        let words = "the server gives none: `[DONE]` is the end of an answer";
        notes.push(Statement::note("finish_reason", words.to_owned()));
    }
    usage(ask, api, abilities, &mut notes).await;
    fields(ask, api, first, output, abilities, &mut notes).await;
    notes.extend(leave_away_refused(ask, api, abilities).await);
    notes
}

/// Detects which usage records the server sends.
async fn usage<W: Wire>(
    ask: &Asker<'_, W>,
    api: Api,
    abilities: &mut Abilities,
    notes: &mut Vec<Statement>,
) {
    let options = [continuous_usage(), json!({"stream_options": {"include_usage": true}})];
    let streams = side_by_side(2, options.into_iter().map(|fields| ask.ask(api, fields)));
    let (streams, whole) = tokio::join!(streams, ask.whole(api));
    abilities.usage_whole = whole.is_some();
    let counted = |seen: &&SeenAnswer| seen.usage.is_some();
    if let Some(seen) = streams.iter().flatten().find(counted) {
        abilities.usage = true;
        abilities.continuous_usage = seen.usages > 1;
        abilities.cached_tokens = seen.cached.is_some();
    } else if let Some(Err(refused)) = streams.last() {
        notes.push(left_away("stream_options", refused));
    }
}

/// Detects which fields and which forms of a prompt the server takes.
async fn fields<W: Wire>(
    ask: &Asker<'_, W>,
    api: Api,
    first: &FirstAnswer,
    output: u64,
    abilities: &mut Abilities,
    notes: &mut Vec<Statement>,
) {
    let output = output.clamp(TOKENS, OUTPUT_MAX);
    let with = |mut fields: Value| {
        if abilities.usage {
            fields["stream_options"] = json!({"include_usage": true});
        }
        (api, fields)
    };
    let system = json!([
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say OK."},
    ]);
    let questions = [
        with(json!({"ignore_eos": true, "max_tokens": output})),
        with(json!({"min_tokens": output, "max_tokens": output})),
        with(json!({"return_token_ids": true})),
        // vLLM refuses an empty salt. A server that accepts it ignores the field, and one that
        // refuses another salt too does not know it.
        with(json!({"cache_salt": ""})),
        with(json!({"cache_salt": "longhaul"})),
        (Api::Chat, json!({"messages": system})),
        (other(api), json!({})),
        (Api::Completions, json!({"prompt": [1, 2, 3, 4]})),
    ];
    let asked = questions.into_iter().map(|(of, fields)| ask.ask(of, fields));
    let answers = side_by_side(AT_ONCE, asked).await;
    let Ok([eos, least, ids, empty, salt, system, plain, id_prompt]) = <[_; 8]>::try_from(answers)
    else {
        return;
    };
    abilities.ignore_eos = reaches(output, "ignore_eos", &eos, first, notes);
    abilities.min_tokens = reaches(output, "min_tokens", &least, first, notes);
    abilities.return_token_ids = ids.as_ref().is_ok_and(|seen| seen.ids);
    abilities.cache_salt = salt.is_ok() && empty.is_err_and(|refused| refused.is_of_request());
    match api {
        Api::Chat => abilities.completions = plain.is_ok(),
        Api::Completions => abilities.chat = plain.is_ok(),
    }
    abilities.token_id_prompts = abilities.completions && id_prompt.is_ok();
    for (field, answer) in [("return_token_ids", ids), ("cache_salt", salt)] {
        notes.extend(answer.err().map(|refused| left_away(field, &refused)));
    }
    let refused = system.err().filter(|refused| {
        abilities.chat && (refused.is_of_request() || matches!(refused.status, Some(200 | 500)))
    });
    if let Some(Refused { words, .. }) = refused {
        abilities.system_role = false;
        let note = format!("the server refused it: {words}; a context is in the user's message");
        notes.push(Statement::note("system role", note));
    }
}

/// Whether answers reach their length with a field, by what came; notes a refusal, and an answer
/// that broke where one without the field does not.
fn reaches(
    output: u64,
    field: &str,
    answer: &Result<SeenAnswer, Refused>,
    first: &FirstAnswer,
    notes: &mut Vec<Statement>,
) -> bool {
    match answer {
        Ok(seen) if seen.finish.is_none() && first.seen.finish.is_some() => {
            let words = "its answer broke off without a finish reason".to_owned();
            let broken = Refused {
                status: Some(200),
                words,
                may_pass: false,
                redirect: None,
                is_whole: false,
            };
            notes.push(left_away(field, &broken));
            false
        }
        Ok(seen) => seen.has_all(output),
        Err(refused) => {
            notes.push(left_away(field, refused));
            false
        }
    }
}

/// Optional fields of requests, each as it is sent, and the ability that it stands for.
const FIELDS: [(&str, FieldValue, Ability); 5] = [
    ("ignore_eos", || json!({"ignore_eos": true}), |able| &mut able.ignore_eos),
    ("min_tokens", || json!({"min_tokens": REPEATED_TOKENS}), |able| &mut able.min_tokens),
    ("cache_salt", || json!({"cache_salt": "longhaul"}), |able| &mut able.cache_salt),
    ("return_token_ids", || json!({"return_token_ids": true}), |able| &mut able.return_token_ids),
    ("continuous_usage_stats", continuous_usage, |able| &mut able.continuous_usage),
];

type FieldValue = fn() -> Value;
type Ability = fn(&mut Abilities) -> &mut bool;

fn continuous_usage() -> Value {
    json!({"stream_options": {"include_usage": true, "continuous_usage_stats": true}})
}

/// Asks for all accepted fields together, a few times side by side: of several replicas behind one
/// address some may refuse what the others accept, and a field may be refused beside another. Leaves
/// away each field that is refused beside those before it, and returns the notes.
async fn leave_away_refused<W: Wire>(
    ask: &Asker<'_, W>,
    api: Api,
    abilities: &mut Abilities,
) -> Vec<Statement> {
    let refused = async |fields: &Map<String, Value>| {
        let mut fields = Value::Object(fields.clone());
        fields["max_tokens"] = json!(REPEATED_TOKENS);
        let asked = (0..REPEATS).map(|_| ask.ask(api, fields.clone()));
        let answers = side_by_side(REPEATS, asked).await;
        answers.into_iter().filter_map(Result::err).find(Refused::is_of_request)
    };
    let accepted = FIELDS.into_iter().filter(|(.., able)| *able(abilities)).collect::<Vec<_>>();
    let fields = |field: FieldValue| field().as_object().cloned().unwrap_or_default();
    let all: Map<_, _> = accepted.iter().flat_map(|(_, field, _)| fields(*field)).collect();
    let mut notes = Vec::new();
    if all.is_empty() || refused(&all).await.is_none() {
        return notes;
    }
    let mut kept = Map::new();
    for (name, field, able) in accepted {
        let with: Map<_, _> = kept.clone().into_iter().chain(fields(field)).collect();
        if let Some(Refused { words, .. }) = refused(&with).await {
            *able(abilities) = false;
            let words = format!("not sent: the server took it once and refused it once: {words}");
            notes.push(Statement::note(name, words));
        } else {
            kept = with;
        }
    }
    notes
}

/// Notes that a field is not sent, and why.
fn left_away(field: &str, refused: &Refused) -> Statement {
    let words = &refused.words;
    Statement::note(
        field,
        match refused.status {
            Some(200) => format!("not sent: the server took it, and {words}"),
            Some(_) => format!("not sent: the server refused it: {words}"),
            None => format!("not sent: no answer to a request with it: {words}"),
        },
    )
}

/// Measures the prefill speed, tokens per second, with a prompt of about two thousand tokens;
/// `None` where the server does not count tokens. The prompt is that of no earlier run, of which the
/// server may keep the cache.
pub(super) async fn prefill_per_s<W: Wire>(
    ask: &Asker<'_, W>,
    api: Api,
    abilities: &Abilities,
) -> Option<f64> {
    if !abilities.usage {
        return None;
    }
    let mut text =
        (0..700).map(|number| format!("Line {number} of a list.")).collect::<Vec<_>>().join("\n");
    let mut fields = json!({"max_tokens": 1, "stream_options": {"include_usage": true}});
    let of_run = format!("longhaul-{:x}", ask.timeline.wall_us());
    if abilities.cache_salt {
        fields["cache_salt"] = json!(of_run);
    } else {
        text.insert_str(0, &format!("Of {of_run}.\n"));
    }
    match api {
        Api::Chat => fields["messages"] = json!([{"role": "user", "content": text}]),
        Api::Completions => fields["prompt"] = json!(text),
    }
    let gathered = ask.patience.ask(async || ask.send(api, &fields).await).await.ok()?;
    let seconds = ask.timeline.now().since(gathered.sent) as f64 / 1e6;
    let seen = SeenAnswer::of(&gathered);
    let computed = seen.prompt?.checked_sub(seen.cached.unwrap_or(0))?;
    (gathered.status == 200 && computed > 100).then(|| computed as f64 / seconds)
}
