//! Dates and moments, which PyYAML makes of unquoted text and Python writes
//! in its own ways.

use std::fmt::Write;

use super::Python;

/// `2026-07-14`, or a day and a time of day, with a zone or without.
pub fn moment(raw: &str) -> Option<Python> {
    let end = raw.find(['T', 't', ' ', '\t']).unwrap_or(raw.len());
    let (date, rest) = raw.split_at(end);
    let is_short = rest.is_empty();
    let [year, month, day] = numbers(date, '-', [4, 2, 2], if is_short { 2 } else { 1 })?;
    if year == 0 || !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if is_short {
        return Some(Python::Moment(date, format!("datetime.date({year}, {month}, {day})")));
    }
    let blanks = [' ', '\t'];
    let rest = rest.strip_prefix(['T', 't']).unwrap_or_else(|| rest.trim_start_matches(blanks));
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.');
    let (time, zone) = rest.split_at(end.unwrap_or(rest.len()));
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2], 1)?;
    if hour > 23 || minute > 59 || second > 59 || fraction.contains(['.', ':']) {
        return None;
    }
    let micros: u32 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let (zone_said, zone_told) = zone_of(zone.trim_start_matches(blanks))?;
    let mut said = format!("{date} {hour:02}:{minute:02}:{second:02}");
    let mut told = format!("datetime.datetime({year}, {month}, {day}, {hour}, {minute}");
    if micros > 0 {
        let _ = write!(said, ".{micros:06}");
        let _ = write!(told, ", {second}, {micros}");
    } else if second > 0 {
        let _ = write!(told, ", {second}");
    }
    Some(Python::Moment(said + &zone_said, told + &zone_told + ")"))
}

/// Three numbers of at most so many digits; the first of a date has all of its own, the first
/// of a time as few as `least`.
fn numbers(text: &str, mark: char, most: [usize; 3], least: usize) -> Option<[u32; 3]> {
    let mut parts = text.split(mark);
    let mut numbers = [0; 3];
    for (index, number) in numbers.iter_mut().enumerate() {
        let part = parts.next()?;
        let exact = most[index] == 4 || mark == ':' && index > 0;
        let least = if exact { most[index] } else { least };
        let fits = (least..=most[index]).contains(&part.len());
        if !fits || !part.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn days_of(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A zone as `str()` and as `repr()` write it.
fn zone_of(zone: &str) -> Option<(String, String)> {
    if zone.is_empty() {
        return Some((String::new(), String::new()));
    }
    let body = if zone == "Z" { "+0" } else { zone };
    let sign = body.chars().next().filter(|sign| matches!(sign, '+' | '-'))?;
    let (hours, minutes) = body[1..].split_once(':').unwrap_or((&body[1..], "00"));
    if !(1..=2).contains(&hours.len()) || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let seconds = hours * 3600 + minutes * 60;
    if seconds >= 86_400 {
        return None;
    }
    let delta = match (sign, seconds) {
        (_, 0) => return Some(("+00:00".to_owned(), ", tzinfo=datetime.timezone.utc".to_owned())),
        ('+', seconds) => format!("seconds={seconds}"),
        (_, seconds) => format!("days=-1, seconds={}", 86_400 - seconds),
    };
    let told = format!(", tzinfo=datetime.timezone(datetime.timedelta({delta}))");
    Some((format!("{sign}{hours:02}:{minutes:02}"), told))
}
