//! Parses a line of `events`: what happened to a container, and above all whether somebody did it.
//! A `die` after a `kill` was requested; one without came from the process itself or the kernel.
//! podman uses other words for the same events.

use serde_json::Value;

/// Kind of a container event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContainerEventKind {
    /// A signal sent through the engine.
    Kill(Option<i64>),
    /// End of its process, with the exit code.
    Die(Option<i64>),
    /// Out of memory in the container.
    Oom,
    /// Start of the container.
    Start,
    /// Stop through the engine.
    Stop,
    /// Restart through the engine; its stop and start have events of their own.
    Restart,
    /// Pause of the container.
    Pause,
    /// End of a pause.
    Unpause,
    /// Removal of the container.
    Destroy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerEvent {
    pub what: ContainerEventKind,
    /// Container id.
    pub id: String,
    /// Time by the engine's clock, in nanoseconds since 1970; 0 where it is missing.
    pub at_ns: u64,
}

/// Parses a line; `None` for an event that does not matter here.
pub(crate) fn parse(line: &str) -> Option<ContainerEvent> {
    let event: Value = serde_json::from_str(line).ok()?;
    let kind = event["Type"].as_str().or(event["type"].as_str()).unwrap_or("container");
    if kind != "container" {
        return None;
    }
    let of = |names: &[&str]| names.iter().find_map(|name| event[*name].as_str());
    let attributes = [&event["Actor"]["Attributes"], &event["Attributes"]];
    let attribute = |name: &str| attributes.iter().find_map(|all| number(&all[name]));
    let action = of(&["Action", "status", "Status"])?;
    let what = match action.split(':').next()? {
        "kill" => ContainerEventKind::Kill(attribute("signal")),
        "die" | "died" => {
            let code = attribute("exitCode");
            ContainerEventKind::Die(code.or_else(|| number(&event["ContainerExitCode"])))
        }
        "oom" => ContainerEventKind::Oom,
        "start" => ContainerEventKind::Start,
        "stop" => ContainerEventKind::Stop,
        "restart" => ContainerEventKind::Restart,
        "pause" => ContainerEventKind::Pause,
        "unpause" => ContainerEventKind::Unpause,
        "destroy" | "remove" => ContainerEventKind::Destroy,
        _ => return None,
    };
    let id = event["Actor"]["ID"].as_str().or_else(|| of(&["id", "ID"])).unwrap_or_default();
    let nanoseconds = number(&event["timeNano"]).or_else(|| {
        let seconds = number(&event["time"])?;
        seconds.checked_mul(1_000_000_000)
    });
    let at_ns = nanoseconds.and_then(|ns| u64::try_from(ns).ok()).unwrap_or(0);
    Some(ContainerEvent { what, id: id.to_owned(), at_ns })
}

/// Parses a number, given as a number or as text; signals can also be given by name.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok().or_else(|| signal(text)),
        _ => None,
    }
}

fn signal(name: &str) -> Option<i64> {
    let name = name.strip_prefix("SIG").unwrap_or(name);
    [("HUP", 1), ("INT", 2), ("QUIT", 3), ("KILL", 9), ("TERM", 15), ("CONT", 18), ("STOP", 19)]
        .into_iter()
        .find_map(|(known, number)| (known == name).then_some(number))
}

/// Formats a time for `events --since`.
pub(crate) fn since(at_ns: u64) -> String {
    format!("{}.{:09}", at_ns / 1_000_000_000, at_ns % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docker(action: &str, more: &str) -> String {
        format!(
            r#"{{"status":"{action}","id":"5672","from":"p","Type":"container","Action":"{action}","Actor":{{"ID":"5672","Attributes":{{"image":"p"{more}}}}},"scope":"local","time":1795411900,"timeNano":1795411900359098242}}"#
        )
    }

    #[test]
    fn dockers_events_say_what_and_who() {
        let kill = parse(&docker("kill", r#","signal":"15""#)).expect("an event");
        assert_eq!((kill.what, kill.id.as_str()), (ContainerEventKind::Kill(Some(15)), "5672"));
        assert_eq!(kill.at_ns, 1_795_411_900_359_098_242);
        let what = |line: &str| parse(line).map(|event| event.what);
        assert_eq!(
            what(&docker("die", r#","exitCode":"137""#)),
            Some(ContainerEventKind::Die(Some(137)))
        );
        assert_eq!(what(&docker("oom", "")), Some(ContainerEventKind::Oom));
        assert_eq!(what(&docker("create", "")), None);
        assert_eq!(what(&docker("exec_create: ls", "")), None);
        assert_eq!(what(r#"{"Type":"network","Action":"connect"}"#), None);
        assert_eq!(what("not json"), None);
    }

    #[test]
    fn podmans_words_mean_the_same() {
        let died = r#"{"ContainerExitCode":137,"ID":"ab","Name":"x","Status":"died","Type":"container","time":1795411900,"timeNano":1795411900000000001}"#;
        let event = parse(died).expect("an event");
        assert_eq!((event.what, event.id.as_str()), (ContainerEventKind::Die(Some(137)), "ab"));
        let gone = r#"{"ID":"ab","Status":"remove","Type":"container","time":1795411900}"#;
        let event = parse(gone).expect("an event");
        assert_eq!(
            (event.what, event.at_ns),
            (ContainerEventKind::Destroy, 1_795_411_900_000_000_000)
        );
    }

    #[test]
    fn since_is_seconds_and_nanoseconds() {
        assert_eq!(since(1_795_411_900_059_098_242), "1795411900.059098242");
    }
}
