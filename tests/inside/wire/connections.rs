//! Tests connections that are used again: which failures of them are sent once more, and redirects.

use insta::assert_snapshot;
use longhaul::fact::BrokenHow;
use longhaul::unit::At;
use longhaul::world::{Call, Reply, Wire};

use super::*;

fn good() -> Vec<Step> {
    stream(vec![word("a"), finish("length"), usage(1)])
}

/// Sends two requests to a server whose first connection answers the first of them and ends the
/// second with these steps. A connection after it answers with the last list, if there is one.
async fn second(end: &[Step], fresh: Option<&[Step]>) -> (Request, Option<String>) {
    second_of(&Scene::new(1).await, end, fresh).await
}

/// Does the same in a scene.
async fn second_of(
    scene: &Scene,
    end: &[Step],
    fresh: Option<&[Step]>,
) -> (Request, Option<String>) {
    let server = async {
        server::play_all(&scene.listener, &[&good(), end]).await;
        match fresh {
            Some(steps) => Some(server::play(&scene.listener, steps).await),
            None => None,
        }
    };
    let client = async {
        let first = scene.send().await.request;
        assert_eq!((first.ended, first.resent), (Ended::Completed, false), "{}", first.error);
        scene.send().await.request
    };
    let (body, row) = tokio::join!(server, client);
    (row, body)
}

#[tokio::test]
async fn a_used_connection_that_closes_before_a_byte_is_tried_once_on_a_fresh_one() {
    let mut bodies = Vec::new();
    for end in [&[][..], &[Step::Reset]] {
        let slow = [vec![Step::Wait(40)], good()].concat();
        let (row, body) = second(end, Some(&slow)).await;
        assert_eq!((row.ended, row.resent), (Ended::Completed, true), "{}", row.error);
        assert!(row.ttft_us.unwrap() >= 40_000);
        bodies.push(body.unwrap());
    }
    bodies.dedup();
    assert_snapshot!(bodies.join("\n"), @r#"{"model":"m","messages":[{"role":"user","content":"hm"}],"max_tokens":1,"temperature":0,"stream":true,"stream_options":{"include_usage":true}}"#);
}

#[tokio::test]
async fn a_fresh_connection_that_closes_as_well_is_a_reset() {
    let (row, _) = second(&[], Some(&[])).await;
    assert_eq!((ended(&row), row.resent), ((Ended::Reset, Stage::Headers), true));
    let row = play(1, &[]).await.request;
    assert_eq!(
        (ended(&row), row.resent),
        ((Ended::Reset, Stage::Headers), false),
        "the very first"
    );
}

#[tokio::test]
async fn a_close_that_comes_late_or_after_a_byte_of_the_answer_is_a_failure() {
    let (late, _) = second(&[Step::Wait(150)], None).await;
    assert_eq!((ended(&late), late.resent), ((Ended::Reset, Stage::Headers), false));
    let (begun, _) = second(&[head()], None).await;
    assert_eq!((ended(&begun), begun.resent), ((Ended::Truncated, Stage::BeforeFirst), false));
    let (garbled, _) = second(&[Step::Raw(b"SSH-2.0\r\n\r\n".to_vec())], None).await;
    assert_eq!((ended(&garbled), garbled.resent), ((Ended::Malformed, Stage::Headers), false));
}

#[tokio::test]
async fn a_close_that_longhaul_read_late_because_it_stood_still_did_not_come_late() {
    let scene = Scene::new(1).await;
    scene.standstills.set(vec![(At::ZERO, At(60_000_000))]);
    let (row, _) = second_of(&scene, &[Step::Wait(150)], Some(&good())).await;
    assert_eq!((row.ended, row.resent), (Ended::Completed, true), "{}", row.error);
    let scene = Scene::new(1).await;
    scene.standstills.set(vec![(At::ZERO, At(1))]);
    let (row, _) = second_of(&scene, &[Step::Wait(150)], None).await;
    assert_eq!(
        (ended(&row), row.resent),
        ((Ended::Reset, Stage::Headers), false),
        "it stood before"
    );
}

fn redirect(status: u16, location: &str) -> Step {
    let head =
        format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    Step::Raw(head.into_bytes())
}

#[tokio::test]
async fn a_redirect_within_the_server_is_followed_with_method_and_body() {
    for status in [307, 308] {
        let scene = Scene::new(1).await;
        let there = "/v1/chat/completions/";
        let absolute = format!("http://{}{there}", scene.listener.local_addr().unwrap());
        for location in [there, &absolute] {
            let lists = [vec![redirect(status, location)], good()];
            let lists = [&lists[0][..], &lists[1][..]];
            let (asked, answer) =
                tokio::join!(server::play_all(&scene.listener, &lists), scene.send());
            let row = answer.request;
            assert_eq!(ended(&row), (Ended::Completed, Stage::Closing), "{}", row.error);
            assert!(asked[1].0.starts_with(&format!("POST {there} ")), "{}", asked[1].0);
            assert_eq!(asked[0].1, asked[1].1);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn a_redirect_in_a_circle_or_elsewhere_is_an_answer() {
    let scene = Scene::new(1).await;
    let step = [redirect(302, "/metrics")];
    let circle = [&step[..]; 4];
    let call = scene.http.call(Call::get("/metrics"));
    let (asked, reply) = tokio::join!(server::play_all(&scene.listener, &circle), call);
    let reply = reply.unwrap();
    assert_eq!((asked.len(), reply.status()), (4, 302));
    let scene = Scene::new(1).await;
    let step = [redirect(307, "https://127.0.0.1/v1/models")];
    let call = scene.http.call(Call::get("/v1/models"));
    let (_, reply) = tokio::join!(server::play(&scene.listener, &step), call);
    let reply = reply.unwrap();
    assert_eq!(reply.status(), 307);
    assert_eq!(reply.header("location"), Some("https://127.0.0.1/v1/models"));
}

#[tokio::test]
async fn a_refusal_keeps_what_the_server_asks_to_wait() {
    let head = "HTTP/1.1 429 Slow\r\nretry-after: 2\r\ncontent-length: 4\r\n\r\nslow";
    let row = play(1, &[Step::Raw(head.as_bytes().to_vec())]).await.request;
    assert_eq!((row.ended, row.retry_after_us), (Ended::HttpError, Some(2_000_000)));
}

#[tokio::test]
async fn a_host_without_a_known_address_is_told_by_its_name() {
    let mut scene = Scene::new(1).await;
    // No resolver asks the network for a name of more than 63 characters.
    let name = format!("{}.local", "a".repeat(64));
    scene.http = Http::new(HttpOptions {
        address: Address::parse(&format!("http://{name}:8000")).unwrap(),
        api_key: None,
        headers: Vec::new(),
        ca_cert: None,
        timeline: scene.timeline,
        standstills: scene.standstills.clone(),
    })
    .unwrap();
    let broken = scene.http.call(Call::get("/v1/models")).await.err().unwrap();
    assert_eq!((broken.how, broken.stage), (BrokenHow::Unresolved, Stage::Connect));
    // The resolver's own words differ between systems.
    let words = broken.words.split(": ").next().unwrap_or_default();
    assert_eq!(words, format!("the host `{name}` has no known address"));
}
