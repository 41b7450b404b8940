//! Reads the identity of this machine, once.

use std::fs;

/// Reads the kernel's boot id, where available.
pub(crate) fn boot_id() -> Option<String> {
    first_line("/proc/sys/kernel/random/boot_id")
}

/// Reads the machine's host name.
pub(crate) fn host() -> Option<String> {
    first_line("/proc/sys/kernel/hostname")
}

/// Reads the kernel's release.
pub(crate) fn kernel() -> Option<String> {
    first_line("/proc/sys/kernel/osrelease")
}

/// Reads the version of the NVIDIA driver, where there is one.
pub(crate) fn driver() -> Option<String> {
    first_line("/sys/module/nvidia/version")
}

/// Reads the frequency governor of the first CPU, where the kernel reports it.
pub(crate) fn clocks() -> Option<String> {
    let governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")?;
    Some(format!("cpu governor {governor}"))
}

/// Reads the microseconds since boot, where available.
pub(crate) fn uptime_us() -> Option<u64> {
    let seconds: f64 = first_line("/proc/uptime")?.split(' ').next()?.parse().ok()?;
    Some((seconds * 1e6) as u64)
}

/// Whether this process was started with hang-ups ignored, as `nohup` does.
pub(crate) fn ignores_hang_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Bit n - 1 stands for signal n, and SIGHUP is signal 1.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

fn first_line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}
