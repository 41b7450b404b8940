//! What a hook's command does, as far as its words tell. That it fetches can be seen; that it does
//! not is only believed of a few programs which bring nothing in.

/// What fetches: a program, and the verbs with which it does; without verbs it always does.
const FETCHERS: [(&str, &[&str]); 29] = [
    ("apk", &["add", "update", "upgrade"]),
    ("apt", APT),
    ("apt-get", APT),
    ("aria2c", &[]),
    ("cargo", &["install", "fetch"]),
    ("conda", &["install", "create", "update"]),
    ("curl", &[]),
    ("dnf", &["install", "update", "upgrade"]),
    ("docker", &["pull"]),
    ("git", &["clone", "pull", "fetch", "submodule"]),
    ("git-lfs", &["pull", "fetch"]),
    ("go", &["install", "get"]),
    ("hf", &["download"]),
    ("huggingface-cli", &["download"]),
    ("mamba", &["install", "create", "update"]),
    ("modelscope", &["download"]),
    ("npm", &["install", "i", "ci", "update"]),
    ("npx", &[]),
    ("oras", &["pull"]),
    ("pip", &["install", "download", "wheel"]),
    ("pipx", &["install", "run"]),
    ("podman", &["pull"]),
    ("pnpm", &["install", "i", "add"]),
    ("rsync", &[]),
    ("scp", &[]),
    ("uv", &["pip", "sync", "add", "run", "tool"]),
    ("uvx", &[]),
    ("wget", &[]),
    ("yum", &["install", "update", "upgrade"]),
];
const APT: &[&str] = &["install", "update", "upgrade", "dist-upgrade", "full-upgrade"];

/// Programs that bring in nothing but their own words.
const HARMLESS: [&str; 13] = [
    ":", "cd", "chmod", "echo", "export", "mkdir", "printf", "rm", "sleep", "touch", "true",
    "ulimit", "unset",
];

/// What a shell would run, or read, inside another command's words.
const NESTED: [&str; 5] = ["$(", "`", "<(", ">(", "/dev/"];

/// What of a command fetches something: `pip install`.
pub fn fetcher(command: &str) -> Option<String> {
    parts(command).iter().filter(|part| !is_harmless_part(part)).find_map(|part| {
        // Also inside quotes and substitutions: `bash -c 'pip install x'`.
        let is_edge = |c: char| c.is_whitespace() || "'\"`()${}".contains(c);
        let words: Vec<&str> = part.split(is_edge).filter(|word| !word.is_empty()).collect();
        (0..words.len()).find_map(|at| fetches(words[at], &words[at + 1..]))
    })
}

/// Whether all of a command is known to bring nothing in.
pub fn is_harmless(command: &str) -> bool {
    parts(command).iter().all(|part| is_harmless_part(part))
}

/// The simple commands. A separator in quotes parts them too: then less is known to be harmless.
fn parts(command: &str) -> Vec<String> {
    let joined = command.replace("\\\n", " ");
    let parts = joined.split([';', '&', '|', '\n']).map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn is_harmless_part(part: &str) -> bool {
    let program = part.split_whitespace().next().unwrap_or_default();
    HARMLESS.contains(&program) && !NESTED.iter().any(|nested| part.contains(nested))
}

fn fetches(word: &str, rest: &[&str]) -> Option<String> {
    let name = word.rsplit('/').next().unwrap_or(word);
    // `pip3.12` is pip.
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let (name, verbs) =
        FETCHERS.iter().find(|(fetcher, _)| *fetcher == name || *fetcher == word)?;
    if verbs.is_empty() {
        return Some((*name).to_owned());
    }
    let verb = rest.iter().find(|word| verbs.contains(word))?;
    Some(format!("{name} {verb}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fetches_is_seen_with_options_between_and_inside_quotes() {
        for (command, expected) in [
            ("apt-get -y install libfoo", "apt-get install"),
            ("sudo pip3.12 --no-cache-dir install foo", "pip install"),
            ("python3 -m pip install foo", "pip install"),
            ("docker pull x", "docker pull"),
            ("modelscope download x", "modelscope download"),
            ("cd /x && npm ci", "npm ci"),
            ("bash -c 'git -C /x pull'", "git pull"),
            ("echo $(curl -s x)", "curl"),
            ("pip \\\n  install foo", "pip install"),
            ("/usr/bin/wget x", "wget"),
        ] {
            assert_eq!(fetcher(command).as_deref(), Some(expected), "{command}");
            assert!(!is_harmless(command), "{command}");
        }
    }

    #[test]
    fn what_is_not_known_is_neither_fetching_nor_harmless() {
        for command in [
            "bash /workspace/x.sh",
            "python3 -c \"import urllib.request as u; u.urlopen('https://x')\"",
            "echo 'pip install x' | bash",
            "cp /mnt/x /y",
            "cat </dev/tcp/x/80",
            "echo x </dev/tcp/x/80",
            "git status",
        ] {
            assert_eq!(fetcher(command), None, "{command}");
            assert!(!is_harmless(command), "{command}");
        }
    }

    #[test]
    fn a_few_programs_bring_in_nothing_but_their_own_words() {
        for command in ["echo pip install", "mkdir -p /x && export A=1; sleep 1", "rm /bin/curl"] {
            assert_eq!((fetcher(command), is_harmless(command)), (None, true), "{command}");
        }
    }
}
