//! Reads how long a server asks a client to wait: `Retry-After` in seconds or as a date, and
//! `retry-after-ms` as OpenAI's clients know it.

use std::time::SystemTime;

/// Months as HTTP dates have them, in order.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Longest wait that is read, seconds.
const SECONDS_MAX: f64 = 1e9;

/// Returns the wait, microseconds, by the headers of a response. A date counts from the server's own
/// `date`, since clocks differ.
pub(crate) fn wait_us<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<u64> {
    if let Some(us) = header("retry-after-ms").and_then(|text| number_us(text, 1e3)) {
        return Some(us);
    }
    let text = header("retry-after")?;
    number_us(text, 1e6).or_else(|| {
        let (from, until) = (date(header("date")?)?, date(text)?);
        let wait = until.duration_since(from).unwrap_or_default();
        number_us(&wait.as_secs().to_string(), 1e6)
    })
}

fn number_us(text: &str, unit_us: f64) -> Option<u64> {
    let number: f64 = text.trim().parse().ok()?;
    (0.0..=SECONDS_MAX).contains(&number).then_some((number * unit_us) as u64)
}

/// Parses a date of HTTP: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(text: &str) -> Option<SystemTime> {
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let time = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(headers: &[(&str, &'static str)]) -> Option<u64> {
        wait_us(|wanted| headers.iter().find(|(name, _)| *name == wanted).map(|(_, text)| *text))
    }

    #[test]
    fn seconds_milliseconds_and_dates_are_read() {
        assert_eq!(wait(&[("retry-after", "30")]), Some(30_000_000));
        assert_eq!(wait(&[("retry-after", " 0.5 ")]), Some(500_000));
        let both = [("retry-after", "2"), ("retry-after-ms", "1500")];
        assert_eq!(wait(&both), Some(1_500_000));
        let until = ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT");
        let from = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(wait(&[until, from]), Some(30_000_000));
        assert_eq!(wait(&[("retry-after", from.1), ("date", until.1)]), Some(0), "it has passed");
    }

    #[test]
    fn nonsense_asks_for_nothing() {
        for text in ["", "soon", "-3", "NaN", "inf", "1e30", "Sun, 99 Nov 1994 08:50:07 GMT"] {
            let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
            assert_eq!(wait(&[("retry-after", text), date]), None, "{text}");
        }
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]), None, "no date");
    }
}
