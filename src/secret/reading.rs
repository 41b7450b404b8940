//! Decodes a text as a reader would see it: escapes become their characters, and what only breaks a
//! word (white space, control characters, a terminal's escape sequences, tags) is left out. Every
//! decoded byte keeps its place in the text.

/// Limit of an escape sequence or a tag, in characters.
const BREAK_CHARS_MAX: usize = 256;

const ESCAPE: u8 = 0x1b;
const BEL: u8 = 0x07;
/// Byte that replaces whatever breaks a word.
const BREAK: u8 = b' ';

/// Decoded byte, with its place in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct DecodedByte {
    pub byte: u8,
    /// Offset of the first byte of the text that it stands for.
    pub from: usize,
    /// Offset after the last byte.
    pub to: usize,
    /// Whether something was left out before it.
    pub broken: bool,
}

/// Decoded text.
#[derive(Debug)]
pub(super) struct DecodedText {
    pub bytes: Vec<u8>,
    pub signs: Vec<DecodedByte>,
    /// Offset of an escape that the end of the text cut; else the end.
    pub open: usize,
    length: usize,
}

impl DecodedText {
    /// Decodes a text that may continue.
    pub(super) fn of(text: &[u8]) -> DecodedText {
        let (units, open) = unescaped(text);
        let (signs, cut) = solid(&units);
        DecodedText::with(signs, open.min(cut.unwrap_or(text.len())), text.len())
    }

    /// Returns the last byte, if nothing was left out after it.
    pub(super) fn last(&self) -> Option<u8> {
        self.signs.last().filter(|sign| sign.to == self.length).map(|sign| sign.byte)
    }

    /// Returns the nearest offset at or before `place` that is in no escape and in nothing left
    /// out.
    pub(super) fn apart(&self, place: usize) -> usize {
        let next = self.signs.partition_point(|sign| sign.from < place);
        let last = next.checked_sub(1).map(|last| self.signs[last]);
        let is_begin =
            place == self.length || self.signs.get(next).is_some_and(|it| it.from == place);
        match last {
            Some(last) if last.to > place => last.from,
            _ if is_begin => place,
            last => last.map_or(0, |last| last.to),
        }
    }

    /// Returns the text without tags; `None` where it can have none. If it may continue, it ends
    /// before a tag that its end cut.
    pub(super) fn without_tags(&self, goes_on: bool) -> Option<DecodedText> {
        let first = self.bytes.iter().position(|byte| *byte == b'<')?;
        let (mut signs, mut at, mut open) = (self.signs[..first].to_vec(), first, self.open);
        let mut broken = false;
        while at < self.bytes.len() {
            let within = &self.bytes[at..self.bytes.len().min(at + BREAK_CHARS_MAX)];
            let close = within.iter().position(|byte| *byte == b'>');
            if let Some(close) = close.filter(|_| is_tag(within)) {
                (at, broken) = (at + close + 1, true);
                continue;
            }
            let sign = self.signs[at];
            if is_tag(within) && within.len() < BREAK_CHARS_MAX {
                open = open.min(sign.from);
                if goes_on {
                    break;
                }
            }
            signs.push(DecodedByte { broken: sign.broken || broken, ..sign });
            (at, broken) = (at + 1, false);
        }
        Some(DecodedText::with(signs, open, self.length))
    }

    fn with(signs: Vec<DecodedByte>, open: usize, length: usize) -> DecodedText {
        DecodedText { bytes: signs.iter().map(|sign| sign.byte).collect(), signs, open, length }
    }
}

/// Whether a text decodes to itself: it has no escape, tag or break.
pub(super) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'%' | b'&' | b'<'))
}

/// Whether a tag, or what may become one, begins here.
fn is_tag(text: &[u8]) -> bool {
    text[0] == b'<'
        && text.get(1).is_none_or(|next| next.is_ascii_alphabetic() || matches!(next, b'/' | b'!'))
}

/// Decodes the escapes of a text; also returns the offset of an escape that the end cut.
fn unescaped(text: &[u8]) -> (Vec<DecodedByte>, usize) {
    let (mut signs, mut at) = (Vec::with_capacity(text.len()), 0);
    let mut put = |byte: u8, from: usize, to: usize| {
        signs.push(DecodedByte { byte, from, to, broken: false });
    };
    while at < text.len() {
        let rest = &text[at..];
        let read = match rest[0] {
            b'\\' => backslash(rest),
            b'%' => percent(rest),
            b'&' => entity(rest),
            0x80.. => wide(rest),
            _ => Read::Plain,
        };
        match read {
            Read::Cut => return (signs, at),
            Read::Plain => {
                put(if is_break(rest[0]) { BREAK } else { rest[0] }, at, at + 1);
                at += 1;
            }
            Read::Stands(character, length) => {
                for byte in seen(character).bytes() {
                    put(byte, at, at + length);
                }
                at += length;
            }
        }
    }
    (signs, text.len())
}

/// Result of decoding at one offset.
enum Read {
    /// Byte without an escape.
    Plain,
    /// Character, and the number of bytes that encode it.
    Stands(char, usize),
    /// Beginning of an escape that the end of the text cut.
    Cut,
}

/// Returns a character as its reader sees it; one that breaks a word becomes a blank.
fn seen(character: char) -> String {
    match character {
        // The one character that begins an escape sequence alone.
        '\u{9b}' => "\u{1b}[".to_owned(),
        '\u{7}' | '\u{1b}' => character.to_string(),
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => " ".to_owned(),
        _ if character.is_whitespace() || character.is_control() => " ".to_owned(),
        _ => character.to_string(),
    }
}

fn is_break(byte: u8) -> bool {
    !matches!(byte, ESCAPE | BEL) && (byte <= b' ' || byte == 0x7f)
}

/// Decodes `\n`, `\"`, `\x41`, `\u0041`, `\u{41}`, `\101`; escaped once or several times.
fn backslash(text: &[u8]) -> Read {
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let rest = &text[slashes..];
    let Some(kind) = rest.first() else {
        return if slashes < BREAK_CHARS_MAX { Read::Cut } else { Read::Plain };
    };
    let hex = |digits: usize| match digits_of(&rest[1..], digits, 16) {
        Digits::Value(value) => Read::Stands(value, slashes + 1 + digits),
        Digits::Cut => Read::Cut,
        Digits::None => Read::Plain,
    };
    match kind {
        b'u' if rest.get(1) == Some(&b'{') => match braced(&rest[2..], b'}', 16) {
            Braced::Value(value, length) => Read::Stands(value, slashes + 3 + length),
            Braced::Cut => Read::Cut,
            Braced::None => Read::Plain,
        },
        b'u' => hex(4),
        b'U' => hex(8),
        b'x' => hex(2),
        b'0'..=b'7' => {
            let length = rest.iter().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
            match digits_of(rest, length, 8) {
                Digits::Value(value) => Read::Stands(value, slashes + length),
                Digits::Cut | Digits::None => Read::Plain,
            }
        }
        b'e' => Read::Stands('\u{1b}', slashes + 1),
        b'a' => Read::Stands('\u{7}', slashes + 1),
        b'n' | b'r' | b't' | b'b' | b'f' | b'v' => Read::Stands(' ', slashes + 1),
        b'"' | b'\'' | b'/' | b'`' => Read::Stands(char::from(*kind), slashes + 1),
        _ => Read::Plain,
    }
}

/// Decodes `%41`, as in an address.
fn percent(text: &[u8]) -> Read {
    match digits_of(&text[1..], 2, 16) {
        Digits::Value(value) => Read::Stands(value, 3),
        Digits::Cut => Read::Cut,
        Digits::None => Read::Plain,
    }
}

/// Decodes `&#65;`, `&#x41;`, `&amp;`, as in an HTML page.
fn entity(text: &[u8]) -> Read {
    let named = [
        ("&amp;", '&'),
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&quot;", '"'),
        ("&apos;", '\''),
        ("&nbsp;", ' '),
    ];
    for (name, character) in named {
        if text.starts_with(name.as_bytes()) {
            return Read::Stands(character, name.len());
        }
        if name.as_bytes().starts_with(text) {
            return Read::Cut;
        }
    }
    let (from, radix) = match text {
        [_, b'#', b'x' | b'X', ..] => (3, 16),
        [_, b'#', ..] => (2, 10),
        _ => return Read::Plain,
    };
    match braced(&text[from..], b';', radix) {
        Braced::Value(value, length) => Read::Stands(value, from + length + 1),
        Braced::Cut => Read::Cut,
        Braced::None => Read::Plain,
    }
}

/// Decodes a multi-byte character.
fn wide(text: &[u8]) -> Read {
    let part = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(part) {
        Ok(valid) => valid,
        Err(error) if error.valid_up_to() > 0 => {
            std::str::from_utf8(&part[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(error) if error.error_len().is_none() => return Read::Cut,
        Err(_) => return Read::Plain,
    };
    valid.chars().next().map_or(Read::Plain, |c| Read::Stands(c, c.len_utf8()))
}

enum Digits {
    Value(char),
    None,
    Cut,
}

/// Decodes a fixed number of digits to the character with that number.
fn digits_of(text: &[u8], count: usize, radix: u32) -> Digits {
    let known = &text[..text.len().min(count)];
    if !known.iter().all(|byte| char::from(*byte).is_digit(radix)) {
        return Digits::None;
    }
    if known.len() < count {
        return Digits::Cut;
    }
    let number = std::str::from_utf8(known).ok().and_then(|it| u32::from_str_radix(it, radix).ok());
    // Half of a surrogate pair is no character, and part of no key.
    Digits::Value(number.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER))
}

enum Braced {
    /// Character, and the number of its digits.
    Value(char, usize),
    None,
    Cut,
}

/// Decodes digits up to the closing sign.
fn braced(text: &[u8], close: u8, radix: u32) -> Braced {
    let length = text.iter().take(9).take_while(|b| char::from(**b).is_digit(radix)).count();
    match (text.get(length), digits_of(text, length, radix)) {
        (None, _) if length < 9 => Braced::Cut,
        (Some(found), Digits::Value(value)) if *found == close && length > 0 => {
            Braced::Value(value, length)
        }
        _ => Braced::None,
    }
}

/// Returns the characters without what breaks them, and the offset of an escape sequence that the
/// end of the text cut.
fn solid(units: &[DecodedByte]) -> (Vec<DecodedByte>, Option<usize>) {
    let (mut signs, mut at, mut broken) = (Vec::with_capacity(units.len()), 0, false);
    while at < units.len() {
        match units[at].byte {
            BREAK | BEL => (at, broken) = (at + 1, true),
            ESCAPE => match sequence(&units[at..]) {
                Some(length) => (at, broken) = (at + length, true),
                None => return (signs, Some(units[at].from)),
            },
            _ => {
                signs.push(DecodedByte { broken, ..units[at] });
                (at, broken) = (at + 1, false);
            }
        }
    }
    (signs, None)
}

/// Returns the length of the escape sequence that begins here; `None` where the text ends within
/// it.
fn sequence(units: &[DecodedByte]) -> Option<usize> {
    let within = &units[..units.len().min(BREAK_CHARS_MAX)];
    let ends: fn(&DecodedByte) -> bool = match within.get(1)?.byte {
        b'[' => |sign| matches!(sign.byte, 0x40..=0x7e),
        b']' => |sign| matches!(sign.byte, BEL | b'\\'),
        _ => return Some(2),
    };
    match within.iter().skip(2).position(ends) {
        Some(end) => Some(end + 3),
        None if within.len() < BREAK_CHARS_MAX => None,
        None => Some(1),
    }
}
