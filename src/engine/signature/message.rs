//! Extracts the message of a line from what its logger puts before it, for places with room for a
//! few words only.

/// Returns a line without the process, level, time and place that vLLM's logger puts before it.
///
/// `(APIServer pid=1) ERROR 04-19 12:21:04 [core.py:9] It is dead` becomes `It is dead`. A line
/// with nothing else stays as it is.
pub(crate) fn message(line: &str) -> &str {
    let whole = line.trim_start();
    let mut rest = whole;
    if rest.starts_with('(')
        && let Some((name, after)) = rest.split_once(") ")
        && name.contains(" pid=")
    {
        rest = after.trim_start();
    }
    let is_digits = |word: &str, mark: char| {
        word.contains(mark) && word.chars().all(|c| c.is_ascii_digit() || c == mark)
    };
    let parts: [&dyn Fn(&str) -> bool; 4] = [
        &|word| matches!(word, "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL"),
        &|word| is_digits(word, '-'),
        &|word| is_digits(word, ':'),
        &|word| word.starts_with('[') && word.ends_with(']') && word.contains(".py:"),
    ];
    for is_part in parts {
        if let Some((word, after)) = rest.split_once(' ')
            && is_part(word)
        {
            rest = after.trim_start();
        }
    }
    if rest.trim().is_empty() { whole } else { rest }
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn what_a_logger_puts_before_a_line_is_not_its_message() {
        for (line, said) in [
            (
                "(APIServer pid=19518) WARNING 11-24 17:15:32 [core_client.py:817] [shutdown] MPClient: engine core exited unexpectedly",
                "[shutdown] MPClient: engine core exited unexpectedly",
            ),
            ("ERROR 04-19 12:21:04 [core.py:9]   It is dead", "It is dead"),
            ("(EngineCore pid=7) ValueError: no", "ValueError: no"),
            ("  Value error, User-specified", "Value error, User-specified"),
            ("(a) thing [x.py:1] 12:00:00", "(a) thing [x.py:1] 12:00:00"),
            ("INFO", "INFO"),
            ("(Worker pid=7) ERROR ", "(Worker pid=7) ERROR "),
            ("", ""),
        ] {
            assert_eq!(message(line), said, "{line}");
        }
    }
}
