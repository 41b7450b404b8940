//! Explains an error of a container engine, and what a user can do about it. The engine's own words
//! are kept; only their meaning is added.

use crate::error::Mistake;
use crate::escape::one_line;

/// Limit of the engine's words that are repeated.
const WORDS_CHARS_MAX: usize = 400;

/// Words that show a reason, the name of the reason, and what to try.
const REASONS: [(&[&str], &str, &str); 12] = [
    (
        &["there is no program"],
        "the program is not here",
        "install it, or name the one that is: --engine PROGRAM",
    ),
    (
        &["port is already allocated"],
        "the port is in use",
        "end what listens there, or serve on another port (`port` in the recipe)",
    ),
    (
        &["address already in use"],
        "the port is in use",
        "end what listens there, or serve on another port (`port` in the recipe)",
    ),
    (
        &["could not select device driver"],
        "the engine has no driver for GPUs",
        "install the NVIDIA container toolkit and restart the engine, or --gpus none",
    ),
    (
        &["no such file or directory", "unable to start container process"],
        "the image has no such program",
        "look at the image's entry point, or start the recipe with the tools it was made for",
    ),
    (
        &["executable file not found"],
        "the image has no such program",
        "look at the image's entry point, or start the recipe with the tools it was made for",
    ),
    (
        &["permission denied", "socket"],
        "you may not talk to the engine",
        "as a member of the group that may (docker), with sudo, or --engine podman; whoever may, is root there",
    ),
    (
        &["cannot connect to the docker daemon"],
        "the engine does not run",
        "start it, or say where it runs: DOCKER_HOST, docker context",
    ),
    (
        &["is already in use by container"],
        "there is a container of that name",
        "look at it and remove it yourself: longhaul removes nothing that it did not start",
    ),
    (&["no such image"], "the image is not here", "--pull, to let longhaul fetch it"),
    (
        &["manifest unknown"],
        "no registry has this image",
        "look at its name and digest: `longhaul recipe check`",
    ),
    (&["unauthorized"], "the registry wants you to log in", "log in with the engine's own `login`"),
];

/// Explains an engine's error.
pub(crate) fn explained(program: &str, words: &str) -> Mistake {
    let said = words.to_ascii_lowercase();
    let reason = REASONS.iter().find(|(signs, _, _)| signs.iter().all(|sign| said.contains(sign)));
    // The first line has the reason; the rest says how to get help.
    let line = words.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let line = one_line(line.trim(), WORDS_CHARS_MAX);
    match reason {
        Some((_, meaning, hint)) => {
            Mistake::new(format!("{program}: {meaning}")).at(line).hint(*hint)
        }
        None => Mistake::new(format!("{program}: {line}"))
            .hint("the same by hand shows more; -v shows the command line"),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;

    #[test]
    fn every_refusal_is_explained_with_something_to_try() {
        let runc = "docker: Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/x\": stat /x: no such file or directory: unknown\n\nRun 'docker run --help' for more information";
        let said = [
            "docker: Error response from daemon: driver failed: Bind for 127.0.0.1:1 failed: port is already allocated",
            "Error: listen tcp4 127.0.0.1:1: bind: address already in use",
            "docker: Error response from daemon: could not select device driver \"\" with capabilities: [[gpu]]",
            runc,
            "Error: crun: executable file `x` not found in $PATH: No such file or directory: OCI runtime attempted to invoke a command that was not found: executable file not found",
            "permission denied while trying to connect to the Docker daemon socket at unix:///x",
            "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?",
            "docker: Error response from daemon: No such image: a/b@sha256:1",
            "there is no program `podman` here",
            "Error response from daemon: manifest unknown: manifest unknown",
            "Error response from daemon: Head \"https://reg.example/v2/\": unauthorized",
            "Conflict. The container name \"/b\" is already in use by container \"1\".",
            "\n  something new\nand more of it",
            "",
        ];
        assert_snapshot!("refusals", each(said, |words| explained("docker", words).to_string()));
    }
}
