//! Tests the sensor on pages that a wire gives, one for each look.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use insta::assert_snapshot;

use super::*;
use crate::fact::Stage;
use crate::series::{ENGINE_STARTED, GENERATION_TOKENS, RUNNING_REQUESTS};
use crate::unit::At;

/// Status and body of an answer, or how the connection failed.
type Answer = Result<(u16, String), BrokenHow>;

/// Wire that answers with the next page, five seconds after the one before.
#[derive(Clone, Default)]
struct Pages(Rc<RefCell<VecDeque<Answer>>>, Rc<Cell<u64>>);

struct Page(u16, Option<String>, At);

impl Wire for Pages {
    type Reply = Page;

    async fn call(&self, _: Call) -> Result<Page, Broken> {
        let next = self.0.borrow_mut().pop_front().unwrap();
        let broken = |how| Broken {
            how,
            stage: Stage::Connect,
            at: At::ZERO,
            words: "no".into(),
            resent: false,
        };
        self.1.set(self.1.get() + 5_000_000);
        next.map(|(status, body)| Page(status, Some(body), At(self.1.get()))).map_err(broken)
    }
}

impl Reply for Page {
    fn status(&self) -> u16 {
        self.0
    }

    async fn chunk(&mut self) -> Result<Option<(At, Bytes)>, Broken> {
        Ok(self.1.take().map(|text| (self.2, Bytes::from(text))))
    }
}

/// Sensor of vLLM's metrics.
fn sensor(prefix: &str) -> (EngineSensor<Pages>, Pages) {
    let pages = Pages::default();
    let first = format!("{prefix}num_requests_running 0\n");
    (EngineSensor::new(pages.clone(), Some(&first), "/health"), pages)
}

async fn look(
    (sensor, pages): &mut (EngineSensor<Pages>, Pages),
    page: Result<(u16, &str), BrokenHow>,
) -> Result<Vec<Sample>, String> {
    pages.0.borrow_mut().push_back(page.map(|(status, text)| (status, text.to_owned())));
    sensor.look().await.map(|look| look.samples)
}

fn value(samples: &[Sample], series: &Series) -> Option<f64> {
    samples.iter().find(|sample| sample.name == series.name).map(|sample| sample.value)
}

#[tokio::test]
async fn a_share_of_several_engines_is_a_mean_and_a_maximum_and_a_number_is_a_sum() {
    let mut sensor = sensor("vllm:");
    let page = "vllm:kv_cache_usage_perc{engine=\"0\"} 0.6\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.2\n\
                vllm:num_requests_running{engine=\"0\"} 2\nvllm:num_requests_running{engine=\"1\"} 1\n";
    let samples = look(&mut sensor, Ok((200, page))).await.unwrap();
    assert_eq!(value(&samples, &KV_USAGE), Some(0.4));
    assert_eq!(value(&samples, &KV_USAGE_MAX), Some(0.6));
    assert_eq!(value(&samples, &RUNNING_REQUESTS), Some(3.0));
    let samples = look(&mut sensor, Ok((200, "vllm:kv_cache_usage_perc 0.6\n"))).await.unwrap();
    assert_eq!((value(&samples, &KV_USAGE), value(&samples, &KV_USAGE_MAX)), (Some(0.6), None));
}

#[tokio::test]
async fn a_value_that_is_no_number_is_left_out_and_hides_nothing() {
    let mut sensor = sensor("vllm:");
    let page = |tokens: &str| {
        format!("vllm:kv_cache_usage_perc NaN\nvllm:generation_tokens_total {tokens}\n")
    };
    let mut numbers = Vec::new();
    for tokens in ["100", "NaN", "+Inf", "3"] {
        let samples = look(&mut sensor, Ok((200, &page(tokens)))).await.unwrap();
        assert!(samples.iter().all(|sample| sample.value.is_finite()), "{samples:?}");
        assert_eq!(value(&samples, &KV_USAGE), None);
        numbers.push(value(&samples, &METRICS_PROCESS));
    }
    assert_eq!(numbers, [Some(1.0), None, None, Some(2.0)], "a restart after it is seen");
}

#[tokio::test]
async fn metrics_that_ray_or_a_collector_renamed_are_read() {
    for prefix in ["vllm_", "ray_vllm:", "ray_vllm_"] {
        let mut sensor = sensor(prefix);
        let page = format!("{prefix}generation_tokens_total{{engine=\"0\"}} 7\n");
        let samples = look(&mut sensor, Ok((200, &page))).await.unwrap();
        assert_eq!(value(&samples, &GENERATION_TOKENS), Some(7.0), "{prefix}");
    }
}

#[tokio::test]
async fn several_start_times_on_a_page_are_not_added_up() {
    let mut sensor = sensor("vllm:");
    let page = "process_start_time_seconds{pid=\"1\"} 1790000000\nprocess_start_time_seconds{pid=\"2\"} 1790000003\n";
    let samples = look(&mut sensor, Ok((200, page))).await.unwrap();
    assert_eq!(value(&samples, &ENGINE_STARTED), Some(1_790_000_003.0));
}

#[tokio::test]
async fn another_services_answer_is_not_up_and_a_page_that_fails_alone_is_a_miss() {
    let mut sensor = sensor("vllm:");
    let pages =
        [(200, "<html>hello</html>"), (404, "404 page not found"), (502, ""), (503, ""), (500, "")];
    for (status, body) in pages {
        // Its health is asked, too.
        sensor.1.0.borrow_mut().push_back(Ok((status, body.to_owned())));
        let samples = look(&mut sensor, Ok((status, body))).await.unwrap();
        assert_eq!(value(&samples, &UP), Some(0.0), "{status}");
        assert_eq!(value(&samples, &HEALTH_STATUS), Some(f64::from(status)));
    }
    let mut whys = Vec::new();
    for (status, body) in pages {
        sensor.1.0.borrow_mut().push_back(Ok((status, body.to_owned())));
        whys.push(look(&mut sensor, Ok((200, ""))).await.unwrap_err());
    }
    assert_snapshot!(whys.join("\n"), @"
        /metrics answered 200, and no metrics
        /metrics answered 404, and no metrics
        /metrics answered 502, and no metrics
        /metrics answered 503, and no metrics
        /metrics answered 500, and no metrics
    ");
    for how in [BrokenHow::Refused, BrokenHow::Malformed] {
        let samples = look(&mut sensor, Err(how)).await.unwrap();
        assert_eq!((value(&samples, &UP), value(&samples, &HEALTH_STATUS)), (Some(0.0), None));
    }
    assert!(look(&mut sensor, Ok((401, ""))).await.is_err());
    let samples = look(&mut sensor, Ok((200, "vllm:num_requests_running 0\n"))).await.unwrap();
    assert_eq!(value(&samples, &UP), Some(1.0));
}
