//! Finds the process that listens at a port of this machine, as far as its files may be read.

use std::fs;

use super::root::Root;
use super::stat;

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
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let texts = tables.map(|table| root.read(table).unwrap_or_default());
    let sockets: Vec<String> =
        texts.iter().flat_map(|text| text.lines()).filter_map(|line| socket(line, port)).collect();
    if sockets.is_empty() {
        return None;
    }
    let entries = fs::read_dir(root.path("/proc")).ok()?;
    let mut pids: Vec<u32> =
        entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let listens = |pid: &u32| {
        let files = fs::read_dir(root.path(&format!("/proc/{pid}/fd"))).into_iter().flatten();
        let links = files.take(FILES_MAX).filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        links
            .into_iter()
            .any(|link| link.to_str().is_some_and(|it| sockets.iter().any(|s| s == it)))
    };
    let pid = pids.into_iter().find(listens)?;
    let name = stat::read(root, pid)?.name;
    (!PROXIES.iter().any(|proxy| name.starts_with(proxy))).then_some(pid)
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
    }
}
