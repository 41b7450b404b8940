//! Locates a process's memory cgroup: its name from `/proc/PID/cgroup`, below the mount listed in
//! `/proc/self/mountinfo`.

/// Version of cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Version 1, with a hierarchy for each controller.
    One,
    Two,
}

/// Memory cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemoryCgroup {
    pub version: Version,
    /// Name, as in the process's cgroup file.
    pub group: String,
    pub folder: String,
}

/// Locates the memory cgroup of a process. Where both versions are mounted, version 1 counts the
/// memory if one of its hierarchies has the memory controller.
///
/// # Errors
/// The reason in words why no cgroup is visible.
pub(super) fn place(groups: &str, mounts: &str) -> Result<MemoryCgroup, String> {
    let (version, group) = group(groups).ok_or("the process is in no memory cgroup")?;
    let mount = mounts
        .lines()
        .filter_map(mount)
        .filter(|mount| mount.is_of(version))
        // Of several mounts, the one whose root is nearest to the cgroup is certain to show it.
        .filter_map(|mount| Some((mount.root.len(), mount.folder(group)?)))
        .max_by_key(|(length, _)| *length);
    let Some((_, folder)) = mount else {
        return Err(format!("the cgroup {group} is not mounted here"));
    };
    Ok(MemoryCgroup { version, group: group.to_owned(), folder })
}

/// Returns the name of the memory cgroup in a process's cgroup file.
pub(in crate::observe) fn name(groups: &str) -> Option<String> {
    group(groups).map(|(_, name)| name.to_owned())
}

/// Parses `4:memory:/docker/0a`, else `0::/system.slice/vllm.service`.
fn group(groups: &str) -> Option<(Version, &str)> {
    let lines = || groups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let one = lines().find(|(names, _)| names.split(',').any(|name| name == "memory"));
    let two = lines().find(|(names, _)| names.is_empty());
    one.map(|(_, group)| (Version::One, group)).or(two.map(|(_, group)| (Version::Two, group)))
}

/// Mount of `mountinfo`: a part of a file system, and the folder that shows it.
struct Mount<'a> {
    root: &'a str,
    folder: &'a str,
    kind: &'a str,
    options: &'a str,
}

/// Parses `35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory`.
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

    /// Returns the folder that shows a cgroup through this mount.
    fn folder(&self, group: &str) -> Option<String> {
        let root = self.root.trim_end_matches('/');
        let below =
            group.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        // Nothing above the root of a cgroup namespace is mounted.
        let is_above = below.split('/').any(|part| part == "..");
        let below = below.trim_end_matches('/');
        (!is_above).then(|| format!("{}{below}", self.folder))
    }
}
