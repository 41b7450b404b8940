//! Follows redirects within one server, as from `/metrics` to `/metrics/`. A redirect to anywhere
//! else is an answer, and the caller's to tell: another server would be measured.

use reqwest::Url;

use crate::world::{Call, Redirect};

/// Largest number of redirects that one request follows.
pub(super) const HOPS_MAX: u32 = 3;

/// Returns where a response to a request for an address redirects to.
pub(super) fn of(from: &Url, status: u16, location: Option<&str>) -> Option<Redirect> {
    let location = location.filter(|_| matches!(status, 301..=303 | 307 | 308))?;
    let Ok(to) = from.join(location) else {
        return Some(Redirect { status, to: location.to_owned(), is_within: false });
    };
    let names_nobody = to.username().is_empty() && to.password().is_none();
    let is_within = to.origin() == from.origin() && names_nobody;
    Some(Redirect { status, to: to.to_string(), is_within })
}

/// Whether a call is sent on: within the server, and with its method and body as they are.
pub(super) fn is_followed(redirect: &Redirect, call: &Call) -> bool {
    redirect.is_within && (call.body.is_none() || matches!(redirect.status, 307 | 308))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(from: &str, status: u16, location: &str, call: &Call) -> Option<String> {
        let redirect = of(&Url::parse(from).unwrap(), status, Some(location))?;
        is_followed(&redirect, call).then_some(redirect.to)
    }

    fn to(status: u16, location: &str, call: &Call) -> Option<String> {
        next("http://spark:8000/v1/models", status, location, call)
    }

    #[test]
    fn only_a_redirect_within_the_server_is_followed() {
        let get = Call::get("/v1/models");
        let there = "http://spark:8000/v1/models/";
        for location in [there, "/v1/models/", "models/", "//spark:8000/v1/models/"] {
            assert_eq!(to(307, location, &get).as_deref(), Some(there), "{location}");
        }
        for location in [
            "https://spark:8000/v1/models",
            "http://spark/v1/models",
            "http://other:8000/v1/models",
            "http://user@spark:8000/v1/models",
            "http://[",
        ] {
            assert_eq!(to(307, location, &get), None, "{location}");
        }
        let port = next("http://spark/metrics", 308, "http://spark:80/metrics/", &get);
        assert_eq!(port.as_deref(), Some("http://spark/metrics/"), "the port that http has anyway");
        assert_eq!(of(&Url::parse("http://spark/metrics").unwrap(), 308, None), None);
    }

    #[test]
    fn a_body_is_sent_on_only_where_the_redirect_keeps_it() {
        let post = Call::post("/v1/chat/completions", "{}");
        let get = Call::get("/metrics");
        for (status, of_get, of_post) in [
            (301, true, false),
            (302, true, false),
            (303, true, false),
            (307, true, true),
            (308, true, true),
            (304, false, false),
            (200, false, false),
        ] {
            assert_eq!(to(status, "/x", &get).is_some(), of_get, "{status}");
            assert_eq!(to(status, "/x", &post).is_some(), of_post, "{status}");
        }
    }
}
