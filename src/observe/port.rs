//! Finds the process that listens at a port of this machine, as far as its files may be read.

use std::fs;

use super::root::Root;
use super::stat;
use crate::process::Stat;

/// Programs that pass a port on to a server that is somewhere else.
const PROXIES: [&str; 7] =
    ["docker-proxy", "rootlessport", "conmon", "ssh", "sshd", "nginx", "haproxy"];

/// Limit of the files of a process that are looked through.
const FILES_MAX: usize = 4_096;

/// State of a socket that listens, as `/proc/net/tcp` writes it.
const LISTENS: &str = "0A";

/// Returns the process that listens at a port; of several, the one with the lowest number. `None`
/// where it cannot be found, or where it only passes the port on.
pub(super) fn listener(root: &Root, port: u16) -> Option<u32> {
    let first = listeners(root, port).next()?;
    (!is_proxy(&first)).then_some(first.pid)
}

/// Names the process of this machine that listens at a port, where it can be found.
pub(crate) fn name_of_listener(port: u16) -> Option<String> {
    listeners(&Root::here(), port).next().map(|first| named(&first))
}

/// Names a process of this machine that listens at a port and is older than another, which was to
/// listen there; one that passes the port on does not count.
pub(crate) fn older_listener(port: u16, since_boot_s: f64) -> Option<String> {
    let is_older = |it: &Stat| (it.began as f64 / stat::TICKS_PER_S) < since_boot_s;
    let root = Root::here();
    let older = listeners(&root, port).find(|it| is_older(it) && !is_proxy(it));
    older.map(|it| named(&it))
}

fn named(process: &Stat) -> String {
    format!("{} (pid {})", process.name, process.pid)
}

fn is_proxy(process: &Stat) -> bool {
    PROXIES.iter().any(|proxy| process.name.starts_with(proxy))
}

/// Finds the processes that listen at a port, in the order of their numbers.
fn listeners(root: &Root, port: u16) -> impl Iterator<Item = Stat> + '_ {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let texts = tables.map(|table| root.read(table).unwrap_or_default());
    let sockets: Vec<String> =
        texts.iter().flat_map(|text| text.lines()).filter_map(|line| socket(line, port)).collect();
    let entries = fs::read_dir(root.path("/proc")).ok().filter(|_| !sockets.is_empty());
    let entries = entries.into_iter().flatten();
    let mut pids: Vec<u32> =
        entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let listens = move |pid: &u32| {
        let files = fs::read_dir(root.path(&format!("/proc/{pid}/fd"))).into_iter().flatten();
        let links = files.take(FILES_MAX).filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        links
            .into_iter()
            .any(|link| link.to_str().is_some_and(|it| sockets.iter().any(|s| s == it)))
    };
    pids.into_iter().filter(listens).filter_map(|pid| stat::read(root, pid))
}

/// Parses a line of `/proc/net/tcp`, and returns the name of its socket if it listens at the port.
fn socket(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local) = fields.get(1)?.rsplit_once(':')?;
    let is_it = u16::from_str_radix(local, 16) == Ok(port) && fields.get(3) == Some(&LISTENS);
    is_it.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]"))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_that_listens_at_the_port_is_found() {
        let line = |port: &str, state: &str| {
            format!(
                "   0: 0100007F:{port} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0000000000000000"
            )
        };
        assert_eq!(socket(&line("1F40", "0A"), 8000).as_deref(), Some("socket:[31337]"));
        assert_eq!(socket(&line("1F40", "01"), 8000), None);
        assert_eq!(socket(&line("1F41", "0A"), 8000), None);
        assert_eq!(socket("  sl  local_address rem_address   st", 8000), None);
    }

    #[test]
    fn a_listener_of_this_process_is_found_on_this_machine() {
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listening.local_addr().unwrap().port();
        assert_eq!(listener(&Root::here(), port), Some(std::process::id()));
        let own = format!("(pid {})", std::process::id());
        assert!(name_of_listener(port).unwrap().ends_with(&own));
        assert!(older_listener(port, f64::MAX).unwrap().ends_with(&own));
        assert_eq!(older_listener(port, 0.0), None, "whoever is younger may be a child");
        drop(listening);
        assert_eq!(name_of_listener(port), None);
    }
}
