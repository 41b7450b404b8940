//! Escapes foreign text: whatever a server, a recipe, a log or a stranger's run folder says. One
//! function for each format, and [`one_line`] for rows and lines that are bounded.
//!
//! `report/printable.rs` calls these for everything that is printed, so that no producer can forget
//! it. A format that is still to come, as HTML, gets its function here and its constructor there.

use std::fmt::Write;

/// Longest error text in a row (`docs/formats/run-folder.md`, column `error`), characters.
pub(crate) const ERROR_CHARS_MAX: usize = 200;

/// Returns a text on one line: control characters as `\n`, `\t` or `\u{1b}`, cut to `chars_max`
/// characters, escapes included, with `…` at the cut.
pub(crate) fn one_line(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    // Where the text is cut, if it must be: there is room for the mark behind it.
    let (mut count, mut cut_at) = (0, 0);
    for character in text.chars() {
        count += if is_safe(character) { 1 } else { character.escape_default().len() };
        if count > chars_max {
            out.truncate(cut_at);
            out.push('…');
            break;
        }
        show(character, &mut out);
        if count < chars_max {
            cut_at = out.len();
        }
    }
    out
}

/// Returns the character, or a dash where it may not be in the name of a folder or a container.
pub(crate) fn of_name(character: char) -> char {
    let fits = character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    if fits { character } else { '-' }
}

/// Escapes a text for a terminal, and for the log of a workflow: line ends and tabs are kept, and
/// no line is a command to GitHub's runner, which reads them with either prefix.
pub(crate) fn terminal(text: &str) -> String {
    let shown = lines(text).replace("##[", "#\\u{23}[");
    let is_command = |line: &str| line.trim_start().starts_with("::");
    if !shown.lines().any(is_command) {
        return shown;
    }
    let lines = shown.split_inclusive('\n');
    let harmless = |line: &str| line.replacen("::", "\\u{3a}:", 1);
    lines.map(|line| if is_command(line) { harmless(line) } else { line.to_owned() }).collect()
}

/// Escapes a text of several lines: all but line ends and tabs.
pub(crate) fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => out.push(character),
            _ => show(character, &mut out),
        }
    }
    out
}

/// Escapes a finished JSON text as serde_json writes it. Its value stays the same.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_safe(character) || matches!(character, '\n' | '\t') {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    // The prefix of a command to GitHub's runner; JSON has it only in its texts.
    out.replace("##[", "#\\u0023[")
}

/// Escapes a cell of a CSV file that a spreadsheet may open: on one line, and no formula, also
/// where the spreadsheet separates cells by semicolons.
pub(crate) fn csv_cell(text: &str) -> String {
    let cells = one_line(text, usize::MAX);
    let mark = |cell: &str| if is_formula(cell) { "'" } else { "" };
    cells.split(';').map(|cell| mark(cell).to_owned() + cell).collect::<Vec<_>>().join(";")
}

/// Whether a spreadsheet computes a cell.
fn is_formula(cell: &str) -> bool {
    const SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    cell.trim_start().starts_with(SIGNS) && cell.parse::<f64>().is_err()
}

/// Escapes a text within Markdown, so that it becomes no markup, link, mention or image. A forge
/// searches the rendered text for these, so an empty comment must separate their characters.
pub(crate) fn markdown(text: &str) -> String {
    const SEPARATOR: &str = "<!-- -->";
    let mut out = String::with_capacity(text.len());
    let shown = one_line(text, usize::MAX);
    let mut characters = shown.chars().peekable();
    let mut is_after_digit = false;
    while let Some(character) = characters.next() {
        let next = characters.peek();
        let is_joined = next.is_some_and(|next| !next.is_whitespace());
        // A time of day is no emoji.
        let is_time = is_after_digit && next.is_some_and(char::is_ascii_digit);
        is_after_digit = character.is_ascii_digit();
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '$' => out.push_str("<span>$</span>"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' => {
                out.push('\\');
                out.push(character);
            }
            ':' if is_time => out.push(character),
            '@' | '#' | ':' if is_joined => {
                out.push(character);
                out.push_str(SEPARATOR);
            }
            other => out.push(other),
        }
    }
    let www = format!("www{SEPARATOR}.");
    out.replace("www.", &www).replace("GH-", &format!("GH{SEPARATOR}-"))
}

/// Escapes the text of a workflow's annotation, after its two colons.
pub(crate) fn annotation(text: &str) -> String {
    one_line(text, usize::MAX).replace('%', "%25")
}

/// Escapes a text for XML 1.0, which has no form for some characters; markup is left to the writer
/// of the XML. Of a finished XML text the markup stays.
pub(crate) fn xml(text: &str) -> String {
    terminal(text).replace('\u{fffe}', "\\u{fffe}").replace('\u{ffff}', "\\u{ffff}")
}

/// Appends a character, escaped where it is not safe.
fn show(character: char, out: &mut String) {
    if is_safe(character) {
        out.push(character);
    } else {
        out.extend(character.escape_default());
    }
}

/// Whether a character neither controls a terminal nor is invisible and changes how others are
/// displayed: line ends, marks without width, tags, and marks that change the writing direction can
/// make a text look like another one.
fn is_safe(character: char) -> bool {
    let is_unseen = matches!(character,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E007F}');
    !character.is_control() && !is_unseen
}

#[cfg(test)]
mod tests;
