//! Finds out what answers at an address that gives no list of models: the API itself, a server that
//! is still starting, or something else.

use super::{Gathered, NotGathered, QUESTION, asker, gather};
use crate::protocol::openai::path_of;
use crate::protocol::probe::HEALTH;
use crate::run::side_by_side::side_by_side;
use crate::spec::scenario::Api;
use crate::timeline::Timeline;
use crate::world::{Call, Wire};

/// Kind of what answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Presence {
    /// No path of the protocol is there.
    Nothing,
    /// A server that may answer later.
    Starting,
    /// The API: it judges the request itself.
    Api,
}

/// Asks both paths of the API with an empty request, and the health page.
pub(super) async fn presence<W: Wire>(wire: &W, timeline: &Timeline) -> Presence {
    let calls = [
        Call::post(path_of(Api::Chat), "{}"),
        Call::post(path_of(Api::Completions), "{}"),
        Call::get(HEALTH),
    ];
    let asked = calls.map(async |call| {
        let of = if call.path == HEALTH { of_health } else { of_api };
        of(&gather(wire, timeline, call, QUESTION).await)
    });
    side_by_side(3, asked.into_iter()).await.into_iter().max().unwrap_or(Presence::Nothing)
}

fn of_health(answer: &Result<Gathered, NotGathered>) -> Presence {
    match answer {
        Ok(page) if page.may_pass() => Presence::Starting,
        _ => Presence::Nothing,
    }
}

fn of_api(answer: &Result<Gathered, NotGathered>) -> Presence {
    let Ok(page) = answer else { return Presence::Nothing };
    match page.status {
        // An empty request is none that a server has to understand.
        500 if !page.is_html() => Presence::Api,
        _ if page.may_pass() || asker::says_starting(&page.words()) => Presence::Starting,
        404 if says_model(&page.words()) => Presence::Api,
        404 | 405 | 410 | 501 => Presence::Nothing,
        _ if page.is_html() => Presence::Nothing,
        _ => Presence::Api,
    }
}

/// Whether the words of a 404 are about the model: the path is there.
pub(super) fn says_model(words: &str) -> bool {
    words.to_lowercase().contains("model")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::arrive::tests::server::{Server, refusal, text};

    #[tokio::test(start_paused = true)]
    async fn the_answers_to_an_empty_request_tell_an_api_from_something_else() {
        use Presence::{Api, Nothing, Starting};
        const HTML: &str = "<html>Not here</html>";
        for (status, words, health, kind) in [
            (404, "Not Found", 404, Nothing),
            (404, "Not Found", 200, Nothing),
            (404, "Not Found", 503, Starting),
            (405, "Method Not Allowed", 200, Nothing),
            (501, HTML, 404, Nothing),
            (200, HTML, 200, Nothing),
            (502, HTML, 404, Starting),
            (503, "Loading model", 200, Starting),
            (429, "slow down", 200, Starting),
            (404, "no worker yet", 200, Starting),
            (404, "The model `` does not exist", 404, Api),
            (400, "messages: field required", 503, Api),
            (422, "Field required", 404, Api),
            (401, "Invalid API Key", 404, Api),
            (500, "key 'messages' not found", 200, Api),
        ] {
            let server = Server::new(move |question| match question.path {
                HEALTH => text(health, ""),
                "/v1/chat/completions" if words == HTML => text(status, HTML),
                "/v1/chat/completions" => refusal(status, words),
                _ => text(404, ""),
            });
            let seen = presence(&server, &server.timeline).await;
            assert_eq!(seen, kind, "{status} {words}, health {health}");
        }
    }
}
