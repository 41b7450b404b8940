//! Tests what a probe makes of the answers of a server, and of what may answer in its place.

use longhaul::observe::engine::EngineSensor;
use longhaul::protocol::probe::{HEALTH, MODELS};
use longhaul::run::probe::{Probed, known_by, probe};
use longhaul::series::{GENERATION_TOKENS, HEALTH_STATUS, METRICS_PROCESS, UP};
use longhaul::world::Sensor;

use super::*;

const HTML: &str = "<!doctype html><html><head><title>Open WebUI</title></head></html>";
const OURS: &str = r#"{"object":"list","data":[{"id":"m","object":"model"}]}"#;
const OTHER: &str = r#"{"object":"list","data":[{"id":"other","object":"model"}]}"#;

fn health(status: &str, body: &str) -> Vec<Step> {
    page(status, "text/plain", body)
}

/// Probes a server that answers with these pages, one after the other.
async fn probed(path: &str, pages: &[Vec<Step>]) -> Probed {
    probed_for("m", path, pages).await
}

/// As [`probed`], for a model that is asked of a server that listed `m` before the load.
async fn probed_for(model: &str, path: &str, pages: &[Vec<Step>]) -> Probed {
    let known = known_by(model, ["m".to_owned()].into_iter());
    let scene = Scene::new(1).await;
    let serve = async {
        for page in pages {
            server::play(&scene.listener, page).await;
        }
    };
    let ((), probed) = tokio::join!(serve, probe(&scene.http, &scene.timeline, path, &known));
    probed
}

#[tokio::test]
async fn a_server_that_is_well_and_lists_its_model_is_up() {
    let well = [health("200 OK", ""), page("200 OK", "application/json", OURS)];
    assert_eq!(probed(HEALTH, &well).await, Probed::Up);
    assert_eq!(probed(MODELS, &well[1..]).await, Probed::Up);
    let busy = [health("200 OK", ""), health("503 Service Unavailable", "")];
    assert_eq!(probed(HEALTH, &busy).await, Probed::Up, "its list may come later");
}

#[tokio::test]
async fn a_router_or_another_service_at_its_address_is_not_up() {
    for status in ["404 Not Found", "502 Bad Gateway", "302 Found"] {
        let code = status[..3].parse().unwrap();
        assert_eq!(probed(HEALTH, &[health(status, "not here")]).await, Probed::Not(code));
    }
    let html = || page("200 OK", "text/html", HTML);
    assert_eq!(probed(HEALTH, &[html()]).await, Probed::Not(200));
    assert_eq!(probed(MODELS, &[html()]).await, Probed::Not(200));
    // One that answers 200 with an empty body on every path.
    let empty = [health("200 OK", ""), health("200 OK", "")];
    assert_eq!(probed(HEALTH, &empty).await, Probed::Unlisted(Vec::new()));
    let gone = [health("200 OK", ""), health("404 Not Found", "")];
    assert_eq!(probed(HEALTH, &gone).await, Probed::Unlisted(Vec::new()));
}

#[tokio::test]
async fn a_server_that_came_back_with_another_model_says_which() {
    let other = [health("200 OK", ""), page("200 OK", "application/json", OTHER)];
    assert_eq!(probed(HEALTH, &other).await, Probed::Unlisted(vec!["other".to_owned()]));
    let none = page("200 OK", "application/json", r#"{"object":"list","data":[]}"#);
    assert_eq!(probed(MODELS, &[none]).await, Probed::Unlisted(Vec::new()));
}

#[tokio::test]
async fn a_server_that_is_asked_for_an_alias_is_known_by_the_models_that_it_listed() {
    let ours = page("200 OK", "application/json", OURS);
    assert_eq!(probed_for("alias", MODELS, &[ours]).await, Probed::Up);
    let other = page("200 OK", "application/json", OTHER);
    let unlisted = Probed::Unlisted(vec!["other".to_owned()]);
    assert_eq!(probed_for("alias", MODELS, &[other]).await, unlisted);
}

#[tokio::test]
async fn a_connection_that_is_refused_or_breaks_is_told_from_a_busy_answer() {
    assert_eq!(probed(HEALTH, &[vec![Step::Reset]]).await, Probed::Broken);
    let busy = health("503 Service Unavailable", "");
    assert_eq!(probed(HEALTH, &[busy]).await, Probed::Not(503));
}

#[tokio::test]
async fn pages_of_two_replicas_in_turn_are_of_two_processes_and_their_counters_add_up() {
    let scene = Scene::new(1).await;
    let metrics = |start: u64, tokens: u64| {
        let text = format!(
            "process_start_time_seconds {start}\nvllm:generation_tokens_total{{engine=\"0\"}} {tokens}\n"
        );
        page("200 OK", "text/plain; version=0.0.4", &text)
    };
    let first = "vllm:generation_tokens_total 0\n";
    let mut sensor = EngineSensor::new(scene.http.clone(), Some(first), "/health");
    let mut seen = Vec::new();
    for (start, tokens) in [(100, 10), (137, 3), (100, 20), (137, 6)] {
        let answer = metrics(start, tokens);
        let (_, look) = tokio::join!(server::play(&scene.listener, &answer), sensor.look());
        let samples = look.unwrap().samples;
        let value = |name: &str| samples.iter().find(|it| it.name == name).map(|it| it.value);
        seen.push((value(METRICS_PROCESS.name).unwrap(), value(GENERATION_TOKENS.name).unwrap()));
    }
    assert_eq!(seen, [(1.0, 10.0), (2.0, 3.0), (1.0, 23.0), (2.0, 26.0)]);
    let html = page("200 OK", "text/html", HTML);
    let serve = async {
        for _ in ["/metrics", "/health"] {
            server::play(&scene.listener, &html).await;
        }
    };
    let ((), look) = tokio::join!(serve, sensor.look());
    let samples = look.unwrap().samples;
    let value = |name: &str| samples.iter().find(|it| it.name == name).map(|it| it.value);
    assert_eq!((value(UP.name), value(HEALTH_STATUS.name)), (Some(0.0), Some(200.0)));
}
