//! What the container engine of this machine knows of an image that it has.
//! Asked through its command line, with one question that changes nothing:
//! `image inspect` neither pulls nor starts anything.

use std::io::{ErrorKind, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::escape::one_line;
use crate::spec::field::shown;
use crate::spec::recipe::pin::own_digest;

/// Looked for in this order.
const PROGRAMS: [&str; 2] = ["docker", "podman"];

/// Bounds how long a daemon that hangs is waited for: ten seconds.
const LOOKS_MAX: u32 = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Bounds what a program may answer.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What is known.
pub enum Known {
    /// The digest, and the program that said it.
    Digest {
        /// `sha256:…`.
        digest: String,
        /// `docker`.
        program: String,
    },
    /// Nothing.
    Nothing {
        /// Why.
        why: String,
        /// What to try.
        hint: String,
    },
}

fn nothing(why: impl Into<String>, hint: impl Into<String>) -> Known {
    Known::Nothing { why: why.into(), hint: hint.into() }
}

/// Asks for an image's digest.
pub fn digest(program: Option<&str>, image: &str) -> Known {
    if program.is_some_and(|program| program.trim().is_empty()) {
        return nothing("--engine names no program", "--engine docker, or without --engine");
    }
    if !is_plain(image) {
        return nothing(format!("{} is no name of an image", shown(image)), "repository:tag");
    }
    let programs = program.map_or_else(|| PROGRAMS.to_vec(), |program| vec![program]);
    for program in &programs {
        match asked(program, image, LOOKS_MAX) {
            Ok(answer) => return understood(program, image, &answer),
            Err(why) if why.kind() == ErrorKind::NotFound => {}
            Err(why) => return nothing(format!("{program}: {why}"), "--engine PROGRAM"),
        }
    }
    let why = format!("there is no {} here", programs.join(" and no "));
    nothing(why, "on the machine that has the image; or --builds INDEX, or --engine PROGRAM")
}

/// A stranger's text must not be taken for an option.
fn is_plain(image: &str) -> bool {
    image.starts_with(|c: char| c.is_ascii_alphanumeric())
        && image.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c))
}

/// What a program said, and whether it was content.
struct Answer {
    is_good: bool,
    out: String,
    err: String,
}

fn asked(program: &str, image: &str, looks: u32) -> std::io::Result<Answer> {
    let mut command = Command::new(program);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command
        .args(["image", "inspect", "--format", "{{json .RepoDigests}}", image])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (out, err) = (read(child.stdout.take())?, read(child.stderr.take())?);
    let late = || std::io::Error::new(ErrorKind::TimedOut, "it did not answer in ten seconds");
    for _ in 0..looks {
        if let Some(status) = child.try_wait()? {
            // Whoever still holds its pipes is not waited for.
            let page = |pages: &Receiver<String>| {
                pages.recv_timeout(BETWEEN_LOOKS * 20).map_err(|_| late())
            };
            let err = page(&err)?;
            let err = if err.trim().is_empty() { status.to_string() } else { err };
            return Ok(Answer { is_good: status.success(), out: page(&out)?, err });
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    end(&mut child)?;
    Err(late())
}

/// Ends a program that hangs with all that it started: it leads a group of its own, and may be
/// a script around the one that hangs.
fn end(child: &mut Child) -> std::io::Result<()> {
    #[cfg(unix)]
    if let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
        // A group that ended by itself just now is what was wanted.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    child.kill()?;
    child.wait().map(drop)
}

/// Reads a pipe to its end on a thread of its own, so that a full one holds nobody up. What
/// is beyond the bound is read and dropped.
fn read(pipe: Option<impl Read + Send + 'static>) -> std::io::Result<Receiver<String>> {
    let (page, pages) = channel();
    std::thread::Builder::new().spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut bytes = Vec::new();
        // What was read before an error is what there is.
        let _ = (&mut pipe).take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        // Nobody listens any more when the answer came too late.
        let _ = page.send(String::from_utf8_lossy(&bytes).into_owned());
    })?;
    Ok(pages)
}

fn understood(program: &str, image: &str, answer: &Answer) -> Known {
    let said = answer.err.to_ascii_lowercase();
    if !answer.is_good {
        let why = one_line(answer.err.trim(), 200);
        return if said.contains("no such")
            || said.contains("not known")
            || said.contains("not found")
        {
            let why = format!("{program} does not have {}", shown(image));
            nothing(why, format!("{program} pull {image}, and again; or --builds INDEX"))
        } else if said.contains("permission denied") {
            let hint = "as a user who may talk to it (group docker, or sudo); or --builds INDEX";
            nothing(format!("{program} may not be asked: {why}"), hint)
        } else if said.contains("daemon") || said.contains("connect") {
            nothing(format!("{program} does not run: {why}"), "start it; or --builds INDEX")
        } else {
            nothing(format!("{program}: {why}"), "--builds INDEX")
        };
    }
    let Ok(names) = serde_json::from_str::<Option<Vec<String>>>(answer.out.trim()) else {
        return nothing(format!("{program} answers something else"), "--builds INDEX");
    };
    let names = names.unwrap_or_default();
    if let Some(digest) = own_digest(image, &names) {
        return Known::Digest { digest: digest.to_owned(), program: program.to_owned() };
    }
    let why = match names.first() {
        None => format!("{program} has {}, but from no registry: it was built here", shown(image)),
        Some(other) => format!("{program} knows it only as {}", shown(other)),
    };
    nothing(why, "push it to a registry, and name it by the digest that it gets there")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(is_good: bool, out: &str, err: &str) -> String {
        let answer = Answer { is_good, out: out.to_owned(), err: err.to_owned() };
        match understood("docker", "a/b:c", &answer) {
            Known::Digest { digest, .. } => digest,
            Known::Nothing { why, hint } => format!("{why} | {hint}"),
        }
    }

    #[test]
    fn every_way_to_know_nothing_is_explained() {
        let digest = format!("sha256:{}", "2".repeat(64));
        assert_eq!(words(true, &format!("[\"x/y@sha256:1\",\"a/b@{digest}\"]\n"), ""), digest);
        assert!(words(true, "[\"a/b@sha256:zz\"]", "").contains("only as"));
        assert!(words(true, "banana", "").contains("something else"));
        assert!(words(true, "[]\n", "").contains("built here"));
        assert!(words(true, "null\n", "").contains("built here"));
        assert!(words(true, "[\"x/y@sha256:1\"]", "").contains("only as `x/y@sha256:1`"));
        let denied = "permission denied while trying to connect to the Docker daemon socket";
        assert!(words(false, "", denied).contains("group docker"));
        assert!(words(false, "", "Cannot connect to the Docker daemon").contains("start it"));
        assert!(words(false, "[]", "Error: No such image: a/b:c").contains("docker pull a/b:c"));
        assert!(words(false, "", "Error: a/b:c: image not known").contains("docker pull"));
    }

    #[cfg(unix)]
    #[test]
    fn what_a_program_that_hangs_has_started_ends_with_it() {
        let folder = std::env::temp_dir().join(format!("longhaul-hangs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (script, pid) = (folder.join("engine"), folder.join("pid"));
        // A pipe without a reader would end it too; a file does not.
        let text =
            format!("#!/bin/sh\nsleep 600 >/dev/null 2>&1 & echo $! >{}\nwait\n", pid.display());
        std::fs::write(&script, text).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).expect("made runnable");
        assert!(asked(&script.to_string_lossy(), "a/b:c", 40).is_err());
        let pid = std::fs::read_to_string(&pid).expect("started").trim().parse().expect("a number");
        let pid = rustix::process::Pid::from_raw(pid).expect("a process");
        // Whoever inherited it takes its end a moment later.
        let mut looks = 0..200;
        let is_there = || rustix::process::test_kill_process(pid).is_ok() && !is_dead(pid);
        assert!(looks.any(|_| {
            std::thread::sleep(BETWEEN_LOOKS);
            !is_there()
        }));
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    /// Ended, and not yet taken note of by whoever inherited it.
    #[cfg(unix)]
    fn is_dead(pid: rustix::process::Pid) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        stat.is_ok_and(|stat| stat.contains(") Z "))
    }

    #[test]
    fn a_strangers_name_is_no_option() {
        assert!(!is_plain("--help") && !is_plain("a b") && !is_plain("") && is_plain("a/b:c@d"));
    }
}
