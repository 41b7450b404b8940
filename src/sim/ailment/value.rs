//! Parses the values of faults: spans, shares, counts, factors and rates.

use super::{AffectedRequests, AilmentTime};
use crate::engine::vllm;
use crate::unit::{self, micros};

/// Largest count; a larger one is a typing error.
const TIMES_MAX: u64 = 10_000;
/// Highest rate, one per second: above it, one event is not over when the next begins.
const PER_HOUR_MAX: f64 = 3600.0;

/// Longest span, a year; a fault without an end is written without a value.
const SPAN_US_MAX: u64 = 366 * 86_400_000_000;
/// Largest factor on the duration of a step.
const FACTOR_MAX: f64 = 1_000.0;

/// Parses a span: `10m`.
pub(super) fn span_us(text: &str) -> Result<u64, String> {
    match unit::duration(text).map(micros)? {
        us if us <= SPAN_US_MAX => Ok(us),
        _ => Err(format!("`{text}` is longer than a year")),
    }
}

/// Parses a signed span: `1h`, `-5m`.
pub(super) fn signed_span_us(text: &str) -> Result<i64, String> {
    let (negative, span) = match text.strip_prefix('-') {
        Some(span) => (true, span),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let us = i64::try_from(span_us(span)?).map_err(|_| format!("`{text}` is too long"))?;
    Ok(if negative { -us } else { us })
}

/// Parses a time, count or rate: `2h`, `3x`, `2/h`.
pub(super) fn when(text: &str) -> Result<AilmentTime, String> {
    if let Some(number) = text.strip_suffix('x') {
        return times(number).map(AilmentTime::Times);
    }
    if let Some((number, per)) = text.split_once('/') {
        let wrong = || format!("`{text}` is not a rate; write it as 2/h, 1/m or 3/d");
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let rate = number * 3600.0 / seconds(per).ok_or_else(wrong)?;
        if !rate.is_finite() || rate <= 0.0 {
            return Err(wrong());
        }
        if rate > PER_HOUR_MAX {
            return Err(format!("`{text}` is more often than once a second"));
        }
        return Ok(AilmentTime::PerHour(rate));
    }
    span_us(text).map(AilmentTime::After)
}

/// Parses a count: `3`.
pub(super) fn times(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(times) if (1..=TIMES_MAX).contains(&times) => Ok(times),
        _ => Err(format!("`{text}` is not a number of times from 1 to {TIMES_MAX}")),
    }
}

/// Parses affected requests: `0.5%` of all, or `3` for the next three.
pub(super) fn hits(text: &str) -> Result<AffectedRequests, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        return times(text).map(AffectedRequests::Next);
    }
    match unit::share(text) {
        Ok(share) if share <= 1.0 => Ok(AffectedRequests::Share(share)),
        Ok(_) => Err(format!("`{text}` is more than all requests")),
        Err(why) => Err(why),
    }
}

/// Parses a slowdown: `2x` doubles the duration of steps, `30%` lowers speed by 30 %.
pub(super) fn factor(text: &str) -> Result<f64, String> {
    let wrong =
        || format!("`{text}` is neither a factor from 1x to {FACTOR_MAX}x nor a share below 100%");
    if let Some(number) = text.strip_suffix('x') {
        let factor: f64 = number.parse().map_err(|_| wrong())?;
        return slower(factor).ok_or_else(wrong);
    }
    match unit::share(text) {
        Ok(lost) if lost < 1.0 => slower(1.0 / (1.0 - lost)).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn slower(factor: f64) -> Option<f64> {
    (1.0..=FACTOR_MAX).contains(&factor).then_some(factor)
}

/// Parses an increase (`20%`) as a factor (1.2).
pub(super) fn longer(text: &str) -> Result<f64, String> {
    slower(1.0 + unit::share(text)?).ok_or_else(|| format!("`{text}` is more than {FACTOR_MAX} x"))
}

/// Parses a size: `4GiB`.
pub(super) fn bytes(text: &str) -> Result<f64, String> {
    Ok(unit::bytes(text)?.0 as f64)
}

/// Parses `50MiB/h` as bytes per second.
pub(super) fn bytes_per_s(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a rate; write it as 50MiB/h or 1GiB/m");
    let (size, per) = text.split_once('/').ok_or_else(wrong)?;
    Ok(bytes(size)? / seconds(per).ok_or_else(wrong)?)
}

/// Parses `10%/h` as the linear gain per hour.
pub(super) fn gain_per_h(text: &str) -> Result<f64, String> {
    let (share, seconds) = share_per(text)?;
    let per_h = share * 3600.0 / seconds;
    if per_h > FACTOR_MAX {
        return Err(format!("`{text}` is more than {FACTOR_MAX} x an hour"));
    }
    Ok(per_h)
}

/// Parses `30%/h` as the share lost per hour, compounded.
pub(super) fn loss_per_h(text: &str) -> Result<f64, String> {
    let (share, seconds) = share_per(text)?;
    if share > 1.0 {
        return Err(format!("`{text}` is more than there is to lose"));
    }
    Ok(1.0 - (1.0 - share).powf(3600.0 / seconds))
}

fn share_per(text: &str) -> Result<(f64, f64), String> {
    let wrong = || format!("`{text}` is not a rate; write it as 10%/h or 1%/m");
    let (share, per) = text.split_once('/').ok_or_else(wrong)?;
    Ok((unit::share(share)?, seconds(per).ok_or_else(wrong)?))
}

fn seconds(per: &str) -> Option<f64> {
    match per {
        "s" => Some(1.0),
        "m" | "min" => Some(60.0),
        "h" => Some(3600.0),
        "d" => Some(86_400.0),
        _ => None,
    }
}

/// Parses a setting of vLLM, and the value that is followed in its place: `max_num_seqs:2`.
pub(super) fn setting(text: &str) -> Result<(&'static str, Option<u64>), String> {
    let (name, other) = text.split_once(':').map_or((text, None), |(a, b)| (a, Some(b)));
    let known = vllm::flags::FLAGS.iter().find(|flag| flag.setting == name);
    let known = known.ok_or_else(|| format!("`{name}` is no setting of vLLM"))?;
    let other = other.map(str::parse).transpose();
    let other = other.map_err(|_| format!("`{text}` has a value that is no whole number"))?;
    Ok((known.setting, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_of_itself_is_the_same_loss_in_every_unit_of_time() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(gain_per_h("1%/m").expect("a rate"), 0.6);
        near(loss_per_h("30%/h").expect("a rate"), 0.3);
        near(loss_per_h("1%/m").expect("a rate"), 1.0 - 0.99f64.powi(60));
        near(loss_per_h("100%/d").expect("a rate"), 1.0);
        assert!(loss_per_h("101%/h").is_err() && gain_per_h("10%").is_err());
    }

    #[test]
    fn a_moment_is_a_time_a_count_or_a_rate() {
        assert_eq!(when("2h"), Ok(AilmentTime::After(7_200_000_000)));
        assert_eq!(when("3x"), Ok(AilmentTime::Times(3)));
        assert_eq!(when("0.5/h"), Ok(AilmentTime::PerHour(0.5)));
        assert_eq!(when("1/m"), Ok(AilmentTime::PerHour(60.0)));
        for wrong in ["0x", "x", "-1x", "2/y", "0/h", "-1/h", "inf/h", "2/s", "3"] {
            assert!(when(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_clock_may_be_set_back() {
        assert_eq!(signed_span_us("-5m"), Ok(-300_000_000));
        assert_eq!(signed_span_us("+5m"), signed_span_us("5m"));
        assert!(signed_span_us("--5m").is_err());
    }

    #[test]
    fn nothing_is_so_long_or_so_slow_that_time_would_overflow() {
        assert!(span_us("366d").is_ok() && span_us("400d").is_err());
        assert!(factor("1000x").is_ok() && factor("1e15x").is_err() && factor("99.9999%").is_err());
        assert!(longer("1e17%").is_err() && gain_per_h("1e307%/s").is_err());
    }
}
