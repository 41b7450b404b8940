//! What a plain scalar is to PyYAML.
//!
//! Patterns: PyYAML `resolver.py`, `constructor.py`.

use super::moment::moment;
use super::{Python, whole};

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
    integer(raw)
        .or_else(|| broken(raw).map(Python::Float))
        .or_else(|| moment(raw))
        .unwrap_or_else(|| Python::Text(raw.to_owned()))
}

/// Whether YAML 1.2 and most people would read a plain scalar otherwise than PyYAML.
pub fn is_trap(raw: &str) -> bool {
    match plain(raw) {
        Python::Bool(_) => !raw.eq_ignore_ascii_case("true") && !raw.eq_ignore_ascii_case("false"),
        value @ (Python::Int(_) | Python::Huge(_)) => {
            raw.strip_prefix('+').unwrap_or(raw) != value.str() && {
                let digits = raw.trim_start_matches(['-', '+']);
                !digits.starts_with("0x") && !matches!(digits, "0")
            }
        }
        Python::Float(_) => raw.contains(['_', ':']),
        _ => false,
    }
}

/// `int` of the resolver: decimal, `0b`, `0x`, octal with a leading 0, base 60.
fn integer(raw: &str) -> Option<Python> {
    let (sign, body) = signed(raw);
    let of_base = |text: &str, base: u32| {
        let all = text.chars().all(|c| c == '_' || c.is_digit(base));
        all.then(|| whole::number(sign < 0, text, base))?
    };
    if let Some(binary) = body.strip_prefix("0b") {
        of_base(binary, 2)
    } else if let Some(hex) = body.strip_prefix("0x") {
        of_base(hex, 16)
    } else if body == "0" {
        Some(Python::Int(0))
    } else if let Some(octal) = body.strip_prefix('0') {
        of_base(octal, 8)
    } else if !body.starts_with(|c: char| c.is_ascii_digit()) {
        None
    } else if body.contains(':') {
        let (whole, rest) = sixties(body)?;
        rest.is_none().then_some(Python::Int(sign * whole))
    } else {
        of_base(body, 10)
    }
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
