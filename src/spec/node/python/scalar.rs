//! What a plain scalar is to PyYAML.
//!
//! Patterns: PyYAML `resolver.py`, `constructor.py`.

use super::Python;
use super::moment::moment;

/// Reads a plain scalar as PyYAML does: `yes` is a switch, `010` octal, `1_000` and `12:30`
/// (base 60) are numbers, `2026-07-14` a date.
pub fn plain(raw: &str) -> Python {
    match raw {
        "" | "~" | "null" | "Null" | "NULL" => return Python::None,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Python::Bool(true);
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Python::Bool(false);
        }
        _ => {}
    }
    whole(raw)
        .map(Python::Int)
        .or_else(|| broken(raw).map(Python::Float))
        .or_else(|| moment(raw))
        .unwrap_or_else(|| Python::Text(raw.to_owned()))
}

/// Whether YAML 1.2 and most people would read a plain scalar otherwise than PyYAML.
pub fn is_trap(raw: &str) -> bool {
    match plain(raw) {
        Python::Bool(_) => !raw.eq_ignore_ascii_case("true") && !raw.eq_ignore_ascii_case("false"),
        Python::Int(value) => {
            raw.strip_prefix('+').unwrap_or(raw) != value.to_string() && {
                let digits = raw.trim_start_matches(['-', '+']);
                !digits.starts_with("0x") && !matches!(digits, "0")
            }
        }
        Python::Float(_) => raw.contains(['_', ':']),
        _ => false,
    }
}

/// `int` of the resolver: decimal, `0b`, `0x`, octal with a leading 0, base 60.
fn whole(raw: &str) -> Option<i128> {
    let (sign, body) = signed(raw);
    let digits = |text: &str| text.replace('_', "");
    let made_of = |text: &str, allowed: fn(char) -> bool| {
        !text.is_empty() && text.chars().all(|c| c == '_' || allowed(c))
    };
    let radix = |text: &str, base: u32| i128::from_str_radix(&digits(text), base).ok();
    let value = if let Some(binary) = body.strip_prefix("0b") {
        made_of(binary, |c| matches!(c, '0' | '1')).then(|| radix(binary, 2))?
    } else if let Some(hex) = body.strip_prefix("0x") {
        made_of(hex, |c| c.is_ascii_hexdigit()).then(|| radix(hex, 16))?
    } else if body == "0" {
        Some(0)
    } else if let Some(octal) = body.strip_prefix('0') {
        made_of(octal, |c| ('0'..='7').contains(&c)).then(|| radix(octal, 8))?
    } else if body.starts_with(|c: char| c.is_ascii_digit()) && body.contains(':') {
        sixties(body).and_then(|(whole, rest)| rest.is_none().then_some(whole))
    } else {
        (body.starts_with(|c: char| c.is_ascii_digit()) && made_of(body, |c| c.is_ascii_digit()))
            .then(|| radix(body, 10))?
    };
    value.map(|value| sign * value)
}

/// `float` of the resolver: a point is required; an exponent needs its sign.
fn broken(raw: &str) -> Option<f64> {
    let (sign, body) = signed(raw);
    let sign = sign as f64;
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if body == raw => return Some(f64::NAN),
        _ => {}
    }
    if body.contains(':') {
        let (whole, rest) = sixties(body)?;
        return Some(sign * (whole as f64 + rest?));
    }
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    if let Some(exponent) = exponent {
        let number = exponent.strip_prefix(['+', '-'])?;
        if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
    }
    let (before, after) = mantissa.split_once('.')?;
    let digits = |text: &str| text.chars().all(|c| c == '_' || c.is_ascii_digit());
    let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if !digits(before) || !digits(after) || !(begins(before) || before.is_empty() && begins(after))
    {
        return None;
    }
    if before.is_empty() && body != raw {
        return None;
    }
    body.replace('_', "").parse::<f64>().ok().map(|value| sign * value)
}

fn signed(raw: &str) -> (i128, &str) {
    match raw.strip_prefix('-') {
        Some(body) => (-1, body),
        None => (1, raw.strip_prefix('+').unwrap_or(raw)),
    }
}

/// Base 60: `1:30`, `1:30.5`. The whole part, and the fraction where there is a point.
fn sixties(body: &str) -> Option<(i128, Option<f64>)> {
    let (whole, fraction) = match body.split_once('.') {
        Some((whole, fraction)) => {
            if !fraction.chars().all(|c| c == '_' || c.is_ascii_digit()) {
                return None;
            }
            let digits = format!("0.{}0", fraction.replace('_', ""));
            (whole, Some(digits.parse::<f64>().ok()?))
        }
        None => (body, None),
    };
    let mut parts = whole.split(':');
    let first = parts.next()?.replace('_', "");
    let mut value: i128 = first.parse().ok()?;
    let mut count = 0;
    for part in parts {
        let is_sixty = matches!(part.len(), 1 | 2) && part.chars().all(|c| c.is_ascii_digit());
        let part: i128 = part.parse().ok().filter(|part| is_sixty && *part < 60)?;
        value = value.checked_mul(60)?.checked_add(part)?;
        count += 1;
    }
    (count > 0).then_some((value, fraction))
}
