//! Foreign text made fit to be shown and stored: one line, no control
//! characters, bounded.

/// Bounds an error text in a row (`docs/formats/run-folder.md`, column `error`).
pub const ERROR_CHARS_MAX: usize = 200;

/// Text on one line: control characters as `\n`, `\t` or `\u{1b}`, cut to
/// `chars_max` characters with `…` at the end of what was cut.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    for (count, character) in text.chars().enumerate() {
        if count >= chars_max {
            out.pop();
            out.push('…');
            break;
        }
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(one_line("a\n\u{1b}[31mb", 50), "a\\n\\u{1b}[31mb");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(one_line("abcd", 4), "abcd");
    }
}
