//! Python's format mini-language: `[[fill]align][sign][z][#][0][width][grouping]
//! [.precision][type]`.

use super::number;
use crate::spec::node::python::Python;

/// A format, read.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    pub fill: Option<char>,
    pub align: Option<char>,
    pub sign: Option<char>,
    pub negative_zero: bool,
    pub alternate: bool,
    pub width: usize,
    pub grouping: Option<char>,
    pub precision: Option<usize>,
    pub kind: Option<char>,
}

/// `format(value, spec)`.
///
/// # Errors
/// What Python would raise, in one sentence.
pub fn format(value: &Python, spec: &str) -> Result<String, String> {
    if spec.is_empty() {
        return Ok(value.str());
    }
    // A date takes what `strftime` takes, and what is no part of a date stands for itself.
    if matches!(value, Python::Moment(..)) && !spec.contains('%') {
        return Ok(spec.to_owned());
    }
    let unfit = || format!("`:{spec}` is no format of {}", value.repr());
    let read = Spec::read(spec).ok_or_else(unfit)?;
    let written = match value {
        Python::Text(text) => of_text(text, &read),
        Python::Bool(flag) => number::of_whole(i128::from(*flag), &read),
        Python::Int(whole) => number::of_whole(*whole, &read),
        Python::Huge(digits) => number::of_huge(digits, &read),
        Python::Float(float) => number::of_float(*float, &read),
        _ => None,
    };
    written.ok_or_else(unfit)
}

impl Spec {
    fn read(text: &str) -> Option<Spec> {
        let mut spec = Spec::default();
        let mut rest: &[char] = &text.chars().collect::<Vec<char>>();
        let is_align = |c: &char| matches!(c, '<' | '>' | '=' | '^');
        match rest {
            [fill, align, after @ ..] if is_align(align) => {
                (spec.fill, spec.align, rest) = (Some(*fill), Some(*align), after);
            }
            [align, after @ ..] if is_align(align) => (spec.align, rest) = (Some(*align), after),
            _ => {}
        }
        let mut take = |allowed: &str| match rest {
            [first, after @ ..] if allowed.contains(*first) => {
                rest = after;
                Some(*first)
            }
            _ => None,
        };
        spec.sign = take("+- ");
        spec.negative_zero = take("z").is_some();
        spec.alternate = take("#").is_some();
        if take("0").is_some() && spec.fill.is_none() {
            spec.fill = Some('0');
            spec.align = spec.align.or(Some('='));
        }
        spec.width = number_of(&mut take, Some(0))?;
        spec.grouping = take(",_");
        if take(".").is_some() {
            spec.precision = Some(number_of(&mut take, None)?);
        }
        spec.kind = rest.first().copied();
        (rest.len() <= 1).then_some(spec)
    }

    /// Pads to the width; `sign` is how many characters the sign and the prefix take.
    pub fn padded(&self, text: &str, default: char, sign: usize) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        let fill = |count: usize| self.fill.unwrap_or(' ').to_string().repeat(count);
        match self.align.unwrap_or(default) {
            '<' => text.to_owned() + &fill(missing),
            '^' => fill(missing / 2) + text + &fill(missing - missing / 2),
            '=' => text[..sign].to_owned() + &fill(missing) + &text[sign..],
            _ => fill(missing) + text,
        }
    }
}

/// A count in digits, or what stands for none; `None` where it is too large to be meant.
fn number_of(take: &mut impl FnMut(&str) -> Option<char>, without: Option<usize>) -> Option<usize> {
    let mut digits = String::new();
    while let Some(digit) = take("0123456789") {
        digits.push(digit);
    }
    if digits.is_empty() {
        return without;
    }
    digits.parse().ok().filter(|number| *number <= 1 << 16)
}

fn of_text(text: &str, spec: &Spec) -> Option<String> {
    let fits = matches!(spec.kind, None | Some('s')) && spec.sign.is_none() && !spec.alternate;
    // Before a text, `0` fills at its right end; a `=` that was written is refused.
    let zero = spec.fill == Some('0') && spec.align == Some('=');
    if !fits || spec.grouping.is_some() || spec.negative_zero || spec.align == Some('=') && !zero {
        return None;
    }
    let text: String = text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
    let mut spec = spec.clone();
    spec.align = spec.align.filter(|_| !zero);
    Some(spec.padded(&text, '<', 0))
}
