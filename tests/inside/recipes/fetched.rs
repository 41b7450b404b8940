//! Tests every way in which a recipe can be present or missing at its source.

use std::io::Write;
use std::time::Duration;

use longhaul::http::remote::{FetchError, Remote};

use super::host::{Host, page};

const LIMIT: Duration = Duration::from_secs(10);
const RECIPE: &str = "model: m\ncommand: vllm serve m\n";

/// An answer that sends on.
fn sent_on(to: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    .into_bytes()
}

fn fetch(address: &str, limit: Duration) -> Result<String, FetchError> {
    let remote = Remote::parse(address, &["127.0.0.1".to_owned()]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(remote.fetch(limit))
}

/// What is said of an answer that is refused, however often it is asked for.
fn refused(answer: impl Into<Vec<u8>>) -> String {
    match fetch(&Host::saying(answer).at("/r.yaml"), LIMIT) {
        Err(FetchError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn away(address: &str, limit: Duration) -> String {
    match fetch(address, limit) {
        Err(FetchError::Away(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_text_comes_as_it_is() {
    for kind in ["text/plain; charset=utf-8", "application/yaml", "application/octet-stream"] {
        let host = Host::saying(page("200 OK", kind, RECIPE));
        assert_eq!(fetch(&host.at("/r.yaml"), LIMIT).as_deref(), Ok(RECIPE), "{kind}");
    }
}

#[test]
fn what_is_too_large_is_refused_whether_it_says_so_or_not() {
    let large = "x".repeat((1 << 20) + 1);
    assert!(refused(page("200 OK", "text/plain", &large)).contains("1048576 bytes"));
    let lies = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", u64::MAX / 2);
    assert!(refused(lies).contains("1048576 bytes"));
    let just = &large[1..];
    let host = Host::saying(page("200 OK", "text/plain", just));
    assert_eq!(fetch(&host.at("/"), LIMIT).as_deref(), Ok(just));
}

#[test]
fn what_never_ends_is_left_at_the_limit_of_size_or_of_time() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n";
    let flood = Host::new(|_, stream| {
        let _ = stream.write_all(head);
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let why = fetch(&flood.at("/"), LIMIT);
    assert!(matches!(&why, Err(FetchError::Refused(why)) if why.contains("bytes")), "{why:?}");
    let short = Duration::from_millis(300);
    let trickle = Host::new(|_, stream| {
        let _ = stream.write_all(head);
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert!(away(&trickle.at("/"), short).contains("300ms"));
    let silent = Host::new(|_, _| std::thread::sleep(Duration::from_secs(5)));
    assert!(away(&silent.at("/"), short).contains("300ms"));
}

#[test]
fn what_is_no_text_is_refused() {
    assert!(refused(page("200 OK", "text/html; charset=utf-8", "<html>")).contains("text/html"));
    assert!(refused(page("200 OK", "image/png", "x")).contains("image/png"));
    assert!(refused(page("200 OK", "text/plain", "a\u{0}b")).contains("no text"));
    let latin = [page("200 OK", "text/plain", "ab").as_slice(), b"\xff"].concat();
    let latin = String::from_utf8_lossy(&latin).replace("length: 2", "length: 3");
    let bytes = [&latin.as_bytes()[..latin.len() - 3], b"\xff"].concat();
    assert!(refused(bytes).contains("no text"));
}

#[test]
fn a_redirect_is_followed_on_the_same_host_only() {
    let moved = Host::new(|path, stream| {
        let answer = match path {
            "/new.yaml" => page("200 OK", "text/plain", RECIPE),
            "/circle" => sent_on("/circle"),
            _ => sent_on("/new.yaml"),
        };
        let _ = stream.write_all(&answer);
    });
    assert_eq!(fetch(&moved.at("/old.yaml"), LIMIT).as_deref(), Ok(RECIPE));
    let circle = fetch(&moved.at("/circle"), LIMIT);
    assert_eq!(circle, Err(FetchError::Refused("it is sent on and on".to_owned())));
    let other = Host::saying(page("200 OK", "text/plain", RECIPE));
    let why = refused(sent_on(&other.at("/r.yaml")));
    assert!(why.contains("another host") && why.contains("/r.yaml"), "{why}");
    assert_eq!(other.asked(), 0);
    for to in ["file:///etc/passwd", "//example.com/x", ""] {
        let why = refused(sent_on(to));
        assert!(why.contains("sent on") || why.contains("302"), "{to}: {why}");
    }
}

#[test]
fn what_the_host_says_instead_is_told() {
    assert!(refused(page("404 Not Found", "text/plain", "nope")).contains("404"));
    assert!(refused(page("403 Forbidden", "text/html", "no robots")).contains("403"));
    let broken = Host::saying(page("503 Service Unavailable", "text/plain", ""));
    assert!(away(&broken.at("/"), LIMIT).contains("503"));
}

#[test]
fn a_host_that_refuses_tls_or_the_connection_is_away() {
    let plain = Host::saying("HTTP/1.1 400 Bad Request\r\n\r\n");
    let https = plain.at("/r.yaml").replace("http:", "https:");
    assert!(!away(&https, LIMIT).is_empty());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/r.yaml", listener.local_addr().unwrap());
    drop(listener);
    assert!(away(&address, LIMIT).to_lowercase().contains("refused"));
}
