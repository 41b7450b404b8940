//! Computes the growth of a series by the work that the server did, and whether it follows work or
//! time. The two are told apart only where the load varied.

use crate::analysis::trend::evidence::Point;
use crate::stats::hamed_rao::inflation;
use crate::stats::mann_kendall::mann_kendall;
use crate::stats::robust::median;
use crate::stats::theil_sen::{PairSlopes, Slope};

/// Normal quantile of a one-sided bound at 95 %.
const Z_95: f64 = 1.645;

/// Factor between the upper and the lower quartile of the request rate from which a load varies.
const VARIES: f64 = 1.3;

/// Factor between the residuals of two fits from which the better one explains a growth.
const EXPLAINS: f64 = 2.0;

/// Work that was done before the middle of a block, since the start of the lifetime.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Done {
    /// Middle of the block, hours since the start of the lifetime.
    pub hours: f64,
    pub requests: f64,
    pub tokens: f64,
    /// Requests of the block per hour.
    pub requests_per_h: f64,
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
        let (request, by_request) = by(|done| done.requests)?;
        let by_time = by(|done| done.hours).map(|(_, spread)| spread);
        Some(PerWork {
            request,
            kilotoken: by(|done| done.tokens / 1_000.0).map(|(slope, _)| slope),
            driver: by_time.filter(|_| varies(&pairs)).and_then(|by_time| {
                if by_request * EXPLAINS <= by_time {
                    Some(Driver::Requests)
                } else if by_time * EXPLAINS <= by_request {
                    Some(Driver::Time)
                } else {
                    None
                }
            }),
        })
    }
}

/// Returns the slope, and the median absolute deviation from the line.
fn fit(xs: &[f64], values: &[f64]) -> Option<(Slope, f64)> {
    let test = mann_kendall(values);
    let slopes = PairSlopes::within([(xs, values)].into_iter())?;
    let variance = test.variance * inflation(xs, values, slopes.value());
    let slope = slopes.slope(variance, Z_95);
    let residuals: Vec<f64> =
        xs.iter().zip(values).map(|(x, value)| value - slope.value * x).collect();
    let middle = median(&residuals)?;
    let spread = median(&residuals.iter().map(|it| (it - middle).abs()).collect::<Vec<_>>())?;
    Some((slope, spread))
}

/// Whether the request rate of the blocks varies.
fn varies(pairs: &[(Point, Done)]) -> bool {
    let mut rates: Vec<f64> = pairs.iter().map(|(_, done)| done.requests_per_h).collect();
    rates.sort_by(f64::total_cmp);
    let quarter = rates.len() / 4;
    let (Some(low), Some(high)) =
        (rates.get(quarter), rates.get(rates.len().saturating_sub(1 + quarter)))
    else {
        return false;
    };
    *high > VARIES * low
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
            done.push(Done { hours, requests: middle, tokens, requests_per_h: here });
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
    fn under_an_even_load_nothing_tells_them_apart() {
        let points: Vec<Point> = (0..30u32)
            .map(|index| Point { hours: f64::from(index), value: f64::from(index) })
            .collect();
        let done = |point: &Point| Done {
            hours: point.hours,
            requests: point.hours * 60.0,
            tokens: 0.0,
            requests_per_h: 60.0,
        };
        let done: Vec<Done> = points.iter().map(done).collect();
        let even = PerWork::of(&points, &done, 0.0).unwrap();
        assert_eq!((even.driver, even.kilotoken), (None, None));
        assert!((even.request.value - 1.0 / 60.0).abs() < 1e-9);
        assert_eq!(PerWork::of(&points, &[], 0.0), None, "nothing was asked");
    }
}
