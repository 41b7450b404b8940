//! Parses whom a line of the kernel's log, or of a program that guards memory, is about: the
//! process that was killed or that made the GPU fail, and its cgroup.

/// Process or cgroup that a line names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Victim {
    /// Process id, as the kernel counts them.
    pub pid: Option<u32>,
    /// Name of the process; the kernel cuts it to 15 bytes.
    pub name: Option<String>,
    /// Cgroup of the process, or the cgroup that was killed.
    pub cgroup: Option<String>,
}

impl Victim {
    /// Parses a line. What it does not name stays unknown.
    pub(crate) fn parse(line: &str) -> Victim {
        let killed = ["Killed process ", "Kill process ", " to process "]
            .into_iter()
            .find_map(|words| line.split_once(words).map(|(_, rest)| rest));
        let pid = killed.and_then(number).or_else(|| field(line, "pid=").and_then(number));
        let name = killed.and_then(named).or_else(|| {
            let name = field(line, "task=").or_else(|| field(line, "name="))?;
            Some(until(name, &[',']).to_owned())
        });
        let cgroup = field(line, "task_memcg=").map(|it| until(it, &[',']).to_owned());
        let unit = || {
            let (_, rest) = line.split_once("]: Killed ")?;
            rest.starts_with('/').then(|| until(rest, &[' ']).to_owned())
        };
        let name = name.filter(|name| !name.is_empty() && !name.starts_with('<'));
        Victim { pid, name, cgroup: cgroup.or_else(unit) }
    }

    /// Names the victim: `chrome (pid 4242)`; `None` where the line names nobody.
    pub(crate) fn in_words(&self) -> Option<String> {
        match (&self.name, self.pid, &self.cgroup) {
            (Some(name), Some(pid), _) => Some(format!("{name} (pid {pid})")),
            (None, Some(pid), _) => Some(format!("pid {pid}")),
            (Some(name), None, _) => Some(name.clone()),
            (None, None, cgroup) => cgroup.clone(),
        }
    }
}

/// Returns what follows a key at the begin of the line or after a separator.
fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.match_indices(key).find_map(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|it| matches!(it, ',' | ' ')).then(|| &line[at + key.len()..])
    })
}

fn until<'a>(text: &'a str, ends: &[char]) -> &'a str {
    text.split(ends).next().unwrap_or(text)
}

fn number(text: &str) -> Option<u32> {
    let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// Parses `4242 (name)`, and earlyoom's `4242 uid 1000 "name"`.
fn named(text: &str) -> Option<String> {
    let rest = text.trim_start_matches(|it: char| it.is_ascii_digit());
    if let Some(rest) = rest.strip_prefix(" (") {
        let end = rest.find(") total-vm").or_else(|| rest.find(')'))?;
        return Some(rest[..end].to_owned());
    }
    let (_, rest) = rest.split_once('"')?;
    Some(until(rest, &['"']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::signature::named as row;

    fn of(signature: &str) -> (Option<u32>, Option<String>, Option<String>) {
        let victim = Victim::parse(row(signature).unwrap().line);
        (victim.pid, victim.name, victim.cgroup)
    }

    #[test]
    fn lines_name_the_process_and_its_cgroup() {
        let text = |text: &str| Some(text.to_owned());
        let docker = || text("/docker/3f0c");
        assert_eq!(of("oom_kill_cgroup"), (Some(4242), text("hello"), docker()));
        assert_eq!(of("oom_kill"), (Some(4242), text("VLLM::EngineCor"), docker()));
        assert_eq!(of("oom_kill_process"), (Some(4242), text("VLLM::EngineCor"), None));
        assert_eq!(of("oom_kill_cgroup_process"), (Some(4242), text("hello"), None));
        assert_eq!(of("earlyoom_kill"), (Some(4242), text("VLLM::EngineCor"), None));
        assert_eq!(of("systemd_oomd_kill"), (None, None, text("/system.slice/vllm.service")));
        assert_eq!(of("xid_31"), (Some(2788), text("VLLM::Worker"), None));
        assert_eq!(of("xid_79"), (Some(2788), text("VLLM::Worker"), None));
        assert_eq!(of("gpu_off_the_bus"), (None, None, None));
        assert_eq!(of("hung_task"), (None, None, None));
    }

    #[test]
    fn a_name_with_parentheses_is_whole() {
        let line = "Out of memory: Killed process 7 (a (b) c) total-vm:1kB, anon-rss:1kB";
        assert_eq!(Victim::parse(line).in_words().as_deref(), Some("a (b) c (pid 7)"));
    }
}
