//! Defines quantities with their unit in the type (instants, tokens, bytes),
//! and parses and writes them as text (`6h`, `800ms`, `2GiB`, `0.1%`).
//!
//! Pure text and arithmetic; knows nothing of measures or files.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Instant: microseconds since the anchor of the run's current segment.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(crate) struct At(pub u64);

impl At {
    /// Instant of the anchor.
    pub(crate) const ZERO: At = At(0);

    /// Returns the microseconds from `earlier` to `self`; 0 if `earlier` is later.
    pub(crate) fn since(self, earlier: At) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the instant `span` later.
    #[must_use]
    pub(crate) fn after(self, span: Duration) -> At {
        At(self.0.saturating_add(micros(span)))
    }

    /// Returns the seconds since the anchor.
    pub(crate) fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// Returns the whole microseconds of a duration; saturates.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Count of bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(crate) struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = [("TiB", 1u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        for (name, size) in steps {
            if self.0 >= size {
                return write!(f, "{} {name}", figures(self.0 as f64 / size as f64));
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// Parses a duration such as `6h`, `4h30m`, `800ms`, `0s`. A unit is required.
///
/// # Errors
/// A hint with examples of durations.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let wrong = |_| match text.strip_prefix('-') {
        Some(positive) if humantime::parse_duration(positive).is_ok() => {
            format!("`{text}` is below zero, and no time is; write {positive}")
        }
        _ => format!(
            "`{text}` is not a duration; write it with its unit, as 6h, 4h30m, 90s or 800ms"
        ),
    };
    humantime::parse_duration(text).map_err(wrong)
}

/// Parses a number of tokens with a unit, `32k` (1,024 each) or `1M` (1,024 × 1,024); `None` for
/// plain digits too.
pub(crate) fn tokens(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, factor) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1024.0),
        None => (text.strip_suffix('M')?, 1024.0 * 1024.0),
    };
    let is_plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let tokens = number.parse::<f64>().ok().filter(|_| is_plain)? * factor;
    (tokens.fract() == 0.0 && tokens < 2f64.powi(53)).then_some(tokens as u64)
}

/// Reason why a text with a unit is no whole number of tokens; `None` where no unit is to blame.
pub(crate) fn no_tokens(text: &str) -> Option<String> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = (&text[..split], text[split..].trim_start());
    let value: f64 = number.parse().ok()?;
    let (right, factor) = match unit.to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" | "kt" => ('k', 1024.0),
        "m" | "mb" | "mib" | "mt" => ('M', 1024.0 * 1024.0),
        _ => return Some(format!("`{unit}` is no unit of tokens; {TOKEN_UNITS}")),
    };
    let tokens = value * factor;
    if tokens >= 2f64.powi(53) {
        return None;
    }
    if tokens.fract() != 0.0 {
        return Some(format!("`{text}` is not a whole number of tokens; {TOKEN_UNITS}"));
    }
    let right = format!("write {number}{right} for {} tokens", grouped(tokens));
    Some(match unit {
        "m" => format!("`m` stands for minutes; {right}"),
        _ => format!("`{unit}` is no unit of tokens; {right}"),
    })
}

/// Units of a number of tokens.
const TOKEN_UNITS: &str = "1k is 1,024 tokens, 1M is 1,048,576";

/// Parses a size such as `2GiB`, `512MiB`, `16GB`. A unit is required.
///
/// # Errors
/// A hint with examples of sizes.
pub(crate) fn bytes(text: &str) -> Result<Bytes, String> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: f64 = match unit.trim() {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0f64.powi(4),
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => {
            return Err(format!(
                "`{text}` is not a size; write it with its unit, as 2GiB, 512MiB or 16GB"
            ));
        }
    };
    match number.parse::<f64>() {
        Ok(n) if n.is_finite() => Ok(Bytes((n * factor).round() as u64)),
        _ => {
            Err(format!("`{text}` is not a size; write it with its unit, as 2GiB, 512MiB or 16GB"))
        }
    }
}

/// Parses a share such as `0.1%` as a fraction, 0.001. The sign `%` is required.
///
/// # Errors
/// A hint with examples of shares.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a share; write it in percent, as 0.1%");
    let number = text.trim().strip_suffix('%').ok_or_else(wrong)?;
    match number.trim().parse::<f64>() {
        Ok(percent) if percent.is_finite() && percent >= 0.0 => Ok(percent / 100.0),
        _ => Err(wrong()),
    }
}

/// Writes three significant figures, without an exponent: `0.411`, `42.1`, `592`, `1,884`.
pub(crate) fn figures(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() {
        return "n/a".to_owned();
    }
    if magnitude >= 99.95 {
        return grouped(value);
    }
    if magnitude >= 9.995 {
        return format!("{value:.1}");
    }
    if magnitude >= 0.9995 {
        return format!("{value:.2}");
    }
    if magnitude == 0.0 {
        return "0".to_owned();
    }
    let digits = (2 - magnitude.log10().floor() as i32).clamp(3, 9) as usize;
    format!("{value:.digits$}")
}

/// Writes a whole number with commas between thousands: `1,884`.
pub(crate) fn grouped(value: f64) -> String {
    let plain = format!("{:.0}", value.abs());
    let mut out = String::new();
    for (index, digit) in plain.chars().enumerate() {
        if index > 0 && (plain.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if value < 0.0 && out != "0" {
        out.insert(0, '-');
    }
    out
}

/// Writes a duration in at most two units: `12 h 04 m`, `9 m 52 s`, `4.20 s`, `42.1 ms`.
pub(crate) fn span(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    if seconds >= 3600.0 {
        format!("{} h {:02} m", whole / 3600, whole % 3600 / 60)
    } else if seconds >= 60.0 {
        format!("{} m {:02} s", whole / 60, whole % 60)
    } else if seconds >= 1.0 {
        format!("{} s", figures(seconds))
    } else if seconds > 0.0 {
        format!("{} ms", figures(seconds * 1e3))
    } else {
        "0 s".to_owned()
    }
}

/// Writes a time that must be reached, rounded up to what is shown of it.
pub(crate) fn span_needed(seconds: f64) -> String {
    let step = if seconds < 3600.0 { 1.0 } else { 60.0 };
    span((seconds / step).ceil() * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_its_unit() {
        assert_eq!(duration("4h30m"), Ok(Duration::from_secs(16_200)));
        assert_eq!(duration("800ms"), Ok(Duration::from_millis(800)));
        let mistakes = ["60", "six hours"].map(|text| duration(text).unwrap_err());
        insta::assert_snapshot!(mistakes.join("\n"), @"
            `60` is not a duration; write it with its unit, as 6h, 4h30m, 90s or 800ms
            `six hours` is not a duration; write it with its unit, as 6h, 4h30m, 90s or 800ms
        ");
    }

    #[test]
    fn a_time_below_zero_is_told_apart_and_parts_of_a_unit_are_read() {
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5400)));
        insta::assert_snapshot!(duration("-5m").unwrap_err(), @"`-5m` is below zero, and no time is; write 5m");
    }

    #[test]
    fn a_thousand_tokens_are_1024_and_a_part_of_a_token_is_none() {
        for (text, value) in [
            ("32k", Some(32_768)),
            ("1.5K", Some(1536)),
            ("1M", Some(1 << 20)),
            ("0k", Some(0)),
            ("0.3k", None),
            ("k", None),
            ("-1k", None),
            ("1e3k", None),
            ("infk", None),
            ("99999999999999999999k", None),
            ("32kB", None),
            ("32", None),
        ] {
            assert_eq!(tokens(text), value, "{text}");
        }
    }

    #[test]
    fn a_wrong_unit_of_tokens_has_the_right_one_beside_it() {
        let texts = ["32kb", "32 KiB", "1m", "2mb", "0.3k", "1g", "5 tokens", "x", "-4k", "32"];
        let why = |text: &str| no_tokens(text).unwrap_or("nothing to say".to_owned());
        insta::assert_snapshot!(crate::shown::each(texts, |text| why(text)), @r#"
        "32kb"
            `kb` is no unit of tokens; write 32k for 32,768 tokens

        "32 KiB"
            `KiB` is no unit of tokens; write 32k for 32,768 tokens

        "1m"
            `m` stands for minutes; write 1M for 1,048,576 tokens

        "2mb"
            `mb` is no unit of tokens; write 2M for 2,097,152 tokens

        "0.3k"
            `0.3k` is not a whole number of tokens; 1k is 1,024 tokens, 1M is 1,048,576

        "1g"
            `g` is no unit of tokens; 1k is 1,024 tokens, 1M is 1,048,576

        "5 tokens"
            `tokens` is no unit of tokens; 1k is 1,024 tokens, 1M is 1,048,576

        "x"
            nothing to say

        "-4k"
            nothing to say

        "32"
            nothing to say
        "#);
    }

    #[test]
    fn a_share_is_written_in_percent() {
        assert!((share("0.1%").unwrap() - 0.001).abs() < 1e-12);
        assert!(share("0.1").is_err());
        assert!(share("-1%").is_err());
    }

    #[test]
    fn sizes_know_binary_and_decimal_units() {
        assert_eq!(bytes("2GiB"), Ok(Bytes(2 << 30)));
        assert_eq!(bytes("16GB"), Ok(Bytes(16_000_000_000)));
        assert!(bytes("16").is_err());
    }

    #[test]
    fn figures_are_three_and_never_an_exponent() {
        let shown: Vec<String> =
            [0.0411, 0.411, 4.113, 42.13, 592.4, 1884.0, 0.0].iter().map(|v| figures(*v)).collect();
        assert_eq!(shown, ["0.0411", "0.411", "4.11", "42.1", "592", "1,884", "0"]);
    }

    #[test]
    fn spans_read_as_people_say_them() {
        assert_eq!(span(43_440.0), "12 h 04 m");
        assert_eq!(span(592.0), "9 m 52 s");
        assert_eq!(span(0.0421), "42.1 ms");
        assert_eq!(
            (span_needed(59.2), span_needed(86_277.0)),
            ("1 m 00 s".into(), "23 h 58 m".into())
        );
    }
}
