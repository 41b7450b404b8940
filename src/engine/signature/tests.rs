//! Checks the table against lines from real logs.

use std::collections::BTreeSet;

use super::{LogSource, Meaning, all, classify, named};
use crate::engine::lines::LINE_BYTES_MAX;

/// Returns the name of the row of a server's log line.
fn name(line: &str) -> Option<&'static str> {
    classify(LogSource::Server, line).map(|signature| signature.name)
}

#[test]
fn every_row_is_found_by_its_own_line_and_stolen_by_none() {
    for signature in all() {
        let found = classify(signature.log, signature.line).map(|found| found.name);
        assert_eq!(found, Some(signature.name), "{}", signature.line);
    }
}

#[test]
fn names_are_unique_and_plain_and_words_are_lower_case() {
    let names: BTreeSet<&str> = all().map(|signature| signature.name).collect();
    assert_eq!(names.len(), all().count());
    for signature in all() {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(signature.name.chars().all(plain), "{}", signature.name);
        assert!(!signature.words.is_empty());
        let lower = |word: &&str| word.len() > 1 && **word == word.to_ascii_lowercase();
        assert!(signature.words.iter().all(lower), "{}", signature.name);
        assert_eq!(named(signature.name), Some(signature));
    }
    assert_eq!(named("nothing"), None);
}

#[test]
fn every_name_stands_in_the_documentation_with_its_meaning() {
    let text = include_str!("../../../docs/formats/signatures.md");
    for signature in all() {
        let row = format!("| `{}` | {} |", signature.name, means(signature.meaning));
        assert!(text.contains(&row), "docs/formats/signatures.md lacks {row}");
    }
    let rows = text.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, all().count(), "and no other");
}

/// Returns the documentation's words for a meaning.
fn means(meaning: Meaning) -> String {
    match meaning {
        Meaning::Progress(step) => format!("on the way up: {step}"),
        Meaning::StartFailed(why) => format!("does not start: {why}"),
        Meaning::DriverOom => "out of memory: engine, libraries or driver".to_owned(),
        Meaning::KernelOom => "out of memory: the kernel killed".to_owned(),
        Meaning::CgroupOom => {
            "out of memory: the kernel killed at the container's limit".to_owned()
        }
        Meaning::UserspaceKill => "killed by a program that saves memory".to_owned(),
        Meaning::GpuFault => "the GPU or its driver failed".to_owned(),
        Meaning::EngineDead => "the engine is dead".to_owned(),
        Meaning::Asked => "asked to end".to_owned(),
        Meaning::Setting => "a setting".to_owned(),
        Meaning::Note => "worth knowing".to_owned(),
    }
}

#[test]
fn ordinary_lines_of_healthy_servers_are_nothing_bad() {
    let healthy = include_str!("tests/healthy.log");
    assert!(healthy.lines().count() > 60);
    for line in healthy.lines() {
        let found = classify(LogSource::Server, line);
        assert!(found.is_none_or(|found| !found.meaning.is_bad()), "{found:?}: {line}");
    }
    let kernel = include_str!("tests/kernel.log");
    for line in kernel.lines() {
        assert_eq!(classify(LogSource::Kernel, line), None, "{line}");
    }
}

#[test]
fn a_client_who_writes_about_memory_has_not_used_it_up() {
    let friends = [
        "(APIServer pid=1) INFO 04-19 12:21:04 [logger.py:43] Received request chatcmpl-1: prompt: 'Why do I get CUDA error: out of memory?', params: SamplingParams(n=1)",
        "ERROR 04-19 12:21:04 Received request chatcmpl-1: prompt: 'EngineDeadError torch.OutOfMemoryError: x'",
        "(APIServer pid=1) DEBUG 04-19 12:21:04 [logger.py:50] Request chatcmpl-1 details: prompt: 'CUDA out of memory. Tried to allocate 2 GiB', prompt_token_ids: None",
        "[2026-11-22 06:36:43] Receive: obj=GenerateReqInput(text='Scheduler hit an exception: torch.OutOfMemoryError: ')",
        "[2026-11-22 06:36:43] Finish: obj=GenerateReqInput(rid='1'), out={'text': 'address already in use'}",
        "INFO:     127.0.0.1:40114 - \"GET /v1/models?q=CUDA error: out of memory HTTP/1.1\" 200 OK",
        "(APIServer pid=1) ERROR 11-22 06:45:44 [serving.py:274] Error with model error=ErrorInfo(message='The model `EngineDeadError CUDA error: out of memory` does not exist.', type='NotFoundError')",
        "0.47.728.371 I slot print_timing: id  1 | task 0 | prompt: CUDA error: out of memory",
    ];
    for line in friends {
        assert_eq!(name(line), None, "{line}");
    }
}

#[test]
fn words_that_only_look_alike_are_told_apart() {
    let kernel = |line| classify(LogSource::Kernel, line).map(|found| found.name);
    // A retraction is a preemption, although the line says "out of memory".
    let retracted = "[2026-11-22 06:36:43 TP0] Decode out of memory happened. #retracted_reqs: 1";
    assert_eq!(name(retracted), Some("sglang_retracted"));
    let cgroup = "Memory cgroup out of memory: Killed process 1 (a) total-vm:1kB";
    assert_eq!(kernel(cgroup), Some("oom_kill_cgroup_process"));
    // A cause must win over the messages that the server prints while it dies.
    let quoting =
        "RuntimeError: Worker failed with error 'CUDA out of memory. Tried to allocate 2.00 GiB'";
    assert_eq!(name(quoting), Some("cuda_oom"));
    assert_eq!(name("INFO:     Shutting down"), None, "a dying server says so, too");
    assert_eq!(name("INFO:     Application shutdown complete."), None);
    let limit = "Found ulimit of 20000 and failed to automatically increase: [Errno 24] Too many open files";
    assert_eq!(name(limit), Some("ulimit_low"));
    assert_eq!(kernel("NVRM: Xid (PCI:000f:01:00): 131, pid=1, name=a"), Some("xid_other"));
    assert_eq!(name("NVRM: Xid (PCI:000f:01:00): 79, pid=1"), None, "another log's");
}

#[test]
fn a_line_of_a_megabyte_is_searched_as_far_as_a_line_is_kept() {
    let mut line = "é".repeat(500_000);
    line.push_str("CUDA error: out of memory");
    assert_eq!(name(&line), None);
    line.insert_str(0, "CUDA error: out of memory ");
    assert_eq!(name(&line), Some("cuda_error_oom"));
    let traceback =
        format!("{{\"message\": \"{} CUDA error: out of memory\"}}", "x".repeat(16_000));
    assert_eq!(name(&traceback), Some("cuda_error_oom"), "an exception stands at the end");
    for length in LINE_BYTES_MAX / 2 - 5..LINE_BYTES_MAX / 2 + 5 {
        assert_eq!(name(&"é".repeat(length)), None);
    }
}
