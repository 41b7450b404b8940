use super::*;
use crate::spec::{SpecFile, recipe};

const DIGEST: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";
const OTHER: &str = "sha256:3333333333333333333333333333333333333333333333333333333333333333";

fn recipe(image: &str, env: &str) -> Recipe {
    let text = format!("model: org/Model\ncontainer: {image}\nenv: {{{env}}}\n");
    recipe::read(SpecFile { name: "r".into(), origin: "r.yaml".into(), text }).unwrap()
}

fn contained(image: &str, digests: &[&str], env: &[(&str, &str)]) -> ContainerDescription {
    ContainerDescription {
        engine: "docker".into(),
        name: "vllm".into(),
        id: "0a".into(),
        image: image.into(),
        image_id: "sha256:aaaaaaaaaaaa1111".into(),
        digests: digests.iter().map(|it| (*it).to_owned()).collect(),
        started: "2026-05-13T03:47:42Z".into(),
        env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    }
}

fn words(seen: &[Statement]) -> Vec<String> {
    seen.iter().filter(|seen| seen.differs).map(Statement::words).collect()
}

#[test]
fn an_image_by_digest_is_the_recipes_from_whatever_registry_it_came() {
    let recipe = recipe(&format!("org/img@{DIGEST}"), "");
    let mirror = format!("127.0.0.1:5000/mirror/img@{DIGEST}");
    let same = contained(&mirror, &[&mirror], &[]);
    assert!(words(&of_container(&recipe, &same)).is_empty());
    let moved = format!("org/img@{OTHER}");
    let other = contained("org/img:latest", &[&moved], &[]);
    assert_eq!(
        words(&of_container(&recipe, &other)),
        [format!("container: declared org/img@{DIGEST}, seen org/img:latest = org/img@{OTHER}")]
    );
    let built = contained("org/img:latest", &[], &[]);
    let seen = words(&of_container(&recipe, &built));
    assert!(
        seen[0].ends_with("seen org/img:latest (no digest: built or loaded there)"),
        "{seen:?}"
    );
}

#[test]
fn an_image_by_tag_is_the_recipes_where_name_and_tag_are() {
    let pulled = format!("org/img@{DIGEST}");
    for (declared, started) in [
        ("org/img", "docker.io/org/img:latest"),
        ("org/img:v1", "org/img:v1"),
        ("org/img:v1", pulled.as_str()),
        ("org/img:v1", "sha256:aaaaaaaaaaaa1111"),
        ("aaaaaaaaaaaa", "anything"),
        ("\"{image}\"", "anything"),
    ] {
        let seen = of_container(&recipe(declared, ""), &contained(started, &[&pulled], &[]));
        assert!(words(&seen).is_empty(), "{declared} {started}: {seen:?}");
    }
    for (declared, started) in [("org/img:v1", "org/img:v2"), ("org/img:v1", "org/img"), ("a", "b")]
    {
        let seen = of_container(&recipe(declared, ""), &contained(started, &[], &[]));
        assert_eq!(words(&seen).len(), 1, "{declared} {started}: {seen:?}");
    }
}

#[test]
fn variables_are_compared_one_by_one_and_those_of_the_image_differ_in_nothing() {
    let recipe = recipe("a", "A: 1, B: two, C: 3, D: \"${HOME}/x\"");
    let env = [("PATH", "/bin"), ("A", "1"), ("B", "2"), ("D", "/root/x")];
    let seen = of_container(&recipe, &contained("a", &[], &env));
    assert_eq!(words(&seen), ["env.C: declared 3, seen nothing", "env.B: declared two, seen 2"]);
    let path = seen.iter().find(|seen| seen.subject == "env.PATH").unwrap();
    assert_eq!((path.seen.as_str(), path.declared.as_deref()), ("/bin", None));
}

#[test]
fn a_value_that_may_be_secret_is_compared_and_never_written() {
    let recipe = recipe("a", "HF_TOKEN: abcdef, URL: none");
    let env = [("HF_TOKEN", "ghijkl"), ("URL", "http://me:secret@host")];
    let before = contained("a", &[], &env);
    let seen = of_container(&recipe, &before);
    assert_eq!(
        words(&seen),
        [
            "env.HF_TOKEN: another value than the recipe's; neither is shown",
            "env.URL: another value than the recipe's; neither is shown",
        ]
    );
    let mut now = before.clone();
    now.env[0].1 = "mnopqr".to_owned();
    let changed = container_changed(&recipe, &before, &now);
    assert_eq!(changed.len(), 1);
    for text in ["abcdef", "ghijkl", "mnopqr", "secret@"] {
        assert!(!format!("{seen:?}{changed:?}").contains(text), "{text}");
    }
}

#[test]
fn a_container_that_was_started_again_has_another_start_and_that_is_no_finding() {
    let recipe = recipe("a", "");
    let before = contained("a", &[], &[("A", "1")]);
    assert!(container_changed(&recipe, &before, &before).is_empty());
    let now = ContainerDescription { started: "later".into(), id: "0b".into(), ..before.clone() };
    let changed = container_changed(&recipe, &before, &now);
    let subjects: Vec<&str> = changed.iter().map(|seen| seen.subject.as_str()).collect();
    assert_eq!(subjects, ["container_id", "container_started"]);
    assert!(words(&changed).is_empty() && changed[0].note.contains("0a before, 0b now"));
}

#[test]
fn an_image_or_an_environment_that_changes_between_two_starts_is_a_finding() {
    let recipe = recipe("a:v1", "A: 1");
    let before = contained("a:v1", &[], &[("A", "1"), ("B", "2")]);
    let now = contained("a:v2", &[], &[("A", "9"), ("C", "3")]);
    assert_eq!(
        words(&container_changed(&recipe, &before, &now)),
        [
            "container: changed during the run: a:v1 (no digest: built or loaded there) before, \
             a:v2 (no digest: built or loaded there) now; the recipe says a:v1",
            "env.A: changed during the run: 1 before, 9 now; the recipe says 1",
            "env.C: changed during the run: nothing before, 3 now",
            "env.B: changed during the run: 2 before, nothing now",
        ]
    );
}
