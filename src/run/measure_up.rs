//! Measures how the server counts tokens, before the load, by answering the
//! fitter's questions.

use std::time::Duration;

use serde_json::{Value, json};

use super::arrive::{Gathered, gather};
use crate::fact::{Abilities, Fitted};
use crate::plan::fitter::{FitQuestion, Fitter, Method};
use crate::plan::{Fit, Plan};
use crate::timeline::Timeline;
use crate::world::{Call, Wire};

/// Timeout of one question; a slow tokenizer takes seconds for a deep sample.
const QUESTION: Duration = Duration::from_secs(120);

/// Fits text lengths to the server's token counts. `progress` is called with the number of
/// answered questions and of all.
///
/// # Errors
/// In words: why the server's token counts could not be read.
pub(crate) async fn measure_up<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    plan: &Plan,
    abilities: &Abilities,
    model: &str,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(Fit, Vec<Fitted>), String> {
    let method = if abilities.tokenize { Method::Tokenize } else { Method::Usage };
    if method == Method::Usage && !abilities.usage {
        return Err("the server neither tokenizes nor says how many tokens a prompt had".to_owned());
    }
    let mut fitter = Fitter::new(plan, method);
    let mut template = None;
    while let Some(question) = fitter.question() {
        let tokens = match method {
            Method::Tokenize => tokenize(wire, timeline, model, &question).await?,
            Method::Usage | Method::Guess => {
                if let (FitQuestion::Text(text), true) = (&question, abilities.tokenize_content) {
                    let tokens = tokenize_content(wire, timeline, text).await?;
                    fitter.answer(tokens);
                    continue;
                }
                let counted = usage(wire, timeline, model, &question).await?;
                match question {
                    FitQuestion::Chat(_) => {
                        template.get_or_insert(counted.saturating_sub(1));
                        counted
                    }
                    // A text can only be counted as a message, so the template's tokens are
                    // subtracted. The first question measured them.
                    FitQuestion::Text(_) => counted.saturating_sub(template.unwrap_or(0)),
                }
            }
        };
        fitter.answer(tokens);
        let (done, all) = fitter.progress();
        progress(done, all);
    }
    Ok(fitter.finish())
}

async fn tokenize<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    model: &str,
    question: &FitQuestion,
) -> Result<u64, String> {
    let body = match question {
        FitQuestion::Text(text) => {
            json!({"model": model, "prompt": text, "add_special_tokens": false})
        }
        FitQuestion::Chat(messages) => json!({"model": model, "messages": said(messages)}),
    };
    let gathered =
        gather(wire, timeline, Call::post("/tokenize", body.to_string()), QUESTION).await?;
    let count = page(&gathered)["count"].as_u64();
    count.ok_or_else(|| format!("/tokenize: {} {}", gathered.status, gathered.words()))
}

/// Counts the tokens of a text in llama.cpp's form, which takes no messages.
async fn tokenize_content<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    text: &str,
) -> Result<u64, String> {
    let call = Call::post("/tokenize", json!({"content": text}).to_string());
    let gathered = gather(wire, timeline, call, QUESTION).await?;
    let tokens = page(&gathered)["tokens"].as_array().map(|tokens| tokens.len() as u64);
    tokens.ok_or_else(|| format!("/tokenize: {} {}", gathered.status, gathered.words()))
}

async fn usage<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    model: &str,
    question: &FitQuestion,
) -> Result<u64, String> {
    let messages = match question {
        FitQuestion::Text(text) => json!([{"role": "user", "content": text}]),
        FitQuestion::Chat(messages) => said(messages),
    };
    let body = json!({"model": model, "messages": messages, "max_tokens": 1, "temperature": 0});
    let call = Call::post("/v1/chat/completions", body.to_string());
    let gathered = gather(wire, timeline, call, QUESTION).await?;
    let count = page(&gathered)["usage"]["prompt_tokens"].as_u64();
    count.ok_or_else(|| format!("no usage: {} {}", gathered.status, gathered.words()))
}

fn said(messages: &[crate::plan::Message]) -> Value {
    messages
        .iter()
        .map(|message| json!({"role": message.role, "content": message.content}))
        .collect()
}

fn page(gathered: &Gathered) -> Value {
    serde_json::from_slice(&gathered.body).unwrap_or(Value::Null)
}
