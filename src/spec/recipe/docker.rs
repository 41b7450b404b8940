//! Reads a saved `docker run …` command line as a recipe.

use crate::engine::flags::{self, FlagWord};
use crate::escape::has_open_quote;

/// Options of `docker run` without a value; all others take one.
const SWITCHES: &str = "--detach --interactive --tty --rm --privileged --init --read-only \
    --publish-all --no-healthcheck --oom-kill-disable --sig-proxy --disable-content-trust \
    --quiet --replace";

/// Shell operators that end a command.
const OPERATORS: &str = ";|&<>";

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Line {
    pub image: Option<String>,
    /// Byte range of the image's word in the whole text.
    pub image_at: Option<std::ops::Range<usize>>,
    /// Variables of `-e KEY=VALUE`; `None` where the value comes from the caller's environment.
    pub env: Vec<(String, Option<String>)>,
    /// Command in the container, without the image's own entry point: verbatim but for the ends of
    /// lines, which are a line feed each.
    pub command: Option<String>,
    /// Value of `--entrypoint`, which `command` begins with; empty where the line clears it.
    pub entry: Option<String>,
    pub options: Vec<(String, String)>,
    /// Whether a quote in it is not closed.
    pub has_open_quote: bool,
}

/// Returns the byte offset of a text's `docker run`: after comments, or anywhere in a script.
pub(crate) fn begins(text: &str) -> Option<usize> {
    let mut is_first = true;
    for line in text.lines() {
        let code = line.trim_start();
        if code.is_empty() || code.starts_with('#') {
            continue;
        }
        if is_run(code) && (is_first || text.starts_with("#!")) {
            return Some(code.as_ptr() as usize - text.as_ptr() as usize);
        }
        is_first = false;
    }
    None
}

fn is_run(code: &str) -> bool {
    let mut words =
        code.split_whitespace().skip_while(|word| matches!(*word, "sudo" | "exec" | "$"));
    let is_engine = matches!(words.next(), Some("docker" | "podman" | "nerdctl"));
    let verb = words.find(|word| *word != "container");
    is_engine && verb == Some("run")
}

pub(crate) fn parse(text: &str, start: usize) -> Line {
    // A line's end without a continuation also ends the command.
    let text = parts(&text[start..], &format!("{OPERATORS}\n"))[0];
    let words = flags::words(text);
    let run = words.iter().position(|word| word.text == "run").unwrap_or(0);
    let mut line = Line { has_open_quote: has_open_quote(text), ..Line::default() };
    let mut entry = None;
    let mut words = words[run + 1..].iter().peekable();
    while let Some(word) = words.next() {
        if !word.text.starts_with('-') {
            line.image = Some(word.text.clone());
            line.image_at = Some(start + word.start..start + word.end);
            break;
        }
        let (name, inline) = split(&word.text);
        let is_switch =
            SWITCHES.split_whitespace().any(|switch| switch == name) || is_short_switches(&name);
        let value = match inline {
            Some(value) => value,
            None if is_switch => String::new(),
            None => words.next().map(|word| word.text.clone()).unwrap_or_default(),
        };
        match name.as_str() {
            "-e" | "--env" => line.env.push(match value.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (value, None),
            }),
            "--entrypoint" => entry = Some(value),
            _ => line.options.push((name, value)),
        }
    }
    let rest: Vec<&FlagWord> = words.collect();
    let command = match (rest.first(), rest.last()) {
        (Some(first), Some(last)) => text[first.start..last.end].replace("\r\n", "\n"),
        _ => String::new(),
    };
    let command = format!("{} {command}", entry.as_deref().unwrap_or_default());
    line.entry = entry;
    line.command = Some(command.trim().to_owned()).filter(|command| !command.is_empty());
    line
}

/// Returns the command that serves, else the first; unwraps `bash -c '…'`.
pub(crate) fn inner(command: &str) -> String {
    let command = serving(command);
    let words = flags::words(command);
    match words.as_slice() {
        [shell, option, inner, ..]
            if matches!(shell.text.rsplit('/').next(), Some("bash" | "sh"))
                && option.text.starts_with('-')
                && option.text.ends_with('c') =>
        {
            serving(&inner.text).to_owned()
        }
        _ => command.to_owned(),
    }
}

/// Returns the part between shell operators that starts a server; the first where none does.
fn serving(command: &str) -> &str {
    let parts = parts(command, &format!("{OPERATORS}\n"));
    parts.iter().find(|part| starts_a_server(part)).unwrap_or(&parts[0])
}

/// Whether a command starts a server. Also splits the quoted word after `bash -c`.
fn starts_a_server(command: &str) -> bool {
    let words = flags::words(command);
    let words: Vec<&str> = words.iter().flat_map(|word| word.text.split_whitespace()).collect();
    let name = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let is_entry = |word: &&str| {
        let ends = ["launch_server", "api_server"];
        name(word) == "llama-server" || ends.iter().any(|end| word.ends_with(end))
    };
    let is_serve = |two: &[&str]| two[1] == "serve" && matches!(&*name(two[0]), "vllm" | "sglang");
    words.iter().any(is_entry) || words.windows(2).any(is_serve)
}

/// Splits `--name=value` and `-eKEY=value`.
fn split(word: &str) -> (String, Option<String>) {
    if let Some(long) = word.strip_prefix("--") {
        return match long.split_once('=') {
            Some((name, value)) => (format!("--{name}"), Some(value.to_owned())),
            None => (word.to_owned(), None),
        };
    }
    match word.char_indices().nth(2) {
        Some((at, _)) if !is_short_switches(word) => {
            (word[..at].to_owned(), Some(word[at..].trim_start_matches('=').to_owned()))
        }
        _ => (word.to_owned(), None),
    }
}

/// Whether a word is a group of short switches: `-d`, `-it`.
pub(crate) fn is_short_switches(word: &str) -> bool {
    word.len() > 1 && word[1..].chars().all(|c| matches!(c, 'd' | 'i' | 't' | 'P' | 'q'))
}

/// Splits a text at shell operators, except those in quotes, comments and `$(…)`.
fn parts<'a>(text: &'a str, operators: &str) -> Vec<&'a str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quote, mut depth, mut before) = (None, 0_usize, ' ');
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some('\''), '\\') => {}
            (_, '\\') => {
                if let Some((_, '\r')) = characters.next() {
                    characters.next_if(|(_, c)| *c == '\n');
                }
            }
            (Some(mark), again) if mark == again => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '#') if before.is_whitespace() => {
                while characters.next_if(|(_, c)| *c != '\n').is_some() {}
            }
            (None, '(') if before == '$' || depth > 0 => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, operator) if depth == 0 && operators.contains(operator) => {
                parts.push(without_descriptor(&text[start..at], operator));
                start = at + operator.len_utf8();
            }
            _ => {}
        }
        before = character;
    }
    parts.push(&text[start..]);
    parts
}

/// Removes the file descriptor of a redirection such as `2>`, which is no word.
fn without_descriptor(part: &str, operator: char) -> &str {
    let rest = part.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_descriptor = matches!(operator, '<' | '>') && rest.ends_with(char::is_whitespace);
    if is_descriptor { rest } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        parse(text, begins(text).expect("a docker run"))
    }

    #[test]
    fn a_line_that_was_saved_on_windows_is_read_to_its_end() {
        let text = "docker run -e A=1 \\\r\n  a/b:1 \\\r\n  vllm serve m \\\r\n  --x 1\r\necho\r\n";
        let line = line(text);
        assert_eq!(line.image.as_deref(), Some("a/b:1"));
        assert_eq!(line.command.as_deref(), Some("vllm serve m \\\n  --x 1"));
        assert_eq!(&text[line.image_at.expect("a place")], "a/b:1");
    }

    #[test]
    fn a_quote_that_is_not_closed_is_noticed() {
        assert!(line("docker run -e A='b c a/b:1 m\n").has_open_quote);
        assert!(!line("docker run -e A='b c' a/b:1 m\n").has_open_quote);
    }

    #[test]
    fn a_line_gives_image_environment_and_command_as_it_stands() {
        let line = line(
            "# the record\nsudo docker run -d --name brain --restart=unless-stopped \\\n  \
             --shm-size 16gb -p8000:8000 -e A='b c' --env TOKEN --gpus all \\\n  \
             vllm/vllm-openai@sha256:00 \\\n  org/m --max-num-seqs 4 \\\n  --spec '{\"a\": 1}'\necho done\n",
        );
        assert_eq!(line.image.as_deref(), Some("vllm/vllm-openai@sha256:00"));
        assert_eq!(
            line.command.as_deref(),
            Some("org/m --max-num-seqs 4 \\\n  --spec '{\"a\": 1}'")
        );
        assert_eq!(
            line.env,
            [("A".to_owned(), Some("b c".to_owned())), ("TOKEN".to_owned(), None)]
        );
        let options: Vec<_> = line.options.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            options,
            [
                "-d=",
                "--name=brain",
                "--restart=unless-stopped",
                "--shm-size=16gb",
                "-p=8000:8000",
                "--gpus=all"
            ]
        );
    }

    #[test]
    fn an_entry_point_stands_before_and_a_shell_around_the_command() {
        let found = line("docker run -it --rm --entrypoint vllm img serve m --port 1 | tee log");
        assert_eq!(found.command.as_deref(), Some("vllm serve m --port 1"));
        let found = line("#!/bin/sh\nset -e\npodman run img bash -lc 'vllm serve m'\n");
        assert_eq!(inner(&found.command.unwrap()), "vllm serve m");
    }

    #[test]
    fn of_several_commands_the_one_that_serves_counts() {
        for (command, served) in [
            (
                "vllm serve m --max-num-seqs 8; echo --max-model-len 5",
                "vllm serve m --max-num-seqs 8",
            ),
            ("cd /x && /bin/vllm serve m || exit 1", "/bin/vllm serve m"),
            ("sleep 1 & bash -c \"a; vllm serve m 2>&1 | tee log\"", "vllm serve m"),
            (
                "vllm serve m --x 'a;b' --y $(nproc | cat) --z a\\;b >log",
                "vllm serve m --x 'a;b' --y $(nproc | cat) --z a\\;b",
            ),
            ("org/m --name x>log", "org/m --name x"),
            ("# first; it's\nvllm serve m\necho --port 1", "vllm serve m"),
            (
                "python3 -m sglang.launch_server --port 1",
                "python3 -m sglang.launch_server --port 1",
            ),
        ] {
            assert_eq!(inner(command).trim(), served, "{command}");
        }
    }

    #[test]
    fn only_a_docker_run_is_one() {
        for text in [
            "docker ps\n",
            "model: m\ncommand: docker run x\n",
            "",
            "dockerrun x",
            "a: 1\ndocker run x",
        ] {
            assert_eq!(begins(text), None, "{text}");
        }
        assert_eq!(line("docker run").image, None);
    }
}
