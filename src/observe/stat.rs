//! A process as `/proc/PID/stat` shows it, and its title.

use super::root::Root;

/// Ticks in a second of a process's start, the same on every Linux.
pub const TICKS_PER_S: f64 = 100.0;

/// Bounds a title.
const TITLE_CHARS_MAX: usize = 48;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: u32,
    /// Its name, cut by the kernel to 15 bytes.
    pub name: String,
    /// Who started it, or took it over.
    pub parent: u32,
    pub threads: u64,
    /// When it began, ticks since boot.
    pub began: u64,
    /// Its memory that is in RAM, pages.
    pub rss_pages: u64,
}

/// A process that is there. One that has ended and only waits to be counted is not.
pub fn read(root: &Root, pid: u32) -> Option<Stat> {
    parse(&root.read(&format!("/proc/{pid}/stat")).ok()?)
}

/// The name stands in brackets and may hold anything, brackets and blanks among it.
pub fn parse(line: &str) -> Option<Stat> {
    let (open, close) = (line.find('(')?, line.rfind(')')?);
    let fields: Vec<&str> = line.get(close + 1..)?.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X" | "x") {
        return None;
    }
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        pid: line[..open].trim().parse().ok()?,
        name: line.get(open + 1..close)?.to_owned(),
        parent: u32::try_from(number(1)?).ok()?,
        threads: number(17)?,
        began: number(19)?,
        rss_pages: number(21)?,
    })
}

/// What a process calls itself. Engines name their parts in their command line
/// (`VLLM::EngineCore`, `sglang::scheduler_TP0`); what any other says there is a command.
pub fn title(stat: &Stat, command: &str) -> String {
    let first = command.split('\0').next().unwrap_or_default().trim();
    let title = if first.contains("::") && !first.contains('/') { first } else { &stat.name };
    title.chars().filter(|c| !c.is_control()).take(TITLE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "4242 (VLLM::EngineCor) S 4200 4100 4100 0 -1 4194304 9 0 0 0 5 6 0 0 20 0 \
                        137 0 360789 231004160000 24064103 18446744073709551615 1 1 0\n";

    #[test]
    fn a_line_of_stat_is_taken_apart() {
        let stat = parse(LINE).unwrap();
        assert_eq!((stat.pid, stat.parent, stat.threads), (4242, 4200, 137));
        assert_eq!((stat.began, stat.rss_pages), (360_789, 24_064_103));
        let odd = LINE.replace("VLLM::EngineCor", "a) S (b");
        assert_eq!(parse(&odd).unwrap().name, "a) S (b");
    }

    #[test]
    fn what_has_ended_or_is_cut_short_is_no_process() {
        assert_eq!(parse(&LINE.replace(") S ", ") Z ")), None);
        assert_eq!(parse(&LINE[..60]), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn an_engines_part_goes_by_its_title_and_all_else_by_its_name() {
        let stat = parse(LINE).unwrap();
        assert_eq!(title(&stat, "VLLM::EngineCore_DP0\0\0\0"), "VLLM::EngineCore_DP0");
        assert_eq!(title(&stat, "/usr/bin/python3\0-m\0x::y\0"), "VLLM::EngineCor");
        assert_eq!(title(&stat, ""), "VLLM::EngineCor");
    }
}
