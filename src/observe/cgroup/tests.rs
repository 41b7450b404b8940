use super::*;
use crate::observe::scratch::Scratch;

const MOUNTS_ONE: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
const GROUPS_ONE: &str = "9:name=systemd:/\n4:memory:/docker/0a1b\n2:cpuacct,cpu:/\n0::/\n";
const MOUNTS_TWO: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
const GROUPS_TWO: &str = "0::/system.slice/docker-0a1b.scope\n";
const FOLDER_ONE: &str = "/sys/fs/cgroup/memory/docker/0a1b";
const FOLDER_TWO: &str = "/sys/fs/cgroup/system.slice/docker-0a1b.scope";

fn machine(groups: &str, mounts: &str) -> (Scratch, Cgroup, ServerPid) {
    let scratch = Scratch::new();
    scratch.write("/proc/77/cgroup", groups);
    scratch.write("/proc/self/mountinfo", mounts);
    let server_pid = ServerPid::default();
    server_pid.set(Some(77));
    let cgroup = Cgroup::new(scratch.root(), server_pid.clone());
    (scratch, cgroup, server_pid)
}

fn values(look: &Observation) -> Vec<(&str, f64)> {
    look.samples.iter().map(|it| (it.name.as_str(), it.value)).collect()
}

fn write_one(scratch: &Scratch, kills: u64) {
    let control = format!("oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n");
    scratch.write(&format!("{FOLDER_ONE}/memory.oom_control"), &control);
    scratch.write(&format!("{FOLDER_ONE}/memory.usage_in_bytes"), "66420736\n");
    scratch.write(&format!("{FOLDER_ONE}/memory.limit_in_bytes"), "67108864\n");
    scratch.write(&format!("{FOLDER_ONE}/memory.failcnt"), "41\n");
}

#[test]
fn version_one_is_read_where_it_has_the_memory_controller() {
    let (scratch, mut cgroup, _) = machine(GROUPS_ONE, MOUNTS_ONE);
    write_one(&scratch, 2);
    let look = cgroup.read(At::ZERO).unwrap();
    assert_eq!(
        values(&look),
        [
            ("cgroup_oom_kills", 2.0),
            ("cgroup_limit_hits", 41.0),
            ("cgroup_memory_bytes", 66_420_736.0),
            ("cgroup_memory_max_bytes", 67_108_864.0),
        ]
    );
    assert_eq!(look.samples[0].instance, "/docker/0a1b");
}

#[test]
fn version_two_is_read_and_no_limit_is_no_value() {
    let (scratch, mut cgroup, _) = machine(GROUPS_TWO, MOUNTS_TWO);
    let events = "low 0\nhigh 5\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n";
    scratch.write(&format!("{FOLDER_TWO}/memory.events"), events);
    scratch.write(&format!("{FOLDER_TWO}/memory.current"), "1000\n");
    scratch.write(&format!("{FOLDER_TWO}/memory.max"), "max\n");
    assert_eq!(
        values(&cgroup.read(At::ZERO).unwrap()),
        [
            ("cgroup_oom_kills", 1.0),
            ("cgroup_ooms", 1.0),
            ("cgroup_limit_hits", 12.0),
            ("cgroup_high_hits", 5.0),
            ("cgroup_memory_bytes", 1000.0),
        ]
    );
}

#[test]
fn the_count_of_a_process_that_was_killed_is_read_as_long_as_its_cgroup_is_there() {
    let (scratch, mut cgroup, server_pid) = machine(GROUPS_ONE, MOUNTS_ONE);
    write_one(&scratch, 0);
    cgroup.read(At::ZERO).unwrap();
    scratch.remove("/proc/77");
    write_one(&scratch, 1);
    assert_eq!(values(&cgroup.read(At::ZERO).unwrap())[0], ("cgroup_oom_kills", 1.0));
    server_pid.set(None);
    assert!(cgroup.read(At::ZERO).is_ok());
    scratch.remove(FOLDER_ONE);
    let why = cgroup.read(At::ZERO).unwrap_err();
    assert_eq!(why, format!("{FOLDER_ONE}/memory.oom_control: no such file"));
    // The next process is looked up anew.
    server_pid.set(Some(78));
    assert_eq!(cgroup.read(At::ZERO).unwrap_err(), "/proc/78/cgroup: no such file");
}

#[test]
fn a_process_that_nobody_knows_is_a_miss() {
    let (_scratch, mut cgroup, server_pid) = machine(GROUPS_ONE, MOUNTS_ONE);
    server_pid.set(None);
    assert_eq!(cgroup.read(At::ZERO).unwrap_err(), "the server's process is not known");
}

#[test]
fn the_root_of_the_second_version_counts_nothing_and_says_so() {
    let (_scratch, mut cgroup, _) = machine("0::/\n", MOUNTS_TWO);
    let why = cgroup.read(At::ZERO).unwrap_err();
    assert_eq!(why, "/sys/fs/cgroup/memory.events: no such file");
}

#[test]
fn a_mount_that_shows_only_a_part_is_gone_into_from_there() {
    let part = "9 8 0:32 /docker/0a1b /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    let place = find::place(GROUPS_ONE, part).unwrap();
    assert_eq!(place.folder, "/sys/fs/cgroup/memory");
    let other = part.replace("0a1b", "0a1");
    let why = find::place(GROUPS_ONE, &other).unwrap_err();
    assert_eq!(why, "the cgroup /docker/0a1b is not mounted here");
    let above = find::place("0::/../other\n", MOUNTS_TWO).unwrap_err();
    assert_eq!(above, "the cgroup /../other is not mounted here");
}
