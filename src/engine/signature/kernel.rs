//! Lists the signatures of the kernel's log, and of programs that log next to it and kill processes
//! to free memory.

use super::{LogSource, Meaning, Signature};
use crate::fact::Severity;

const fn kernel(
    name: &'static str,
    words: &'static [&'static str],
    severity: Severity,
    meaning: Meaning,
    line: &'static str,
) -> Signature {
    Signature { name, words, severity, log: LogSource::Kernel, meaning, line }
}

/// Defines the row of an Xid by its number. The test line is the driver's shortest form.
macro_rules! xid {
    ($number:literal, $severity:ident, $meaning:ident) => {
        kernel(
            concat!("xid_", $number),
            &["nvrm: xid (pci:", concat!("): ", $number, ",")],
            Severity::$severity,
            Meaning::$meaning,
            concat!(
                "NVRM: Xid (PCI:000f:01:00): ",
                $number,
                ", pid=2788, name=VLLM::Worker, Ch 00000008"
            ),
        )
    };
}

/// All rows. Xids 43 and 45 follow a killed process, and 63, 92 and 154 are notices, so these are
/// no fault by themselves. Neither is `NV_ERR_NO_MEMORY`, which healthy machines log by the dozen
/// and which can also precede a hang of the machine.
pub(super) const ROWS: &[Signature] = &[
    kernel(
        "oom_kill_cgroup",
        &["oom-kill:constraint=constraint_memcg"],
        Severity::Fatal,
        Meaning::CgroupOom,
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=3f0c,mems_allowed=0,oom_memcg=/docker/3f0c,task_memcg=/docker/3f0c,task=hello,pid=4242,uid=0",
    ),
    kernel(
        "oom_kill_cgroup_process",
        &["memory cgroup out of memory: killed process"],
        Severity::Fatal,
        Meaning::CgroupOom,
        "Memory cgroup out of memory: Killed process 4242 (hello) total-vm:132096kB, anon-rss:64512kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:176kB oom_score_adj:0",
    ),
    kernel(
        "oom_kill",
        &["oom-kill:constraint="],
        Severity::Fatal,
        Meaning::KernelOom,
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/docker/3f0c,task=VLLM::EngineCor,pid=4242,uid=0",
    ),
    kernel(
        "oom_kill_process",
        &["out of memory: killed process"],
        Severity::Fatal,
        Meaning::KernelOom,
        "Out of memory: Killed process 4242 (VLLM::EngineCor) total-vm:231004160kB, anon-rss:98566144kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:203776kB oom_score_adj:0",
    ),
    kernel(
        "earlyoom_kill",
        &["earlyoom", "sending sig", " to process "],
        Severity::Fatal,
        Meaning::UserspaceKill,
        "earlyoom[812]: sending SIGTERM to process 4242 uid 1000 \"VLLM::EngineCor\": badness 1203, VmRSS 98566 MiB",
    ),
    kernel(
        "systemd_oomd_kill",
        &["systemd-oomd[", "]: killed "],
        Severity::Fatal,
        Meaning::UserspaceKill,
        "systemd-oomd[700]: Killed /system.slice/vllm.service due to memory pressure for /system.slice being 61.22% > 60.00% for > 30s with reclaim activity",
    ),
    kernel(
        "systemd_oomd_killed",
        &["systemd-oomd killed ", " process(es) in this unit"],
        Severity::Fatal,
        Meaning::UserspaceKill,
        "systemd[1]: vllm.service: systemd-oomd killed 12 process(es) in this unit.",
    ),
    kernel(
        // Modelled: no real line was available, and the program may write another.
        "dgx_anti_oom_kill",
        &["dgx-anti-oom", "kill"],
        Severity::Fatal,
        Meaning::UserspaceKill,
        "dgx-anti-oom[901]: MemAvailable 2.91 GiB is below 3.00 GiB: killing container vllm_nemotron",
    ),
    kernel(
        "gpu_off_the_bus",
        &["gpu has fallen off the bus"],
        Severity::Fatal,
        Meaning::GpuFault,
        "NVRM: Xid (PCI:000f:01:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
    ),
    xid!(13, Error, GpuFault),
    xid!(31, Error, GpuFault),
    xid!(43, Warning, Note),
    xid!(45, Warning, Note),
    xid!(48, Fatal, GpuFault),
    xid!(62, Fatal, GpuFault),
    xid!(63, Info, Note),
    xid!(64, Error, GpuFault),
    xid!(69, Error, GpuFault),
    xid!(74, Fatal, GpuFault),
    xid!(79, Fatal, GpuFault),
    xid!(92, Warning, Note),
    xid!(94, Error, GpuFault),
    xid!(95, Fatal, GpuFault),
    xid!(109, Fatal, GpuFault),
    xid!(119, Fatal, GpuFault),
    xid!(120, Fatal, GpuFault),
    xid!(143, Fatal, GpuFault),
    xid!(154, Warning, Note),
    kernel(
        "xid_other",
        &["nvrm: xid ("],
        Severity::Error,
        Meaning::GpuFault,
        "NVRM: Xid (PCI:000f:01:00): 32, pid=2788, name=VLLM::Worker, Channel ID 00000008 intr 80042000",
    ),
    kernel(
        "nv_no_memory",
        &["nv_err_no_memory"],
        Severity::Warning,
        Meaning::Note,
        "NVRM: nvCheckOkFailedNoLog: Check failed: Out of memory [NV_ERR_NO_MEMORY] (0x00000051) returned from _memdescAllocInternal(pMemDesc) @ mem_desc.c:1359",
    ),
    kernel(
        "pcie_error",
        &["aer: ", "error"],
        Severity::Warning,
        Meaning::Note,
        "pcieport 0000:00:00.0: AER: Uncorrectable (Fatal) error message received from 0000:01:00.0",
    ),
    kernel(
        "task_blocked",
        &["info: task ", " blocked for more than "],
        Severity::Error,
        Meaning::Note,
        "INFO: task VLLM::EngineCor:4242 blocked for more than 122 seconds.",
    ),
    kernel(
        "hung_task",
        &["hung_task"],
        Severity::Error,
        Meaning::Note,
        "Kernel panic - not syncing: hung_task: blocked tasks",
    ),
    kernel(
        "soft_lockup",
        &["soft lockup - cpu#"],
        Severity::Error,
        Meaning::Note,
        "watchdog: BUG: soft lockup - CPU#7 stuck for 26s! [VLLM::EngineCor:4242]",
    ),
    kernel(
        "kernel_watchdog",
        &["watchdog: bug"],
        Severity::Error,
        Meaning::Note,
        "watchdog: BUG: workqueue lockup - pool cpus=7 node=0 flags=0x0 nice=0 stuck for 34s!",
    ),
    kernel(
        "page_allocation_failed",
        &["page allocation failure: order:"],
        Severity::Warning,
        Meaning::Note,
        "VLLM::EngineCor: page allocation failure: order:9, mode:0xcc0(GFP_KERNEL), nodemask=(null),cpuset=/,mems_allowed=0",
    ),
    kernel(
        "kernel_segfault",
        &[": segfault at "],
        Severity::Error,
        Meaning::Note,
        "VLLM::EngineCor[4242]: segfault at 18 ip 00007f3a2c0e error 4 in libtorch_cuda.so[7f3a2b000000+6a000000]",
    ),
];
