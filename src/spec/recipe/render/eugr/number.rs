//! Numbers by Python's format mini-language.

use super::spec::Spec;
use crate::spec::node::python::Python;

/// `format(int, spec)`.
pub fn of_whole(value: i128, spec: &Spec) -> Option<String> {
    let (digits, prefix, group) = match spec.kind {
        None | Some('d' | 'n') => (value.unsigned_abs().to_string(), "", 3),
        Some('x') => (format!("{:x}", value.unsigned_abs()), "0x", 4),
        Some('X') => (format!("{:X}", value.unsigned_abs()), "0X", 4),
        Some('o') => (format!("{:o}", value.unsigned_abs()), "0o", 4),
        Some('b') => (format!("{:b}", value.unsigned_abs()), "0b", 4),
        Some('c') => {
            let character = u32::try_from(value).ok().and_then(char::from_u32)?;
            let plain = spec.sign.is_none() && !spec.alternate && spec.grouping.is_none();
            return (plain && spec.precision.is_none())
                .then(|| spec.padded(&character.to_string(), '<', 0));
        }
        Some(_) => return of_float(value as f64, spec),
    };
    let prefix = if spec.alternate { prefix } else { "" };
    of_digits(value < 0, prefix, &digits, group, spec)
}

/// The same of one that is too long for the machine; not to another base.
pub fn of_huge(decimal: &str, spec: &Spec) -> Option<String> {
    let digits = decimal.trim_start_matches('-');
    match spec.kind {
        None | Some('d' | 'n') => of_digits(digits != decimal, "", digits, 3, spec),
        Some('x' | 'X' | 'o' | 'b' | 'c') => None,
        Some(_) => of_float(decimal.parse().ok().filter(|value: &f64| value.is_finite())?, spec),
    }
}

fn of_digits(
    negative: bool,
    prefix: &str,
    digits: &str,
    group: usize,
    spec: &Spec,
) -> Option<String> {
    let decimal = matches!(spec.kind, None | Some('d' | 'n'));
    let grouping_fits = match spec.grouping {
        Some(',') => decimal && spec.kind != Some('n'),
        Some(_) => spec.kind != Some('n'),
        None => true,
    };
    if spec.precision.is_some() || spec.negative_zero || !grouping_fits {
        return None;
    }
    Some(assembled(sign(negative, spec).to_owned() + prefix, digits, "", group, spec))
}

/// `format(float, spec)`.
pub fn of_float(value: f64, spec: &Spec) -> Option<String> {
    let precision = spec.precision.unwrap_or(6);
    if precision > 400 {
        return None;
    }
    let size = value.abs();
    let text = match spec.kind {
        None => general_or_repr(size, spec),
        Some('f' | 'F') => format!("{size:.precision$}"),
        Some('e' | 'E') => exponent(size, precision),
        Some('g' | 'G' | 'n') => general(size, precision.max(1), spec.alternate, false),
        Some('%') => format!("{:.precision$}%", size * 100.0),
        Some(_) => return None,
    };
    if spec.kind == Some('n') && spec.grouping.is_some() {
        return None;
    }
    let text = match spec.kind {
        _ if size.is_nan() => "nan".to_owned(),
        _ if size.is_infinite() && spec.kind == Some('%') => "inf%".to_owned(),
        _ if size.is_infinite() => "inf".to_owned(),
        _ => text,
    };
    let text = if spec.kind == Some('%') && size.is_nan() { "nan%".to_owned() } else { text };
    let upper = matches!(spec.kind, Some('F' | 'E' | 'G'));
    let text = if upper { text.to_uppercase() } else { text };
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, rest) = text.split_at(end);
    let is_zero = !text.chars().any(|c| c.is_ascii_digit() && c != '0');
    let negative = value.is_sign_negative() && !value.is_nan() && !(spec.negative_zero && is_zero);
    Some(assembled(sign(negative, spec).to_owned(), whole, rest, 3, spec))
}

fn sign(negative: bool, spec: &Spec) -> &'static str {
    match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    }
}

/// Sign, grouped digits and the rest, padded; zeros that fill up to a width are grouped too.
fn assembled(sign: String, digits: &str, rest: &str, group: usize, spec: &Spec) -> String {
    let zeros = spec.fill == Some('0') && spec.align == Some('=');
    let mut digits = digits.to_owned();
    if let Some(mark) = spec.grouping.filter(|_| !digits.is_empty()) {
        if zeros {
            let room = spec.width.saturating_sub(sign.len() + rest.len());
            // As long as so many digits are with their marks; counted, since a width is a stranger's.
            let long = |count: usize| count + count.saturating_sub(1) / group;
            let counts = digits.len()..=room.max(digits.len());
            let count =
                counts.into_iter().find(|count| long(*count) >= room).unwrap_or(digits.len());
            digits = "0".repeat(count - digits.len()) + &digits;
        }
        digits = grouped(&digits, mark, group);
    }
    let length = sign.len();
    spec.padded(&(sign + &digits + rest), '>', length)
}

fn grouped(digits: &str, mark: char, group: usize) -> String {
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(group) {
            out.push(mark);
        }
        out.push(digit);
    }
    out
}

/// Without a type: as `repr`, or with a precision as `g` that keeps a point.
fn general_or_repr(value: f64, spec: &Spec) -> String {
    match spec.precision {
        None => Python::Float(value).repr(),
        Some(precision) => general(value, precision.max(1), spec.alternate, true),
    }
}

/// `%g`: the shorter of a fixed point and an exponent, zeros at the end dropped.
fn general(value: f64, precision: usize, keep_zeros: bool, keep_point: bool) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let scientific = exponent(value, precision - 1);
    let power: i32 =
        scientific.split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0);
    let digits = i32::try_from(precision).unwrap_or(i32::MAX);
    if power < -4 || power >= digits - i32::from(keep_point) {
        let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        let digits = if keep_zeros { digits.to_owned() } else { without_zeros(digits) };
        return format!("{digits}e{power}");
    }
    let places = usize::try_from(digits - 1 - power).unwrap_or(0);
    let fixed = format!("{value:.places$}");
    let fixed = if keep_zeros { fixed } else { without_zeros(&fixed) };
    if keep_point && !fixed.contains('.') { fixed + ".0" } else { fixed }
}

fn without_zeros(text: &str) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

/// `%e`: an exponent has a sign and at least two digits.
fn exponent(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}
