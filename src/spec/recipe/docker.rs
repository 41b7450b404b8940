//! A server that was started by a plain `docker run …`: the line, saved in a
//! file, is its recipe. Read as a shell would split it, and never run.

use crate::engine::flags::{self, Word};

/// Options that take no value; all others do.
const SWITCHES: [&str; 14] = [
    "--detach",
    "--interactive",
    "--tty",
    "--rm",
    "--privileged",
    "--init",
    "--read-only",
    "--publish-all",
    "--no-healthcheck",
    "--oom-kill-disable",
    "--sig-proxy",
    "--disable-content-trust",
    "--quiet",
    "--replace",
];

/// What stands in the line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// The image.
    pub image: Option<String>,
    /// Where its word stands in the whole text, in bytes.
    pub image_at: Option<std::ops::Range<usize>>,
    /// `-e KEY=VALUE`; nothing where the value comes from whoever starts it.
    pub env: Vec<(String, Option<String>)>,
    /// What runs in the container, as it stands; the image's own entry point aside.
    pub command: Option<String>,
    /// All other options, as they stand.
    pub options: Vec<(String, String)>,
}

/// Where a text's `docker run` begins, if it is one: after comments, or anywhere in a script.
pub fn begins(text: &str) -> Option<usize> {
    let mut at = 0;
    let mut is_first = true;
    for line in text.split_inclusive('\n') {
        let code = line.trim_start();
        let start = at + (line.len() - code.len());
        at += line.len();
        if code.trim().is_empty() || code.starts_with('#') {
            continue;
        }
        if is_run(code) && (is_first || text.starts_with("#!")) {
            return Some(start);
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

/// Takes the line apart.
pub fn parse(text: &str, start: usize) -> Line {
    let text = &text[start..start + end_of(&text[start..])];
    let words = flags::words(text);
    let run = words.iter().position(|word| word.text == "run").unwrap_or(0);
    let mut line = Line::default();
    let mut entry = None;
    let mut words = words[run + 1..].iter().peekable();
    while let Some(word) = words.next() {
        if !word.text.starts_with('-') {
            line.image = Some(word.text.clone());
            line.image_at = Some(start + word.start..start + word.end);
            break;
        }
        let (name, inline) = split(&word.text);
        let is_switch = SWITCHES.contains(&name.as_str()) || is_short_switches(&name);
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
    let rest: Vec<&Word> = words.collect();
    let command = match (rest.first(), rest.last()) {
        (Some(first), Some(last)) => text[first.start..last.end].to_owned(),
        _ => String::new(),
    };
    let command = match entry.filter(|entry| !entry.is_empty()) {
        Some(entry) if command.is_empty() => entry,
        Some(entry) => format!("{entry} {command}"),
        None => command,
    };
    line.command = Some(command).filter(|command| !command.is_empty());
    line
}

/// The command behind `bash -c '…'`, or itself.
pub fn inner(command: &str) -> String {
    let words = flags::words(command);
    match words.as_slice() {
        [shell, option, inner, ..]
            if matches!(shell.text.rsplit('/').next(), Some("bash" | "sh"))
                && option.text.starts_with('-')
                && option.text.ends_with('c') =>
        {
            inner.text.clone()
        }
        _ => command.to_owned(),
    }
}

/// `--name=value`, and `-eKEY=value`.
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

/// `-d`, `-it`.
fn is_short_switches(word: &str) -> bool {
    word.len() > 1 && word[1..].chars().all(|c| matches!(c, 'd' | 'i' | 't' | 'P' | 'q'))
}

/// Where the command ends for a shell: at a line's end that does not go on, or an operator.
fn end_of(text: &str) -> usize {
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some('\''), '\\') => {}
            (_, '\\') => {
                characters.next();
            }
            (Some(mark), again) if mark == again => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '\n' | ';' | '|' | '&' | '>' | '<') => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        parse(text, begins(text).expect("a docker run"))
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
