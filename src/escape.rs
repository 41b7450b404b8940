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
        if character.is_control() || is_unseen(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Whether a character is not seen and changes how others are: line ends, marks without width,
/// marks that turn the direction of writing, by which a text can look like another one.
fn is_unseen(character: char) -> bool {
    matches!(character,
        '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(one_line("a\n\u{1b}[31mb", 50), "a\\n\\u{1b}[31mb");
    }

    #[test]
    fn what_turns_or_hides_a_text_is_shown_too() {
        assert_eq!(one_line("a\u{202e}b\u{200b}c\u{feff}", 50), "a\\u{202e}b\\u{200b}c\\u{feff}");
        assert_eq!(one_line("日本語 é", 50), "日本語 é");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(one_line("abcd", 4), "abcd");
    }
}
