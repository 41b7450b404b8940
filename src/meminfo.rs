//! Parses `/proc/meminfo`. Reads no file.

/// Path of the page.
pub(crate) const PATH: &str = "/proc/meminfo";

/// Key of the memory that is available to a new process.
pub(crate) const AVAILABLE: &str = "MemAvailable";

/// Returns the value of a line such as `MemFree:        17324368 kB`, in bytes.
pub(crate) fn bytes(page: &str, key: &str) -> Option<u64> {
    let mut lines = page.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(known, _)| *known == key)?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_bytes_and_a_longer_key_is_another_one() {
        let page =
            "MemTotal:       131072 kB\nSwapCached:  8 kB\nCached: 2 kB\nHugePages_Free: 1\n";
        assert_eq!(bytes(page, "MemTotal"), Some(128 << 20));
        assert_eq!(bytes(page, "Cached"), Some(2048));
        assert_eq!((bytes(page, "HugePages_Free"), bytes(page, AVAILABLE)), (None, None));
    }
}
