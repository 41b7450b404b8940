//! Parses what `inspect` reports of a container: the fields that distinguish one process lifetime
//! from the next. docker and podman leave out different fields, so every field but the id may be
//! missing.

use std::fmt::Write;

use serde_json::Value;

/// Present state of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContainerState {
    /// Full id.
    pub id: String,
    /// Name, without the slash.
    pub name: String,
    /// Image id: of the configuration, not the digest of a registry.
    pub image: String,
    /// Image name, as it was given at the start.
    pub image_name: String,
    /// Status: `running`, `paused`, `exited`, `restarting` …
    pub status: String,
    /// Whether it runs; true for a paused container too.
    pub running: bool,
    /// Pid of its process on the engine's machine; 0 where there is none.
    pub pid: u32,
    /// Last exit code.
    pub exit_code: Option<i64>,
    /// Whether an OOM killer acted in its cgroup.
    pub oom_killed: Option<bool>,
    /// Start time of its present process.
    pub started: String,
    /// End time of its last process.
    pub finished: String,
    /// Number of restarts by its restart policy.
    pub restarts: u64,
    pub policy: String,
    /// Environment, as `NAME=value`.
    pub env: Vec<String>,
    pub labels: Vec<(String, String)>,
    /// Command of its first process, words joined.
    pub command: String,
    /// Path at which the engine keeps its log.
    pub log_path: String,
}

/// Parses the output of `inspect` for one container.
pub(crate) fn parse(page: &str) -> Option<ContainerState> {
    let page: Value = serde_json::from_str(page).ok()?;
    let page = page.as_array().and_then(|all| all.first()).unwrap_or(&page);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| -> Vec<String> {
        match value {
            Value::String(one) => vec![one.clone()],
            Value::Array(all) => {
                all.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        }
    };
    let (state, config) = (&page["State"], &page["Config"]);
    let words = [texts(&config["Entrypoint"]), texts(&config["Cmd"])].concat();
    let labels = config["Labels"].as_object().into_iter().flatten();
    Some(ContainerState {
        id: page["Id"].as_str().filter(|id| !id.is_empty())?.to_owned(),
        name: text(&page["Name"]).trim_start_matches('/').to_owned(),
        image: text(&page["Image"]),
        image_name: text(&config["Image"]),
        status: text(&state["Status"]),
        running: state["Running"].as_bool().unwrap_or(false),
        pid: state["Pid"].as_u64().unwrap_or(0) as u32,
        exit_code: state["ExitCode"].as_i64(),
        oom_killed: state["OOMKilled"].as_bool(),
        started: text(&state["StartedAt"]),
        finished: text(&state["FinishedAt"]),
        restarts: page["RestartCount"].as_u64().unwrap_or(0),
        policy: text(&page["HostConfig"]["RestartPolicy"]["Name"]),
        env: texts(&config["Env"]),
        labels: labels.map(|(name, value)| (name.clone(), text(value))).collect(),
        command: words.join(" "),
        log_path: text(&page["LogPath"]),
    })
}

/// Whether an engine's error says that the container does not exist.
pub(crate) fn is_gone(complaint: &str) -> bool {
    let said = complaint.to_ascii_lowercase();
    ["no such container", "no such object", "no such image", "image not known", "no container with"]
        .iter()
        .any(|words| said.contains(words))
}

/// Change of a container between two inspections that no event reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContainerChange {
    /// Another container with the same name.
    Recreated(String),
    /// One or several restarts, with the evidence.
    Restarted(String),
    Ended,
    /// Pause of the container.
    Paused,
    /// End of a pause.
    Unpaused,
}

impl ContainerState {
    /// Whether an id, perhaps a short one, is that of this container; one that is not known is.
    pub(crate) fn is_same(&self, id: &str) -> bool {
        id.is_empty() || self.id.is_empty() || self.id.starts_with(id) || id.starts_with(&self.id)
    }

    /// Returns the change since an earlier inspection.
    pub(crate) fn since(&self, before: &ContainerState) -> Option<ContainerChange> {
        if self.id != before.id {
            let short = |id: &str| id.chars().take(12).collect::<String>();
            let words = format!("container {} in place of {}", short(&self.id), short(&before.id));
            return Some(ContainerChange::Recreated(words));
        }
        let again = self.restarts.saturating_sub(before.restarts);
        let is_other_life = self.started != before.started
            || (self.pid != 0 && before.pid != 0 && self.pid != before.pid);
        if again > 0 || is_other_life && self.running {
            let mut words = format!("started at {}, before at {}", self.started, before.started);
            if again > 0 {
                let _ = write!(words, "; its restart policy began it {again} times more");
            }
            return Some(ContainerChange::Restarted(words));
        }
        match (before.status.as_str(), self.status.as_str()) {
            (_, _) if before.running && !self.running => Some(ContainerChange::Ended),
            ("paused", "running") => Some(ContainerChange::Unpaused),
            (before, "paused") if before != "paused" => Some(ContainerChange::Paused),
            _ => None,
        }
    }

    /// Path of the server's log inside the container, where the container's first process is not
    /// the server: in sparkrun's containers it sleeps, and the server runs beside it.
    pub(crate) fn log_inside(&self) -> Option<&'static str> {
        self.command.contains("sleep infinity").then_some("/tmp/sparkrun_serve.log")
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    const PAGE: &str = r#"[{"Id":"56726ef0","Name":"/brain","Image":"sha256:9ca7","RestartCount":1,
        "State":{"Status":"running","Running":true,"OOMKilled":false,"Pid":63,"ExitCode":0,
        "StartedAt":"2026-11-23T05:31:39.273034974Z","FinishedAt":"0001-01-01T00:00:00Z"},
        "Config":{"Image":"a/b@sha256:1","Env":["A=1"],"Labels":{"x":"y"},"Cmd":["serve"],
        "Entrypoint":["/bin/s"]},"HostConfig":{"RestartPolicy":{"Name":"unless-stopped"}}}]"#;

    #[test]
    fn a_page_gives_what_tells_one_life_from_another() {
        assert_snapshot!("docker", format!("{:#?}", parse(PAGE).expect("a page")));
    }

    #[test]
    fn whatever_a_page_leaves_out_is_unknown_and_without_an_id_it_is_none() {
        assert_snapshot!("only_an_id", format!("{:#?}", parse(r#"{"Id":"ab"}"#).expect("a page")));
        let odd = r#"[{"Id":"ab","RestartCount":-1,"State":{"Pid":"1","ExitCode":"0","Running":1},
            "Config":{"Env":"A=1","Cmd":"serve it","Entrypoint":[1,"sh"],"Labels":[1]}}]"#;
        assert_snapshot!("odd", format!("{:#?}", parse(odd).expect("a page")));
        for page in ["[]", "Error", "", "{}", r#"[{"Id":""}]"#, r#"[{"Id":7}]"#] {
            assert_eq!(parse(page), None, "{page}");
        }
    }

    type Change<'a> = &'a dyn Fn(&mut ContainerState);

    #[test]
    fn another_life_is_seen_even_when_it_runs_at_both_looks() {
        let before = parse(PAGE).expect("a page");
        let with = |change: &dyn Fn(&mut ContainerState)| {
            let mut look = before.clone();
            change(&mut look);
            look.since(&before)
        };
        let ended = |look: &mut ContainerState| {
            (look.running, look.pid, look.status) = (false, 0, "exited".to_owned());
        };
        let changes: [(&str, Change); 9] = [
            ("nothing", &|_| ()),
            ("another start", &|look| look.started = "2026-11-23T06".to_owned()),
            ("another process", &|look| look.pid = 64),
            ("five more restarts", &|look| look.restarts = 6),
            ("a restart that has ended", &|look| {
                look.restarts = 2;
                ended(look);
            }),
            ("another container", &|look| look.id = "77".to_owned()),
            ("an end", &ended),
            ("a start that was not seen, and its end", &|look| {
                look.started = "2026-11-23T06".to_owned();
                ended(look);
            }),
            ("a pause", &|look| look.status = "paused".to_owned()),
        ];
        let reported = changes.map(|(name, change)| format!("{name}: {:?}", with(change)));
        assert_snapshot!("changes", reported.join("\n"));
        let paused = ContainerState { status: "paused".to_owned(), ..before.clone() };
        assert_eq!(before.since(&paused), Some(ContainerChange::Unpaused));
    }

    #[test]
    fn a_container_that_only_sleeps_keeps_its_log_inside() {
        let sleeps =
            ContainerState { command: "sleep infinity".to_owned(), ..ContainerState::default() };
        assert_eq!(sleeps.log_inside(), Some("/tmp/sparkrun_serve.log"));
        assert_eq!(ContainerState::default().log_inside(), None);
    }

    #[test]
    fn both_engines_words_for_gone_are_understood() {
        for words in [
            "Error: No such container: x",
            "Error: no such container x",
            "Error: no such object: \"x\"",
        ] {
            assert!(is_gone(words), "{words}");
        }
        assert!(!is_gone("Cannot connect to the Docker daemon"));
    }
}
