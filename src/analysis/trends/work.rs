//! Computes the growth of a series by the work that the server did, and whether it follows work or
//! time. The two are told apart only where the load varied.

use crate::analysis::trend::evidence::Point;
use crate::stats::hamed_rao::inflation;
use crate::stats::mann_kendall::mann_kendall;
use crate::stats::theil_sen::{PairSlopes, Slope};

/// Normal quantile of a one-sided bound at 95 %.
const Z_95: f64 = 1.645;

/// Least distance of a course of requests from an even one, as a share of all requests, from which
/// a load varies.
const VARIES: f64 = 0.01;

/// Factor between the relative widths of two intervals from which the narrower one explains a growth.
const EXPLAINS: f64 = 3.0;

/// Work that was done before the middle of a block, since the start of the lifetime.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Done {
    /// Middle of the block, hours since the start of the lifetime.
    pub hours: f64,
    pub requests: f64,
    pub tokens: f64,
}

/// Driver of a growth: work or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Requests,
    Time,
}

/// Growth of a series by work done. Each bound is one-sided at 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PerWork {
    /// Per request.
    pub request: Slope,
    /// Per 1,000 tokens of prompts and answers; `None` where the server counts none.
    pub kilotoken: Option<Slope>,
    /// `None` where the load hardly varied, or both explain it.
    pub driver: Option<Driver>,
    /// Requests per hour.
    pub requests_per_h: f64,
}

impl PerWork {
    /// Fits the blocks from an hour on; `None` where they hold no request.
    pub(super) fn of(points: &[Point], done: &[Done], from_h: f64) -> Option<PerWork> {
        let known = |point: &Point| done.iter().find(|it| (it.hours - point.hours).abs() < 1e-9);
        let pairs: Vec<(Point, Done)> = points
            .iter()
            .filter(|point| point.hours >= from_h)
            .filter_map(|point| Some((*point, *known(point)?)))
            .collect();
        let values: Vec<f64> = pairs.iter().map(|(point, _)| point.value).collect();
        let by = |x: fn(&Done) -> f64| {
            let xs: Vec<f64> = pairs.iter().map(|(_, done)| x(done)).collect();
            (xs.last()? > xs.first()?).then(|| fit(&xs, &values))?
        };
        let (first, last) = (pairs.first()?.1, pairs.last()?.1);
        let (request, hourly) = (by(|done| done.requests)?, by(|done| done.hours)?);
        Some(PerWork {
            request,
            kilotoken: by(|done| done.tokens / 1_000.0),
            driver: varies(&pairs).then(|| driver(request, hourly)).flatten(),
            requests_per_h: (last.requests - first.requests) / (last.hours - first.hours),
        })
    }
}

/// Returns what a growth follows: the one by which its interval is far narrower.
fn driver(request: Slope, hourly: Slope) -> Option<Driver> {
    let width = |slope: Slope| {
        let is_sure = slope.low > 0.0 || slope.high < 0.0;
        is_sure.then(|| (slope.high - slope.low) / slope.value.abs())
    };
    // An interval that holds no change is no narrower than another one.
    match (width(request).unwrap_or(f64::INFINITY), width(hourly).unwrap_or(f64::INFINITY)) {
        (request, hourly) if request.is_infinite() && hourly.is_infinite() => None,
        (request, hourly) if request * EXPLAINS < hourly => Some(Driver::Requests),
        (request, hourly) if hourly * EXPLAINS < request => Some(Driver::Time),
        _ => None,
    }
}

/// Returns the slope with its bounds.
fn fit(xs: &[f64], values: &[f64]) -> Option<Slope> {
    let test = mann_kendall(values);
    let slopes = PairSlopes::within([(xs, values)].into_iter())?;
    let variance = test.variance * inflation(xs, values, slopes.value());
    Some(slopes.slope(variance, Z_95))
}

/// Whether the requests come unevenly over the time.
fn varies(pairs: &[(Point, Done)]) -> bool {
    let (Some((_, first)), Some((_, last))) = (pairs.first(), pairs.last()) else { return false };
    let share = |value: f64, first: f64, last: f64| (value - first) / (last - first);
    pairs.iter().any(|(_, done)| {
        let requests = share(done.requests, first.requests, last.requests);
        (requests - share(done.hours, first.hours, last.hours)).abs() > VARIES
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns thirty hours, in which every third is busy, of a memory that grows.
    fn grown(per_request: f64, per_hour: f64) -> Option<PerWork> {
        let (mut points, mut done) = (Vec::new(), Vec::new());
        let mut requests = 0.0;
        for index in 0..30u32 {
            let here = if index % 10 < 3 { 900.0 } else { 100.0 };
            let hours = f64::from(index) + 0.5;
            let middle = requests + here / 2.0;
            let value = 1_000.0 + per_request * middle + per_hour * hours;
            points.push(Point { hours, value });
            let tokens = middle * 500.0;
            done.push(Done { hours, requests: middle, tokens });
            requests += here;
        }
        PerWork::of(&points, &done, 0.0)
    }

    #[test]
    fn a_leak_per_request_and_one_per_hour_are_told_apart_where_the_load_varies() {
        let leak = grown(2.0, 0.0).unwrap();
        assert_eq!(leak.driver, Some(Driver::Requests));
        assert!((leak.request.value - 2.0).abs() < 1e-9);
        assert!(leak.kilotoken.is_some_and(|it| (it.value - 4.0).abs() < 1e-9));
        assert_eq!(grown(0.0, 50.0).unwrap().driver, Some(Driver::Time));
    }

    #[test]
    fn idle_hours_tell_them_apart_where_the_rate_never_varies() {
        // Four idle hours in fourteen: no block lies in them.
        let busy = |hour: u32| !matches!(hour, 2 | 3 | 5 | 7);
        let course = |growth: fn(f64, f64) -> f64| {
            let (mut points, mut done, mut requests) = (Vec::new(), Vec::new(), 0.0);
            for quarter in 0..56u32 {
                let hours = f64::from(quarter) / 4.0 + 0.125;
                if busy(quarter / 4) {
                    let middle = requests + 20.0;
                    let noise = f64::from(quarter * 7 % 5) * 0.5;
                    points.push(Point { hours, value: 1_000.0 + growth(hours, middle) + noise });
                    done.push(Done { hours, requests: middle, tokens: 0.0 });
                    requests += 40.0;
                }
            }
            PerWork::of(&points, &done, 0.0).unwrap()
        };
        assert_eq!(course(|_, requests| requests).driver, Some(Driver::Requests));
        assert_eq!(course(|hours, _| 120.0 * hours).driver, Some(Driver::Time));
        assert_eq!(course(|_, _| 0.0).driver, None, "nothing grows");
        assert!((course(|hours, _| hours).requests_per_h - 115.0).abs() < 5.0);
    }

    #[test]
    fn under_an_even_load_nothing_tells_them_apart() {
        let points: Vec<Point> = (0..30u32)
            .map(|index| Point { hours: f64::from(index), value: f64::from(index) })
            .collect();
        let done =
            |point: &Point| Done { hours: point.hours, requests: point.hours * 60.0, tokens: 0.0 };
        let done: Vec<Done> = points.iter().map(done).collect();
        let even = PerWork::of(&points, &done, 0.0).unwrap();
        assert_eq!((even.driver, even.kilotoken), (None, None));
        assert!((even.request.value - 1.0 / 60.0).abs() < 1e-9);
        assert_eq!(PerWork::of(&points, &[], 0.0), None, "nothing was asked");
    }
}
