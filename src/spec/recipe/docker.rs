//! Reads a saved `docker run …` command line as a recipe.

use std::ops::Range;

use crate::shell::{self, ShellWord};

/// Options of `docker run` without a value; all others take one.
const SWITCHES: &str = "--detach --interactive --tty --rm --privileged --init --read-only \
    --publish-all --no-healthcheck --oom-kill-disable --sig-proxy --disable-content-trust \
    --quiet --replace";

/// Parts of the names of images that serve a model.
const SERVERS: [&str; 7] =
    ["vllm", "sglang", "llama.cpp", "llama-cpp", "llamacpp", "llama-server", "tensorrt-llm"];

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Line {
    /// Image; empty where the line names none.
    pub image: String,
    /// Byte range of the image's word in the whole text.
    pub image_at: Range<usize>,
    /// Variables of `-e KEY=VALUE`; `None` where the value comes from the caller's environment.
    pub env: Vec<(String, Option<String>)>,
    /// Command in the container, without the image's own entry point: verbatim but for the ends of
    /// lines, which are a line feed each.
    pub command: Option<String>,
    /// Byte range of the words behind the image in the whole text.
    pub command_at: Range<usize>,
    /// Value of `--entrypoint`, which `command` begins with; empty where the line clears it.
    pub entry: Option<String>,
    pub options: Vec<(String, String)>,
    /// Service of a compose file; `None` for a `docker run`.
    pub service: Option<String>,
    /// Warnings about parts that are not read.
    pub notes: Vec<String>,
}

/// Reads the first `docker run` of a script, or of the code blocks of a Markdown text; of several,
/// the first that serves a model. `None` where there is none, and where the text is YAML.
pub(crate) fn line(text: &str) -> Option<Line> {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    if text.lines().find(is_code).is_none_or(is_yaml) {
        return None;
    }
    let is_fence = |line: &str| line.trim_start().starts_with("```");
    let mut is_inside = !text.lines().any(is_fence);
    let runs = text.split_inclusive('\n').filter_map(|line| {
        is_inside ^= is_fence(line);
        let at = run_at(line).filter(|_| is_inside)?;
        Some(line.as_ptr() as usize - text.as_ptr() as usize + at)
    });
    let mut lines: Vec<(usize, Line)> = runs.map(|at| (at, parse(text, at))).collect();
    let command = |line: &Line| line.command.clone().unwrap_or_default();
    let serving = lines.iter().position(|(_, line)| serves(&line.image, &command(line)));
    let count = lines.len();
    let (at, mut line) = lines.drain(..).nth(serving.unwrap_or(0))?;
    if count > 1 {
        let number = 1 + text[..at].matches('\n').count();
        line.notes.push(format!("of {count} `docker run` the one on line {number} is read"));
    }
    Some(line)
}

/// Whether a container serves a model, by its image or its command.
pub(super) fn serves(image: &str, command: &str) -> bool {
    let image = image.to_lowercase();
    SERVERS.iter().any(|part| image.contains(part))
        || shell::commands(command).iter().any(|words| starts_a_server(words))
}

/// Whether a line with content is one of YAML: `key:`, `{key:`, `---`.
fn is_yaml(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_alphanumeric() || "_-.\"'{".contains(c));
    rest.starts_with(": ") || rest.trim_end() == ":" || line.starts_with("---")
}

/// Returns the byte offset of a `docker run` in a line, behind other commands, `sudo -E` and
/// `NAME=value`.
fn run_at(line: &str) -> Option<usize> {
    shell::commands(line).iter().find_map(|words| {
        let is_before = |word: &&ShellWord| {
            let word = word.text.as_str();
            matches!(
                word,
                "sudo"
                    | "exec"
                    | "env"
                    | "nohup"
                    | "time"
                    | "{"
                    | "if"
                    | "then"
                    | "else"
                    | "do"
                    | "!"
            ) || word.ends_with('$')
                || word.ends_with("()")
                || word.len() > 1 && word.starts_with('-')
                || word.contains('=')
        };
        let mut words = words.iter().skip_while(is_before);
        let engine = words.next()?;
        let verb = words.find(|word| word.text != "container")?;
        let name = engine.text.trim_start_matches('\u{feff}').rsplit('/').next();
        let is_engine = matches!(name, Some("docker" | "podman" | "nerdctl" | "docker.exe"));
        (is_engine && verb.text == "run").then_some(engine.span.start)
    })
}

fn parse(text: &str, start: usize) -> Line {
    let words = shell::commands(&text[start..]).swap_remove(0);
    let in_text = |span: Range<usize>| start + span.start..start + span.end;
    let end = in_text(shell::span(&words)).end;
    let mut line = Line { command_at: end..end, ..Line::default() };
    let run = words.iter().position(|word| word.text == "run").unwrap_or(0);
    let mut words = words[run + 1..].iter();
    while let Some(word) = words.next() {
        let word = if word.text == "--" { words.next().unwrap_or(word) } else { word };
        if !word.text.starts_with('-') {
            (line.image, line.image_at) = (word.text.clone(), in_text(word.span.clone()));
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
            "--entrypoint" => line.entry = Some(value),
            _ => line.options.push((name, value)),
        }
    }
    if !words.as_slice().is_empty() {
        line.command_at = in_text(shell::span(words.as_slice()));
    }
    let command = text[line.command_at.clone()].replace("\r\n", "\n");
    let command = format!("{} {command}", line.entry.as_deref().unwrap_or_default());
    line.command = Some(command.trim().to_owned()).filter(|command| !command.is_empty());
    line
}

/// Returns the command that serves, else the first; unwraps `bash -c '…'`.
pub(crate) fn inner(command: &str) -> String {
    let (command, words) = serving(command);
    match words.as_slice() {
        [shell, option, inner, ..]
            if matches!(shell.text.rsplit('/').next(), Some("bash" | "sh"))
                && option.text.starts_with('-')
                && option.text.ends_with('c') =>
        {
            serving(&inner.text).0.to_owned()
        }
        _ => command.to_owned(),
    }
}

/// Returns the command that starts a server, and its words; the first where none does.
fn serving(text: &str) -> (&str, Vec<ShellWord>) {
    let mut commands = shell::commands(text);
    let at = commands.iter().position(|words| starts_a_server(words)).unwrap_or(0);
    let words = if commands.is_empty() { Vec::new() } else { commands.swap_remove(at) };
    (&text[shell::span(&words)], words)
}

/// Whether a command starts a server. Also splits the quoted word after `bash -c`.
fn starts_a_server(words: &[ShellWord]) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        super::line(text).expect("a docker run")
    }

    #[test]
    fn a_line_that_was_saved_on_windows_is_read_to_its_end() {
        let text = "docker run -e A=1 \\\r\n  a/b:1 \\\r\n  vllm serve m \\\r\n  --x 1\r\necho\r\n";
        let line = line(text);
        assert_eq!(line.image, "a/b:1");
        assert_eq!(line.command.as_deref(), Some("vllm serve m \\\n  --x 1"));
        assert_eq!(&text[line.image_at], "a/b:1");
    }

    #[test]
    fn a_line_gives_image_environment_and_command_as_it_stands() {
        let line = line(
            "# the record\nsudo docker run -d --name brain --restart=unless-stopped \\\n  \
             --shm-size 16gb -p8000:8000 -e A='b c' --env TOKEN --gpus all \\\n  \
             vllm/vllm-openai@sha256:00 \\\n  org/m --max-num-seqs 4 \\\n  --spec '{\"a\": 1}'\necho done\n",
        );
        assert_eq!(line.image, "vllm/vllm-openai@sha256:00");
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
            assert_eq!(inner(command), served, "{command}");
        }
    }

    #[test]
    fn a_docker_run_is_found_as_people_keep_it() {
        for text in [
            "docker pull a/b:1\ndocker rm -f x || true\nsudo -E docker run --gpus all a/b:1 org/m",
            "TOKEN=x A='b c' /usr/bin/docker run a/b:1 org/m # comment\n",
            "export X=1; nohup docker container run -d a/b:1 org/m > log 2>&1 &\n",
            "$ docker run --rm \\\r\n  -p 8000:8000 \\\r\n  a/b:1 \\\r\n  org/m\r\nnext\r\n",
            "start() { docker run a/b:1 org/m; }\n",
            "if ! docker ps | grep x; then docker.exe run a/b:1 org/m; fi\n",
            "me@spark:~$ docker run --rm -- a/b:1 org/m\n",
            "\u{feff}docker run --rm a/b:1 org/m\n",
            "# My server\n\nRun docker run as below; it's easy:\n\n```bash\n# pull: docker run no/image\n\
             docker run a/b:1 org/m\n```\n\nMore.\n",
        ] {
            let line = line(text);
            assert_eq!(line.image, "a/b:1", "{text}");
            assert_eq!(line.command.as_deref(), Some("org/m"), "{text}");
            assert_eq!(&text[line.command_at], "org/m");
        }
    }

    #[test]
    fn of_several_docker_runs_the_one_that_serves_is_read_and_told() {
        let read = line("docker run -d redis:7\ndocker run -d vllm/vllm-openai:v1 --model org/m\n");
        assert_eq!(read.image, "vllm/vllm-openai:v1");
        assert_eq!(read.notes, ["of 2 `docker run` the one on line 2 is read"]);
        assert_eq!(line("docker run a/b\ndocker run c/d\n").image, "a/b");
    }

    #[test]
    fn only_a_docker_run_is_one() {
        for text in [
            "docker ps\n",
            "model: m\ncommand: docker run x\n",
            "",
            "dockerrun x",
            "a: 1\ndocker run x",
            "---\nmodel: m\ncommand: |\n  docker run x\n",
            "echo docker run x",
            "- docker run x",
            "Not `docker run x`\n```\ndocker ps\n```\ndocker run x\n",
        ] {
            assert_eq!(super::line(text), None, "{text}");
        }
        assert_eq!(line("docker run").image, "");
    }
}
