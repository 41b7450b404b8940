//! Judges the answer to a probe: whether it is the server's own. A router, or another service at
//! the same address, answers too.

use super::prometheus;

/// Path that shows whether a server is well.
pub(crate) const HEALTH: &str = "/health";
/// Path of the list of models.
pub(crate) const MODELS: &str = "/v1/models";
/// Path of the metrics.
pub(crate) const METRICS: &str = "/metrics";
/// Path that every server answers, if only with a refusal.
const ROOT: &str = "/";

/// Returns the path of probes: the health page or the list of models, if it answered before the
/// load.
pub(crate) fn path(has_health: bool, has_list: bool) -> &'static str {
    match (has_health, has_list) {
        (true, _) => HEALTH,
        (false, true) => MODELS,
        (false, false) => ROOT,
    }
}

/// Whether an answer shows that the server is up. The path answered 200 before the load, so a 404
/// comes from another service. So does any refusal of the health page, except for too many
/// requests. Every other refusal comes from the server.
pub(crate) fn is_up(path: &str, status: u16, body: &[u8]) -> bool {
    match status {
        _ if path == ROOT => status < 500,
        408 | 425 | 429 => true,
        400..=499 if path == HEALTH => false,
        200..=299 => is_own(path, body),
        404 | 405 | 410 => false,
        400..=499 => true,
        _ => false,
    }
}

/// Whether the status may come from a busy server: some answer so during a long prefill. 502 means
/// that a router has no backend.
pub(crate) fn is_busy(status: u16) -> bool {
    matches!(status, 500 | 503 | 504)
}

/// Returns the names in a list of models; `None` where the page is no such list.
pub(crate) fn models(body: &[u8]) -> Option<Vec<String>> {
    let page = super::json::page(body)?;
    let entries = super::models::entries(&page)?;
    Some(entries.iter().filter_map(super::models::name).map(str::to_owned).collect())
}

/// Whether the body of a good answer is what the server gives at this path.
fn is_own(path: &str, body: &[u8]) -> bool {
    match path {
        METRICS => prometheus::series(&String::from_utf8_lossy(body)).next().is_some(),
        MODELS => models(body).is_some(),
        _ => !body.trim_ascii_start().starts_with(b"<"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &[u8] = b"\n<!doctype html><html><title>Open WebUI</title></html>";

    #[test]
    fn a_page_of_another_service_is_not_the_servers_own_answer() {
        for path in [HEALTH, MODELS, METRICS] {
            assert!(!is_up(path, 200, HTML), "{path}");
        }
        for body in [&b""[..], b"{\"error\": \"unexpected endpoint\"}", b"# only a comment\n"] {
            assert!(!is_up(METRICS, 200, body));
            assert!(!is_up(MODELS, 200, body));
        }
        assert!(is_up(HEALTH, 200, b"") && is_up(HEALTH, 200, b"{\"status\": \"ok\"}"));
        assert!(is_up(METRICS, 200, b"vllm:num_requests_running 0\n"));
        assert!(is_up(MODELS, 200, b"{\"data\": []}"));
    }

    #[test]
    fn a_404_where_200_was_is_not_up_and_another_refusal_is() {
        for status in [404, 405, 410, 302, 500, 502, 503, 504] {
            assert!(!is_up(HEALTH, status, b""), "{status}");
        }
        for status in [401, 403] {
            assert!(is_up(MODELS, status, b"") && !is_up(HEALTH, status, b""), "{status}");
        }
        assert!(is_up(HEALTH, 429, b"") && is_up(ROOT, 404, HTML) && !is_up(ROOT, 502, b""));
        assert!(is_busy(503) && !is_busy(502) && !is_busy(404) && !is_busy(200));
    }

    #[test]
    fn a_list_of_models_has_names_or_none_and_a_page_that_is_no_list_has_no_answer() {
        assert_eq!(
            models(br#"{"data":[{"id":"a"},{},{"id":"b"}]}"#),
            Some(vec!["a".into(), "b".into()])
        );
        assert_eq!(models(br#"{"data":null}"#), Some(Vec::new()));
        assert_eq!(models(br#"{"data":"x"}"#), None);
        assert_eq!(models(b"[]"), Some(Vec::new()));
        assert_eq!(models(HTML), None);
    }
}
