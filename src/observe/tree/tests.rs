use super::*;
use crate::observe::scratch::Scratch;

/// Returns a machine that was booted 1,000 s after 1970.
fn machine() -> (Scratch, ServerPid) {
    let scratch = Scratch::new();
    scratch.write("/proc/stat", "cpu 1 2 3\nbtime 1000\n");
    scratch.write("/proc/self/smaps", "KernelPageSize:       64 kB\n");
    (scratch, ServerPid::default())
}

fn process(scratch: &Scratch, pid: u32, parent: u32, began: u64, command: &str) {
    let stat = format!(
        "{pid} (python3) S {parent} 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 3 0 {began} 99 10 1 1\n"
    );
    scratch.write(&format!("/proc/{pid}/stat"), &stat);
    scratch.write(&format!("/proc/{pid}/cmdline"), &format!("{command}\0serve\0"));
}

fn memory(scratch: &Scratch, pid: u32, anonymous: u64, shared: u64) {
    let status = format!("RssAnon:\t {anonymous} kB\nRssShmem:\t {shared} kB\nVmSwap:\t 1 kB\n");
    scratch.write(&format!("/proc/{pid}/status"), &status);
}

fn vllm(scratch: &Scratch) {
    process(scratch, 100, 1, 500, "python3");
    process(scratch, 101, 100, 510, "VLLM::EngineCore");
    process(scratch, 102, 101, 520, "VLLM::Worker_TP0");
    process(scratch, 103, 101, 520, "VLLM::Worker_TP0");
    process(scratch, 200, 1, 1, "VLLM::EngineCore");
}

fn value(look: &Observation, instance: &str, name: &str) -> Option<f64> {
    let found = look.samples.iter().find(|it| it.instance == instance && it.name == name);
    found.map(|it| it.value)
}

fn counts(look: &Observation) -> (Option<f64>, Option<f64>) {
    (value(look, "", "processes"), value(look, "", "orphan_processes"))
}

#[test]
fn a_tree_is_counted_and_its_memory_is_told_by_title() {
    let (scratch, server_pid) = machine();
    vllm(&scratch);
    let mut tree = ServerProcesses::new(scratch.root(), server_pid.clone());
    assert_eq!(tree.read(At(0)), Err("the server's process is not known".to_owned()));
    server_pid.set(Some(100));
    let look = tree.read(At(1)).unwrap();
    assert_eq!(counts(&look), (Some(4.0), Some(0.0)), "another server's is not counted");
    assert_eq!(value(&look, "VLLM::Worker_TP0", "rss_bytes"), Some(2.0 * 10.0 * 65_536.0));
    assert_eq!(value(&look, "python3", "rss_bytes"), Some(10.0 * 65_536.0));
    assert_eq!(value(&look, "", "threads"), Some(12.0));
    assert_eq!(value(&look, "", PROCESS_STARTED.name), Some(1005.0));
}

#[test]
fn memory_of_the_whole_tree_is_told_by_kind_and_by_title_where_there_are_several() {
    let (scratch, server_pid) = machine();
    vllm(&scratch);
    for (pid, anonymous, shared) in [(100, 1, 10), (101, 2, 20), (102, 3, 30), (103, 4, 40)] {
        memory(&scratch, pid, anonymous, shared);
    }
    server_pid.set(Some(100));
    let mut tree = ServerProcesses::new(scratch.root(), server_pid);
    let look = tree.read(At(0)).unwrap();
    let kib = |title: &str, name: &str| value(&look, title, name).map(|bytes| bytes / 1024.0);
    assert_eq!(kib("", "anonymous_bytes"), Some(10.0));
    assert_eq!(kib("", "shared_bytes"), Some(100.0));
    assert_eq!(kib("", "swapped_bytes"), Some(4.0));
    assert_eq!(kib("VLLM::Worker_TP0", "anonymous_bytes"), Some(7.0));
    assert_eq!(kib("VLLM::EngineCore", "shared_bytes"), Some(20.0));
    for pid in [101, 102, 103] {
        scratch.remove(&format!("/proc/{pid}"));
    }
    let look = tree.read(At(1_000_000)).unwrap();
    assert_eq!(value(&look, "", "anonymous_bytes"), Some(1024.0), "the others are gone");
    assert_eq!(value(&look, "python3", "anonymous_bytes"), None, "one title is the whole tree");
}

#[test]
fn a_kernel_that_does_not_tell_the_kinds_apart_leaves_them_out() {
    let (scratch, server_pid) = machine();
    vllm(&scratch);
    server_pid.set(Some(100));
    let look = ServerProcesses::new(scratch.root(), server_pid).read(At(0)).unwrap();
    assert_eq!(value(&look, "", "anonymous_bytes"), None);
    assert_eq!(value(&look, "", "swapped_bytes"), None);
}

#[test]
fn what_outlives_the_main_process_is_told_and_the_tree_is_empty() {
    let (scratch, server_pid) = machine();
    vllm(&scratch);
    server_pid.set(Some(100));
    let mut tree = ServerProcesses::new(scratch.root(), server_pid.clone());
    tree.read(At(0)).unwrap();
    scratch.remove("/proc/100");
    process(&scratch, 101, 1, 510, "VLLM::EngineCore");
    let look = tree.read(At(1_000_000)).unwrap();
    assert_eq!(counts(&look), (Some(0.0), Some(3.0)));
    assert_eq!(value(&look, "", PROCESS_STARTED.name), None);
    assert!(value(&look, "VLLM::EngineCore", "rss_bytes").is_some());
    // The watch reports that the process is gone, and then where the next one is.
    server_pid.set(None);
    assert_eq!(counts(&tree.read(At(2_000_000)).unwrap()), (Some(0.0), Some(3.0)));
    process(&scratch, 300, 1, 900, "python3");
    server_pid.set(Some(300));
    let look = tree.read(At(3_000_000)).unwrap();
    assert_eq!(counts(&look), (Some(1.0), Some(3.0)));
    assert_eq!(value(&look, "", PROCESS_STARTED.name), Some(1009.0));
}

#[test]
fn a_number_that_is_used_anew_is_another_process() {
    let (scratch, server_pid) = machine();
    vllm(&scratch);
    server_pid.set(Some(100));
    let mut tree = ServerProcesses::new(scratch.root(), server_pid);
    tree.read(At(0)).unwrap();
    process(&scratch, 102, 1, 999, "bash");
    assert_eq!(counts(&tree.read(At(1)).unwrap()), (Some(3.0), Some(0.0)));
    process(&scratch, 100, 1, 1500, "python3");
    let look = tree.read(At(2)).unwrap();
    assert_eq!(
        value(&look, "", PROCESS_STARTED.name),
        Some(1015.0),
        "a quick restart under its old number"
    );
}

#[test]
fn new_processes_are_looked_for_every_ten_seconds_and_gone_ones_every_second() {
    let (scratch, server_pid) = machine();
    vllm(&scratch);
    server_pid.set(Some(100));
    let mut tree = ServerProcesses::new(scratch.root(), server_pid);
    tree.read(At(0)).unwrap();
    process(&scratch, 104, 100, 700, "VLLM::Worker_TP1");
    scratch.remove("/proc/103");
    assert_eq!(counts(&tree.read(At(1_000_000)).unwrap()).0, Some(3.0));
    assert_eq!(counts(&tree.read(At(SEARCH_US)).unwrap()).0, Some(4.0));
}

#[test]
fn this_process_can_be_read() {
    let server_pid = ServerPid::default();
    server_pid.set(Some(std::process::id()));
    let mut tree = ServerProcesses::new(Root::here(), server_pid);
    let look = tree.read(At(0)).unwrap();
    assert!(counts(&look).0.unwrap() >= 1.0);
    let started_s = value(&look, "", PROCESS_STARTED.name).unwrap();
    assert!(started_s > 1.6e9, "{started_s}");
    assert!(value(&look, "", "open_files").unwrap() >= 3.0);
    assert!(value(&look, "", "anonymous_bytes").unwrap() > 1e5);
}
