//! Decides whether a line of the kernel's log is about the server: by its processes and its cgroup,
//! which are searched every ten seconds and remembered after they have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::engine::signature::victim::Victim;
use crate::engine::signature::{self, Meaning};
use crate::fact::{Severity, SignatureMatch, Whose};
use crate::observe::cgroup::find;
use crate::observe::port;
use crate::observe::root::Root;
use crate::observe::stat;
use crate::process::{Stat, families};
use crate::unit::At;
use crate::world::ServerPid;

/// Interval at which the server's processes are searched.
const SEARCH_US: u64 = 10_000_000;

/// Limit of the processes that are remembered.
const KNOWN_MAX: usize = 16_384;

/// Number of the kernel's first namespace of process ids. The kernel's log counts in it.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Server's main process, by the source that knows it.
#[derive(Clone, Debug)]
pub(in crate::observe) enum MainProcess {
    /// Somebody started or watches it.
    Known(ServerPid),
    /// It listens at this port of this machine.
    AtPort(u16),
    Unknown,
}

/// Processes and cgroup of the server.
#[derive(Debug)]
pub(super) struct Owner {
    main: MainProcess,
    searched: Option<At>,
    /// Names of all processes that were ever seen, by process id.
    processes: BTreeMap<u32, String>,
    cgroup: Option<String>,
    /// Whether process ids here are those of the kernel's log.
    sees_kernel_pids: bool,
    /// Process that the last line was about, and whose it was.
    last: Option<(u32, Whose)>,
}

impl Owner {
    pub(super) fn new(main: MainProcess) -> Owner {
        Owner {
            main,
            searched: None,
            processes: BTreeMap::new(),
            cgroup: None,
            sees_kernel_pids: false,
            last: None,
        }
    }

    /// Searches the server's processes, where it is time for it.
    pub(super) fn search(&mut self, root: &Root, now: At) {
        if self.searched.is_some_and(|at| now.since(at) < SEARCH_US) {
            return;
        }
        self.searched = Some(now);
        let main = match &self.main {
            MainProcess::Known(pid) => pid.pid(),
            MainProcess::AtPort(port) => port::listener(root, *port),
            MainProcess::Unknown => None,
        };
        let Some(main) = main else { return };
        let namespace = fs::read_link(root.path("/proc/self/ns/pid"));
        self.sees_kernel_pids = namespace.is_ok_and(|it| it.as_os_str() == FIRST_PID_NAMESPACE);
        let Ok(entries) = fs::read_dir(root.path("/proc")) else { return };
        let pids = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let all: Vec<Stat> = pids.filter_map(|pid| stat::read(root, pid)).collect();
        for process in families(all, |process| process.pid == main).into_values() {
            if self.processes.len() < KNOWN_MAX {
                self.processes.insert(process.pid, process.name);
            }
        }
        let groups = root.read(&format!("/proc/{main}/cgroup")).unwrap_or_default();
        self.cgroup = find::name(&groups).or_else(|| self.cgroup.take());
    }

    /// Returns whose process a line is about; `None` where that cannot be told.
    pub(super) fn whose(&mut self, said: &SignatureMatch) -> Option<Whose> {
        let meaning = signature::named(&said.signature)?.meaning;
        let names_process = match meaning {
            Meaning::KernelOom | Meaning::CgroupOom | Meaning::UserspaceKill => true,
            // A GPU that fails as a whole fails for every process.
            Meaning::GpuFault => said.severity < Severity::Fatal,
            _ => false,
        };
        if !names_process || self.processes.is_empty() {
            return None;
        }
        let victim = Victim::parse(&said.line);
        // The kernel writes several lines on one kill, and not each names the cgroup.
        let before = self.last.filter(|(pid, _)| victim.pid == Some(*pid)).map(|(_, whose)| whose);
        let whose = before.or_else(|| self.owns(&victim));
        self.last = victim.pid.zip(whose).or(self.last);
        whose
    }

    fn owns(&self, victim: &Victim) -> Option<Whose> {
        let own = self.cgroup.as_deref().filter(|own| *own != "/");
        let same_cgroup = match (own, victim.cgroup.as_deref()) {
            (Some(own), Some(of)) => {
                Some(is_within(of, own) || victim.pid.is_none() && is_within(own, of))
            }
            _ => None,
        };
        let pid = victim.pid.filter(|_| self.sees_kernel_pids);
        if pid.is_some_and(|pid| self.processes.contains_key(&pid)) {
            return Some(Whose::Server);
        }
        // A process may have started after the last search.
        let names: BTreeSet<&String> = self.processes.values().collect();
        let is_named = victim.name.as_ref().is_some_and(|name| names.contains(name));
        match (same_cgroup, pid) {
            (Some(false), _) => Some(Whose::Other),
            (Some(true), None) => Some(Whose::Server),
            (Some(true), Some(_)) if own.is_some_and(is_container) => Some(Whose::Server),
            (_, Some(_)) if !is_named => Some(Whose::Other),
            (_, _) => None,
        }
    }
}

/// Whether a cgroup is another one, or lies in it. Its name may begin with what a container does not
/// see of it.
fn is_within(cgroup: &str, other: &str) -> bool {
    let is_below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    let at = cgroup.find(other);
    at.is_some_and(|at| is_below(&cgroup[at + other.len()..]))
}

/// Whether a cgroup is that of a container or a service, and not of a session with all its programs.
fn is_container(cgroup: &str) -> bool {
    let words = ["docker", "libpod", "containerd", "crio", "kubepods", ".service"];
    words.iter().any(|word| cgroup.contains(word)) && !cgroup.contains("user@")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Source;

    fn owner(cgroup: &str, sees_kernel_pids: bool) -> Owner {
        let processes = [(4000, "vllm"), (4242, "VLLM::EngineCor")];
        Owner {
            searched: None,
            processes: processes.map(|(pid, name)| (pid, name.to_owned())).into(),
            cgroup: Some(cgroup.to_owned()),
            sees_kernel_pids,
            ..Owner::new(MainProcess::Unknown)
        }
    }

    fn whose(owner: &mut Owner, line: &str) -> Option<Whose> {
        let row = signature::classify(signature::LogSource::Kernel, line).expect("a signature");
        owner.whose(&SignatureMatch {
            source: Source::Kernel,
            signature: row.name.to_owned(),
            severity: row.severity,
            line: line.to_owned(),
            whose: None,
        })
    }

    fn killed(pid: u32, name: &str, cgroup: &str) -> String {
        format!(
            "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg={cgroup},task={name},pid={pid},uid=0"
        )
    }

    #[test]
    fn a_process_is_known_by_its_pid_and_a_new_one_by_its_container() {
        let mut known = owner("/system.slice/docker-3f0c.scope", true);
        let own = "/system.slice/docker-3f0c.scope";
        assert_eq!(whose(&mut known, &killed(4242, "VLLM::EngineCor", own)), Some(Whose::Server));
        assert_eq!(whose(&mut known, &killed(9, "ninja", own)), Some(Whose::Server));
        assert_eq!(whose(&mut known, &killed(8, "chrome", "/user.slice/x")), Some(Whose::Other));
        let old = |pid, name: &str| {
            format!("Out of memory: Killed process {pid} ({name}) total-vm:1kB, anon-rss:1kB")
        };
        assert_eq!(whose(&mut known, &old(4000, "vllm")), Some(Whose::Server));
        assert_eq!(whose(&mut known, &old(9, "chrome")), Some(Whose::Other));
        assert_eq!(whose(&mut known, &old(10, "vllm")), None, "it may have been started just now");
        assert_eq!(whose(&mut known, &killed(11, "vllm", "/user.slice/x")), Some(Whose::Other));
        assert_eq!(whose(&mut known, &old(11, "vllm")), Some(Whose::Other), "the line before");
    }

    #[test]
    fn in_a_session_with_other_programs_the_cgroup_decides_nothing() {
        let mut session = owner("/user.slice/session-3.scope", true);
        let line = killed(9, "chrome", "/user.slice/session-3.scope");
        assert_eq!(whose(&mut session, &line), Some(Whose::Other));
        assert_eq!(whose(&mut session, &killed(10, "vllm", "/user.slice/session-3.scope")), None);
    }

    #[test]
    fn in_another_namespace_of_pids_only_the_cgroup_counts() {
        let mut inside = owner("/process_api/11be", false);
        assert_eq!(whose(&mut inside, &killed(4242, "hello", "/docker/3cf4")), Some(Whose::Other));
        assert_eq!(
            whose(&mut inside, &killed(7, "vllm", "/vm/process_api/11be")),
            Some(Whose::Server)
        );
        let line = "Out of memory: Killed process 4243 (x) total-vm:1kB, anon-rss:1kB";
        assert_eq!(whose(&mut inside, line), None);
        assert_eq!(whose(&mut owner("/", false), &killed(4242, "x", "/docker/3cf4")), None);
    }

    #[test]
    fn an_xid_is_of_the_process_that_it_names_and_a_broken_gpu_of_all() {
        let mut known = owner("/docker/3f0c", true);
        let xid = |number, pid| {
            format!("NVRM: Xid (PCI:000f:01:00): {number}, pid={pid}, name=python3, Ch 00000008")
        };
        assert_eq!(whose(&mut known, &xid(31, 4242)), Some(Whose::Server));
        assert_eq!(whose(&mut known, &xid(31, 9)), Some(Whose::Other));
        assert_eq!(whose(&mut known, &xid(79, 9)), None);
        assert_eq!(whose(&mut known, "NVRM: Xid (PCI:000f:01:00): 31, pid='<unknown>', x"), None);
    }

    #[test]
    fn a_unit_that_is_killed_as_a_whole_takes_the_server_in_it() {
        let mut unit = owner("/system.slice/vllm.service/inner", true);
        let line = |unit: &str| {
            format!(
                "systemd-oomd[700]: Killed /system.slice/{unit} due to memory pressure for /system.slice"
            )
        };
        assert_eq!(whose(&mut unit, &line("vllm.service")), Some(Whose::Server));
        assert_eq!(whose(&mut unit, &line("other.service")), Some(Whose::Other));
        let mut nobody = Owner::new(MainProcess::Unknown);
        assert_eq!(whose(&mut nobody, &line("other.service")), None);
    }
}
