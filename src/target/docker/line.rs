//! Converts a recipe to the arguments of `docker run`. A recipe that is a saved `docker run` keeps
//! its arguments; a recipe with a command gets what its own tools would add. Every argument that is
//! not the recipe's is listed apart, shown, and stored with the run.

use crate::error::Mistake;
use crate::shell;
use crate::spec::recipe::docker::Line;

/// Size of `/dev/shm`: enough for workers that exchange tensors in shared memory. It is a limit,
/// and only used memory counts. The host's own `/dev/shm` is not shared: the log-out of its owner
/// may clear it.
const SHM_SIZE: &str = "64g";

/// Options of a saved line that longhaul sets itself, or that would prevent it from being watched.
const DROPPED: [&str; 6] = ["-d", "--detach", "-i", "--interactive", "-t", "--tty"];

/// Additions to a recipe.
#[derive(Clone, Debug, Default)]
pub(crate) struct Additions {
    /// Container name, where the recipe gives none.
    pub name: String,
    /// Label, as `name=value`.
    pub label: String,
    /// Value of `--gpus`; `None` for no GPUs.
    pub gpus: Option<String>,
    /// Model cache: the folder on the host and in the container.
    pub cache: Option<(String, String)>,
    /// Variables whose values the engine takes from its own environment.
    pub secrets: Vec<String>,
    /// User's further arguments.
    pub more: Vec<String>,
    /// User's home folder, for `~` in a saved line.
    pub home: String,
}

/// Arguments of `docker run -d`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunLine {
    /// All arguments.
    pub words: Vec<String>,
    /// Arguments that longhaul added, option by option.
    pub added: Vec<String>,
}

impl RunLine {
    fn add(&mut self, words: &[&str]) {
        self.words.extend(words.iter().map(|&word| word.to_owned()));
        self.added.push(words.join(" "));
    }

    fn keep(&mut self, words: &[&str]) {
        self.words.extend(words.iter().map(|&word| word.to_owned()));
    }
}

/// Builds the arguments of a recipe with a command.
pub(crate) fn of_command(
    image: &str,
    env: &[(String, String)],
    command: &str,
    additions: &Additions,
) -> RunLine {
    let mut line = RunLine::default();
    line.add(&["--pull", "never"]);
    line.add(&["--name", &additions.name]);
    line.add(&["--label", &additions.label]);
    if let Some(gpus) = &additions.gpus {
        line.add(&["--gpus", gpus]);
    }
    line.add(&["--ipc", "private"]);
    line.add(&["--shm-size", SHM_SIZE]);
    line.add(&["--network", "host"]);
    if let Some((here, there)) = &additions.cache {
        line.add(&["-v", &format!("{here}:{there}")]);
    }
    for (name, value) in env {
        line.keep(&["-e", &format!("{name}={value}")]);
    }
    last(&mut line, additions);
    // The rendered command needs a shell: it has quotes, line ends, variables.
    line.add(&["--entrypoint", "bash"]);
    line.keep(&[image, "-c", command]);
    line
}

/// Builds the arguments of a saved `docker run`.
///
/// # Errors
/// The line needs a shell expansion that longhaul does not do.
pub(crate) fn of_line(
    image: &str,
    saved: &Line,
    additions: &Additions,
) -> Result<RunLine, Mistake> {
    let mut line = RunLine::default();
    line.add(&["--pull", "never"]);
    line.add(&["--label", &additions.label]);
    let is_named = saved.options.iter().any(|(name, _)| name == "--name");
    if !is_named {
        line.add(&["--name", &additions.name]);
    }
    for (name, value) in &saved.options {
        let is_dropped = DROPPED.contains(&name.as_str())
            || crate::spec::recipe::docker::is_short_switches(name)
            || matches!(name.as_str(), "--rm" | "--pull");
        if is_dropped {
            line.added.push(format!("without {name}"));
            continue;
        }
        let value = expanded(value, &additions.home)?;
        if value.is_empty() {
            line.keep(&[name]);
        } else if name.starts_with("--") {
            line.keep(&[&format!("{name}={value}")]);
        } else {
            line.keep(&[name, &value]);
        }
    }
    for (name, value) in &saved.env {
        match value.as_deref() {
            None => line.keep(&["-e", name]),
            // `-e TOKEN=$TOKEN` becomes `-e TOKEN`, which means the same and shows no value.
            Some(value) if is_variable(value, name) => line.keep(&["-e", name]),
            Some(value) => {
                let value = expanded(value, &additions.home)?;
                line.keep(&["-e", &format!("{name}={value}")]);
            }
        }
    }
    last(&mut line, additions);
    let command = saved.command.as_deref().unwrap_or_default();
    let mut words: Vec<String> = shell::words(command).into_iter().map(|word| word.text).collect();
    if let Some(entry) = &saved.entry {
        line.keep(&[&format!("--entrypoint={entry}")]);
        if !entry.is_empty() && !words.is_empty() {
            words.remove(0);
        }
    }
    line.keep(&[image]);
    line.words.extend(words);
    Ok(line)
}

fn last(line: &mut RunLine, additions: &Additions) {
    for name in &additions.secrets {
        line.add(&["-e", name]);
    }
    for word in &additions.more {
        line.add(&[word]);
    }
}

fn is_variable(value: &str, name: &str) -> bool {
    value == format!("${name}") || value == format!("${{{name}}}")
}

/// Expands the home folder in a value of a saved line, as a shell would. Any other shell expansion
/// is refused, since longhaul runs no shell.
fn expanded(value: &str, home: &str) -> Result<String, Mistake> {
    let value = match value.strip_prefix("~/") {
        Some(rest) => format!("{home}/{rest}"),
        None => value.to_owned(),
    };
    let value = value.replace("=~/", &format!("={home}/"));
    let value = value.replace("${HOME}", home).replace("$HOME", home);
    if value.contains("$(") || value.contains('`') || value.contains('$') {
        return Err(Mistake::new(format!(
            "a shell would put something into `{value}`, and longhaul runs none"
        ))
        .hint("write the value into the recipe"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::spec::recipe::docker;

    fn additions() -> Additions {
        Additions {
            name: "longhaul-m".to_owned(),
            label: "longhaul.run=7".to_owned(),
            gpus: Some("all".to_owned()),
            cache: Some(("/home/u/hf".to_owned(), "/root/.cache/huggingface".to_owned())),
            secrets: vec!["HF_TOKEN".to_owned()],
            more: vec!["--memory=100g".to_owned()],
            home: "/home/u".to_owned(),
        }
    }

    #[test]
    fn a_command_gets_what_its_tools_would_add_and_every_added_word_is_told() {
        let env = [("A".to_owned(), "b c".to_owned())];
        let line = of_command("a/b@sha256:1", &env, "vllm serve m \\\n  --port 8000", &additions());
        assert_snapshot!("command", reported(&line));
        let bare = of_command("a/b@sha256:1", &[], "vllm serve m", &Additions::default());
        assert_snapshot!("command.bare", reported(&bare));
    }

    /// Returns the words, and what was added.
    fn reported(line: &RunLine) -> String {
        format!("{}\n\nadded:\n{}", line.words.join("|"), line.added.join("\n"))
    }

    fn saved(text: &str) -> Line {
        docker::line(text).expect("a docker run")
    }

    #[test]
    fn a_saved_line_is_started_as_it_stands_but_for_what_would_blind_longhaul() {
        let saved = saved(
            "docker run -d --rm -it --name brain --restart=unless-stopped -p 8000:8000 \
             -v ~/models:/models -e A='b c' -e HF_TOKEN=$HF_TOKEN -e KEY \
             a/b:1 org/m --spec '{\"k\": 1}'",
        );
        let line = of_line("a/b@sha256:1", &saved, &additions()).expect("a line");
        assert_snapshot!("saved", reported(&line));
    }

    #[test]
    fn an_entry_point_stays_one() {
        let saved = saved("docker run --entrypoint vllm a/b:1 serve m --x 'a b'");
        let line = of_line("a/b@sha256:1", &saved, &Additions::default()).expect("a line");
        assert_snapshot!("saved.entry_point", reported(&line));
    }

    #[test]
    fn what_a_shell_would_put_in_is_refused() {
        let saved = saved("docker run -v $(pwd):/x a/b:1 m");
        assert_snapshot!(of_line("a/b", &saved, &Additions::default()).unwrap_err(), @"
            error: a shell would put something into `$(pwd):/x`, and longhaul runs none
              try: write the value into the recipe
        ");
    }
}
