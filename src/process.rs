//! Parses lines of `/proc/PID/stat`, and finds a process's descendants. Reads
//! no file.

use std::collections::BTreeMap;

use crate::escape::one_line;

/// Longest name, characters; the kernel cuts those of programs to 15 bytes.
const NAME_CHARS_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub pid: u32,
    /// Name, escaped for display.
    pub name: String,
    /// Process id of the parent, or of the process that adopted it.
    pub parent: u32,
    pub group: u32,
    pub threads: u64,
    /// Start time, ticks since boot.
    pub began: u64,
    /// Resident memory, pages.
    pub rss_pages: u64,
    /// Whether it has ended and was not yet reaped by its parent.
    pub is_zombie: bool,
}

impl Stat {
    /// Parses a line. The name is in parentheses and may contain anything, also parentheses and
    /// blanks.
    pub(crate) fn parse(line: &str) -> Option<Stat> {
        let (open, close) = (line.find('(')?, line.rfind(')')?);
        let fields: Vec<&str> = line.get(close + 1..)?.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Stat {
            pid: line[..open].trim().parse().ok()?,
            name: one_line(line.get(open + 1..close)?, NAME_CHARS_MAX),
            is_zombie: matches!(*fields.first()?, "Z" | "X" | "x"),
            parent: u32::try_from(number(1)?).ok()?,
            group: u32::try_from(number(2)?).ok()?,
            threads: number(17)?,
            began: number(19)?,
            rss_pages: number(21)?,
        })
    }
}

/// Returns the root processes and all their descendants, by process id.
pub(crate) fn families(mut all: Vec<Stat>, is_root: impl Fn(&Stat) -> bool) -> BTreeMap<u32, Stat> {
    let mut members = BTreeMap::new();
    let mut new: Vec<Stat> = all.extract_if(.., |process| is_root(process)).collect();
    while !new.is_empty() {
        members.extend(new.into_iter().map(|process| (process.pid, process)));
        new = all.extract_if(.., |process| members.contains_key(&process.parent)).collect();
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "4242 (VLLM::EngineCor) S 4200 4100 4100 0 -1 4194304 9 0 0 0 5 6 0 0 20 0 \
                        137 0 360789 231004160000 24064103 18446744073709551615 1 1 0\n";

    #[test]
    fn a_line_of_stat_is_taken_apart() {
        let process = Stat::parse(LINE).unwrap();
        assert_eq!((process.pid, process.parent, process.group), (4242, 4200, 4100));
        assert_eq!((process.threads, process.began), (137, 360_789));
        assert_eq!((process.rss_pages, process.is_zombie), (24_064_103, false));
        assert!(Stat::parse(&LINE.replace(") S ", ") Z ")).unwrap().is_zombie);
    }

    #[test]
    fn a_name_may_hold_brackets_and_blanks() {
        let odd = LINE.replace("VLLM::EngineCor", "a) S (b");
        assert_eq!(Stat::parse(&odd).unwrap().name, "a) S (b");
    }

    #[test]
    fn what_is_cut_short_is_no_process() {
        for line in ["", "77 (x", &LINE[..60]] {
            assert_eq!(Stat::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_family_is_found_in_whatever_order_it_stands() {
        let process = |pid, parent| Stat { pid, parent, ..Stat::parse(LINE).unwrap() };
        let all = vec![process(4, 3), process(9, 1), process(3, 2), process(2, 1), process(5, 2)];
        let pids: Vec<u32> = families(all, |process| process.pid == 2).into_keys().collect();
        assert_eq!(pids, [2, 3, 4, 5]);
    }
}
