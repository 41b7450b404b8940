//! Counts how often a file of a folder was replaced by another one of the same name, as the kernel
//! reports it (inotify): a file that had the name between two looks would be missed silently. Not
//! every file system reports it, and no other system than Linux.

use std::path::Path;

/// Watch of a name.
#[derive(Debug)]
pub(super) struct NameWatch {
    #[cfg(target_os = "linux")]
    watch: Option<linux::Watch>,
}

impl NameWatch {
    /// Begins to count.
    #[cfg(target_os = "linux")]
    pub(super) fn of(path: &Path) -> NameWatch {
        NameWatch { watch: linux::Watch::of(path) }
    }

    /// Begins to count nothing.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(_: &Path) -> NameWatch {
        NameWatch {}
    }

    /// Returns how many files got the name since the last call; `None` where that is not known.
    pub(super) fn count(&mut self) -> Option<u64> {
        #[cfg(target_os = "linux")]
        return self.watch.as_mut()?.count();
        #[cfg(not(target_os = "linux"))]
        None
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsString;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    use rustix::io::Errno;

    /// Size of one read of events.
    const EVENTS_BYTES: usize = 4096;

    #[derive(Debug)]
    pub(super) struct Watch {
        events: OwnedFd,
        name: OsString,
    }

    impl Watch {
        pub(super) fn of(path: &Path) -> Option<Watch> {
            let name = path.file_name()?.to_owned();
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
            let arrives = WatchFlags::CREATE | WatchFlags::MOVED_TO;
            inotify::add_watch(&events, folder.unwrap_or(Path::new(".")), arrives).ok()?;
            Some(Watch { events, name })
        }

        pub(super) fn count(&mut self) -> Option<u64> {
            let mut buffer = [MaybeUninit::uninit(); EVENTS_BYTES];
            let mut events = inotify::Reader::new(&self.events, &mut buffer);
            let (mut count, mut is_complete) = (0, true);
            loop {
                match events.next() {
                    Ok(event) => {
                        let lost = ReadFlags::QUEUE_OVERFLOW | ReadFlags::IGNORED;
                        is_complete &= !event.events().intersects(lost);
                        let is_it = event
                            .file_name()
                            .is_some_and(|name| name.to_bytes() == self.name.as_bytes());
                        count += u64::from(is_it);
                    }
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => return is_complete.then_some(count),
                    Err(_) => return None,
                }
            }
        }
    }
}
