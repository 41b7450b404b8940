//! Finds every command that the guide and the help show.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// First words of a line of code that is a command.
const PROGRAMS: [&str; 5] = ["longhaul", "cargo", "bash", "docker", "sparkrun"];

/// A command, and the page that shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shown {
    /// `README.md`, `docs/soak.md`, `longhaul run --help`.
    pub page: String,
    /// The command on one line, without its comment.
    pub command: String,
}

/// Every command, each once for its page.
pub(crate) fn all() -> BTreeSet<Shown> {
    let mut shown = BTreeSet::new();
    let mut add = |page: &str, commands: Vec<String>| {
        shown.extend(commands.into_iter().map(|command| Shown { page: page.to_owned(), command }));
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    markdown(&root.join("docs"), &mut pages);
    for page in pages {
        let name = page.strip_prefix(root).expect("below the root").display().to_string();
        add(&name, commands_of(&code_of(&fs::read_to_string(&page).expect("a page"))));
    }
    for verb in verbs(&[]) {
        let page = format!("longhaul {}", [&verb[..], &["--help".to_owned()]].concat().join(" "));
        let help = help(&verb);
        let examples = help.split_once("Examples:\n").map_or("", |(_, examples)| examples);
        add(&page, commands_of(&examples.lines().map(str::to_owned).collect::<Vec<_>>()));
    }
    shown
}

/// The pages that have commands in YAML.
pub(crate) fn workflows() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    markdown(&root.join("docs"), &mut pages);
    let has_commands = |page: &PathBuf| {
        let text = fs::read_to_string(page).expect("a page");
        let yaml = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        yaml.flat_map(str::lines).any(|line| line.trim_start().starts_with("longhaul "))
    };
    pages.retain(has_commands);
    let name = |page: &PathBuf| page.strip_prefix(root).expect("below").display().to_string();
    pages.iter().map(name).collect()
}

/// The text of a page; empty for a help.
pub(crate) fn text(page: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(page)).unwrap_or_default()
}

/// The files that a page shows: a block of YAML behind a line that names the file, or a block that
/// begins with its name as a comment.
pub(crate) fn files_of(page: &str) -> Vec<(String, String)> {
    let text = text(page);
    let mut files = Vec::new();
    let blocks: Vec<&str> = text.split("\n\n").collect();
    for pair in blocks.windows(2) {
        let named = pair[0].trim().strip_suffix(" is this recipe:");
        let yaml = pair[1].strip_prefix("```yaml\n").and_then(|it| it.strip_suffix("```"));
        if let Some((name, yaml)) = named.zip(yaml) {
            files.push((name.trim_matches('`').to_owned(), yaml.to_owned()));
        }
        let mut lines = pair[1].lines();
        let name = lines.next().and_then(|line| line.strip_prefix("    # "));
        if let Some(name) = name.filter(|name| name.rsplit('.').next() == Some("yaml")) {
            let lines: Vec<&str> = lines.map(|line| &line[4..]).collect();
            files.push((name.to_owned(), lines.join("\n") + "\n"));
        }
    }
    files
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The lines of code of a page: fenced, or indented by four spaces. Code within a sentence counts
/// where it is a command with arguments.
pub(crate) fn code_of(text: &str) -> Vec<String> {
    let mut code = Vec::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(language) };
        } else if fence.is_some() || line.starts_with("    ") {
            // Steps of a workflow.
            if fence != Some("yaml") {
                code.push(line.to_owned());
            }
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            code.extend(spans.filter(|span| is_command_in_a_sentence(span)).map(str::to_owned));
        }
    }
    code
}

/// `longhaul run` names a verb; with an argument it can be typed.
fn is_command_in_a_sentence(span: &str) -> bool {
    let verb = span.strip_prefix("longhaul ").and_then(|rest| rest.split(' ').next());
    let is_verb = verb.is_some_and(|verb| verbs_at_the_top().contains(&verb));
    is_verb && (span.contains(" --") || span.split(' ').count() > 3)
}

fn verbs_at_the_top() -> [&'static str; 11] {
    [
        "run", "report", "compare", "floor", "plan", "rehearse", "resume", "sweep", "sim",
        "recipe", "list",
    ]
}

/// The commands of lines of code.
pub(crate) fn commands_of(lines: &[String]) -> Vec<String> {
    let mut commands = Vec::new();
    let mut lines = lines.iter().map(|line| line.trim_start());
    while let Some(line) = lines.next() {
        let line = line.strip_prefix("$ ").or_else(|| line.strip_prefix("run: ")).unwrap_or(line);
        // Variables before the command.
        let begins = line.split(' ').find(|word| !word.contains('=')).unwrap_or_default();
        if !PROGRAMS.contains(&begins) || is_sentence(line) {
            continue;
        }
        let mut command = line.to_owned();
        while let Some(begun) = command.strip_suffix('\\') {
            let begun = begun.trim_end().to_owned();
            command = format!("{begun} {}", lines.next().unwrap_or_default().trim());
        }
        commands.push(without_comment(&command));
    }
    commands
}

/// Prose and error messages in a block of code: `longhaul is …`.
fn is_sentence(line: &str) -> bool {
    let second = line.split_whitespace().nth(1).unwrap_or_default();
    line.starts_with("longhaul ") && !verbs_at_the_top().contains(&second)
}

/// A command without the comment or the description behind it.
fn without_comment(command: &str) -> String {
    let code = command.split(" #").next().unwrap_or(command);
    let code = code.split("     ").next().unwrap_or(code);
    code.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every verb that has a help, from the helps themselves.
fn verbs(above: &[String]) -> Vec<Vec<String>> {
    let help = help(above);
    let mut verbs = vec![above.to_vec()];
    let below = help.split_once("Commands:\n").map_or("", |(_, below)| below);
    for line in below.lines().take_while(|line| line.starts_with("  ")) {
        let verb = line.split_whitespace().next().unwrap_or_default().to_owned();
        if verb != "help" && !line.starts_with("   ") {
            verbs.extend(self::verbs(&[above, &[verb]].concat()));
        }
    }
    verbs
}

fn help(verb: &[String]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    let output = command.args(verb).arg("--help").output().expect("the binary runs");
    String::from_utf8(output.stdout).expect("text")
}
