//! Lists what a container engine prints in place of a server's log when it cannot start a
//! container.

use super::{Meaning, Signature, server};
use crate::fact::Severity;

/// Causes.
pub(super) const CAUSES: &[Signature] = &[
    server(
        "container_port_in_use",
        &["port is already allocated"],
        Severity::Fatal,
        Meaning::StartFailed("the port is in use"),
        "docker: Error response from daemon: driver failed programming external connectivity on endpoint a (3afd): Bind for 127.0.0.1:8000 failed: port is already allocated",
    ),
    server(
        "container_gpu_missing",
        &["could not select device driver", "gpu"],
        Severity::Fatal,
        Meaning::StartFailed("the container engine has no driver for GPUs"),
        "docker: Error response from daemon: could not select device driver \"\" with capabilities: [[gpu]]",
    ),
    server(
        "pull_refused",
        &["pull access denied for"],
        Severity::Fatal,
        Meaning::StartFailed("the image cannot be pulled: it is not there, or needs a login"),
        "docker: Error response from daemon: pull access denied for org/image, repository does not exist or may require 'docker login'",
    ),
    server(
        "pull_unknown",
        &["manifest unknown"],
        Severity::Fatal,
        Meaning::StartFailed("the image cannot be pulled: no such digest or tag"),
        "Error response from daemon: manifest for registry/org/image@sha256:9ca7 not found: manifest unknown: manifest unknown",
    ),
    server(
        "pull_limited",
        &["toomanyrequests:"],
        Severity::Fatal,
        Meaning::StartFailed("the image cannot be pulled: the registry limits how often"),
        "Error response from daemon: toomanyrequests: You have reached your pull rate limit.",
    ),
    server(
        "image_missing",
        &["unable to find image '", "' locally"],
        Severity::Info,
        Meaning::Note,
        "Unable to find image 'org/image@sha256:9ca7' locally",
    ),
    server(
        "registry_unreachable",
        &["error response from daemon:", "dial tcp"],
        Severity::Fatal,
        Meaning::StartFailed("the image cannot be pulled: the registry cannot be reached"),
        "Error response from daemon: Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
    ),
    server(
        "container_socket_refused",
        &["permission denied while trying to connect to the docker"],
        Severity::Fatal,
        Meaning::StartFailed("the container engine's socket may not be used"),
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \"http://%2Fvar%2Frun%2Fdocker.sock/v1.50/containers/json\": dial unix /var/run/docker.sock: connect: permission denied",
    ),
    server(
        "container_engine_away",
        &["cannot connect to the docker daemon"],
        Severity::Fatal,
        Meaning::StartFailed("the container engine does not run"),
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    ),
    server(
        "container_entry_missing",
        &["unable to start container process:", "no such file or directory"],
        Severity::Fatal,
        Meaning::StartFailed("the image lacks the program that is to be started"),
        "docker: Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/nope\": stat /nope: no such file or directory: unknown",
    ),
    server(
        "image_architecture",
        &["exec format error"],
        Severity::Fatal,
        Meaning::StartFailed("the image is for another processor"),
        "exec /usr/bin/python3: exec format error",
    ),
];
