//! Where a process's memory cgroup is: what `/proc/PID/cgroup` calls it, below
//! the mount that `/proc/self/mountinfo` has for it.

/// Which version of cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// A hierarchy for each controller.
    One,
    Two,
}

/// A memory cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemoryCgroup {
    pub version: Version,
    /// Its name, as its process has it.
    pub group: String,
    pub folder: String,
}

/// The memory cgroup of a process. Where both versions are there, memory is counted by the
/// first, if a hierarchy of it has the memory controller.
///
/// # Errors
/// In words: why there is none to be seen.
pub(super) fn place(groups: &str, mounts: &str) -> Result<MemoryCgroup, String> {
    let (version, group) = group(groups).ok_or("the process is in no memory cgroup")?;
    let mount = mounts
        .lines()
        .filter_map(mount)
        .filter(|mount| mount.is_of(version))
        // A mount whose root is nearest to the cgroup shows it for sure.
        .filter_map(|mount| Some((mount.root.len(), mount.folder(group)?)))
        .max_by_key(|(length, _)| *length);
    let Some((_, folder)) = mount else {
        return Err(format!("the cgroup {group} is not mounted here"));
    };
    Ok(MemoryCgroup { version, group: group.to_owned(), folder })
}

/// `4:memory:/docker/0a`, else `0::/system.slice/vllm.service`.
fn group(groups: &str) -> Option<(Version, &str)> {
    let lines = || groups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let one = lines().find(|(names, _)| names.split(',').any(|name| name == "memory"));
    let two = lines().find(|(names, _)| names.is_empty());
    one.map(|(_, group)| (Version::One, group)).or(two.map(|(_, group)| (Version::Two, group)))
}

/// A line of `mountinfo`: which part of a file system is seen where.
struct Mount<'a> {
    root: &'a str,
    folder: &'a str,
    kind: &'a str,
    options: &'a str,
}

/// `35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory`.
fn mount(line: &str) -> Option<Mount<'_>> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (root, folder) = (before.next()?, before.next()?);
    let mut after = after.split(' ');
    let (kind, _, options) = (after.next()?, after.next()?, after.next()?);
    Some(Mount { root, folder, kind, options })
}

impl Mount<'_> {
    fn is_of(&self, version: Version) -> bool {
        match version {
            Version::One => {
                self.kind == "cgroup" && self.options.split(',').any(|option| option == "memory")
            }
            Version::Two => self.kind == "cgroup2",
        }
    }

    /// Where a cgroup is seen through this mount.
    fn folder(&self, group: &str) -> Option<String> {
        let root = self.root.trim_end_matches('/');
        let below =
            group.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        // Beyond the root of a namespace nothing is mounted.
        let is_above = below.split('/').any(|part| part == "..");
        let below = below.trim_end_matches('/');
        (!is_above).then(|| format!("{}{below}", self.folder))
    }
}
