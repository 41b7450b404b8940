//! What a handful of events in a stretch of time proves about how often they
//! come. Assumes a constant rate and independence, which a leak breaks.

/// The lower bound of the mean time between failures after `hours` without a
/// failure: `T / −ln(1 − confidence)` (exponential; 2T/χ² with two degrees of freedom).
pub fn mtbf_without_failure(hours: f64, confidence: f64) -> f64 {
    hours / -(1.0 - confidence).ln()
}

/// The two-sided interval of the mean number of events after `seen` of them
/// (Garwood 1936), found by bisection of the Poisson distribution.
pub fn garwood(seen: u64, confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence) / 2.0;
    let lower =
        if seen == 0 { 0.0 } else { bisect(seen, |mean| 1.0 - at_most(seen - 1, mean) < tail) };
    (lower, bisect(seen, |mean| at_most(seen, mean) > tail))
}

/// The mean below which `holds` is true.
fn bisect(seen: u64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 10.0 + 3.0 * seen as f64);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

/// The probability of at most `k` events where `mean` are to be expected.
fn at_most(k: u64, mean: f64) -> f64 {
    let mut term = (-mean).exp();
    let mut sum = term;
    for event in 1..=k {
        term *= mean / event as f64;
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_in_the_records_hours_proves_less_than_two() {
        for (confidence, bound) in [(0.90, 2.526_146), (0.95, 1.941_651), (0.99, 1.263_073)] {
            assert!((mtbf_without_failure(5.816_667, confidence) - bound).abs() < 1e-6);
        }
    }

    #[test]
    fn the_interval_of_a_few_events_is_garwoods() {
        for (seen, low, high) in
            [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (2, 0.2422, 7.2247), (5, 1.6235, 11.6683)]
        {
            let (lower, upper) = garwood(seen, 0.95);
            assert!((lower - low).abs() < 1e-4 && (upper - high).abs() < 1e-4, "{lower} {upper}");
        }
    }
}
