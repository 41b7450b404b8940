//! Reads a log file from its end on, over rotation: a file that was renamed and created anew, a link
//! to another file, and a file that was cut to nothing. What could not be read is a gap. Does no
//! waiting.

use std::collections::VecDeque;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::arrivals::Arrivals;
use crate::error::Mistake;

/// Limit of one read.
const READ_BYTES: u64 = 256 << 10;
/// Number of bytes before the position by which a file is recognised that was written anew.
const KNOWN_BYTES: usize = 256;
/// Limit of the files that wait to be read.
const FILES_MAX: usize = 16;

/// Log file.
#[derive(Debug)]
pub(crate) struct FollowedFile {
    path: PathBuf,
    /// Files that have had the name, oldest first; the first one is being read. They stay open when
    /// they are renamed or removed.
    files: VecDeque<File>,
    /// Bytes of the first file that were read or left out.
    position: u64,
    /// Last bytes before the position.
    known: Vec<u8>,
    arrivals: Arrivals,
    /// Files that got the name since the last of `files`.
    arrived: u64,
    gap: Option<String>,
}

/// Result of a look at the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FileLook {
    /// New bytes.
    pub bytes: Vec<u8>,
    /// Whether they are the beginning of a file, so that a line before them is complete.
    pub begins: bool,
    /// Number of bytes that are there and not yet read.
    pub behind_bytes: u64,
    /// Reason why nothing can be read.
    pub blind: Option<String>,
    /// Reason why something before these bytes may not have been read.
    pub gap: Option<String>,
}

impl FollowedFile {
    /// Opens a log at its end.
    ///
    /// # Errors
    /// There is no such file, it is none that can be followed, or it cannot be read.
    pub(super) fn open_at_end(path: &Path) -> Result<FollowedFile, Mistake> {
        let mistake = |what: String| Mistake::new(what).at("--server-log");
        let shown = path.display();
        let arrivals = Arrivals::of(path);
        let seen = fs::metadata(path).map_err(|why| match why.kind() {
            io::ErrorKind::NotFound => mistake(format!("there is no file {shown}"))
                .hint("the file that the server writes its log to")
                .hint("journal:UNIT, if systemd keeps the log")
                .hint("create it empty, if the server will only then be started"),
            _ => mistake(format!("{shown}: {why}")),
        })?;
        if !seen.is_file() {
            return Err(mistake(format!(
                "{shown} is {}, and only a file can be followed",
                kind(&seen)
            ))
            .hint("a file that the server writes its log to: vllm serve … >> vllm.log 2>&1"));
        }
        let refused = |why: io::Error| mistake(format!("{shown}: {why}"));
        let file = File::open(path).map_err(refused)?;
        let position = seen.len();
        let known = before(&file, position, KNOWN_BYTES).map_err(refused)?;
        let path = path.to_owned();
        Ok(FollowedFile {
            path,
            files: VecDeque::from([file]),
            position,
            known,
            arrivals,
            arrived: 0,
            gap: None,
        })
    }

    /// Reads what is new. The next file is read once it has a first byte: until then a server may
    /// still write to the one before, which is read to its end first.
    pub(super) fn look(&mut self) -> FileLook {
        let found = self.find_next();
        let mut look = match self.read() {
            Ok(look) => look,
            Err(why) => self.blind(&why.to_string()),
        };
        if let Err(why) = found
            && look.bytes.is_empty()
            && look.blind.is_none()
        {
            look = FileLook { begins: look.begins, ..self.blind(&why) };
        }
        FileLook { gap: self.gap.take(), ..look }
    }

    /// Opens the file that now has the log's name, if it is another one.
    ///
    /// # Errors
    /// In words: there is none, or it cannot be opened.
    fn find_next(&mut self) -> Result<(), String> {
        let seen = fs::metadata(&self.path).map_err(|why| why.to_string())?;
        if !seen.is_file() {
            return Err(format!("it is {}", kind(&seen)));
        }
        let last = self.files.back().map(File::metadata).transpose();
        let last = last.map_err(|why| why.to_string())?;
        let is_known =
            last.is_some_and(|last| (seen.dev(), seen.ino()) == (last.dev(), last.ino()));
        let next = match is_known {
            true => None,
            false => Some(File::open(&self.path).map_err(|why| why.to_string())?),
        };
        let arrived = self.arrivals.count().map(|count| self.arrived + count);
        match (&next, arrived) {
            (Some(_), Some(1)) => self.arrived = 0,
            (None, Some(arrived @ 0..=1)) => self.arrived = arrived,
            // A file system that reports nothing is noticed when a file is replaced.
            (None, None) => {}
            _ => {
                self.arrived = 0;
                self.lose("it was replaced, and there may have been another file in between");
            }
        }
        self.files.extend(next);
        if self.files.len() > FILES_MAX {
            let left_out = self.files.remove(1).and_then(|file| file.metadata().ok());
            if left_out.is_none_or(|file| file.len() > 0) {
                self.lose("it was replaced too often");
            }
        }
        Ok(())
    }

    /// Reads on, in the next file where the present one is at its end.
    fn read(&mut self) -> io::Result<FileLook> {
        let mut begins = false;
        loop {
            let Some(file) = self.files.front() else { return Ok(FileLook::default()) };
            let length = file.metadata()?.len();
            if length < self.position || length > self.position && !self.goes_on()? {
                self.lose("it was cut, and what was written just before may not have been read");
                begins = true;
                self.begin();
                continue;
            }
            let later =
                self.files.iter().skip(1).map(|file| file.metadata().map(|seen| seen.len()));
            let later: u64 = later.sum::<io::Result<u64>>()?;
            if length == self.position && later > 0 {
                begins = true;
                self.files.pop_front();
                self.begin();
                continue;
            }
            let bytes = self.read_on(length)?;
            let behind_bytes = length.saturating_sub(self.position) + later;
            return Ok(FileLook { bytes, begins, behind_bytes, ..FileLook::default() });
        }
    }

    /// Reads on in the present file, up to a length.
    fn read_on(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let Some(file) = self.files.front() else { return Ok(Vec::new()) };
        let mut bytes = vec![0; (length - self.position).min(READ_BYTES) as usize];
        let read = file.read_at(&mut bytes, self.position)?;
        bytes.truncate(read);
        self.position += read as u64;
        self.known.extend_from_slice(&bytes[read.saturating_sub(KNOWN_BYTES)..]);
        self.known.drain(..self.known.len().saturating_sub(KNOWN_BYTES));
        // A server that does not append goes on at its old place in a file that was cut: what is
        // before that place reads as zeros.
        bytes.retain(|byte| *byte != 0);
        Ok(bytes)
    }

    /// Whether the present file still has the bytes that were read last.
    fn goes_on(&self) -> io::Result<bool> {
        let Some(file) = self.files.front() else { return Ok(true) };
        Ok(before(file, self.position, self.known.len())? == self.known)
    }

    /// Goes to the start of the present file.
    fn begin(&mut self) {
        self.position = 0;
        self.known.clear();
    }

    fn lose(&mut self, why: &str) {
        self.gap = Some(format!("{}: {why}", self.path.display()));
    }

    fn blind(&self, why: &str) -> FileLook {
        let blind = Some(format!("{}: {why}", self.path.display()));
        FileLook { blind, ..FileLook::default() }
    }
}

/// Returns up to `bytes_max` bytes of a file before a position.
fn before(file: &File, position: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
    let from = position.saturating_sub(bytes_max as u64);
    let mut bytes = vec![0; (position - from) as usize];
    let read = file.read_at(&mut bytes, from)?;
    bytes.truncate(read);
    Ok(bytes)
}

fn kind(seen: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let of = seen.file_type();
    if of.is_dir() {
        "a folder"
    } else if of.is_fifo() {
        "a named pipe"
    } else {
        "no regular file"
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    struct Scene {
        folder: tempfile::TempDir,
        log: FollowedFile,
    }

    impl Scene {
        /// A log with a line that was there before.
        fn new() -> Scene {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("vllm.log");
            fs::write(&path, "before\n").unwrap();
            let log = FollowedFile::open_at_end(&path).unwrap();
            Scene { folder, log }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn append(&self, name: &str, text: &str) {
            let mut file =
                OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn rename(&self, from: &str, to: &str) {
            fs::rename(self.path(from), self.path(to)).unwrap();
        }

        /// Text of the next look, which nothing is wrong with.
        fn text(&mut self) -> String {
            let look = self.log.look();
            assert_eq!(look.blind, None);
            String::from_utf8(look.bytes).unwrap()
        }
    }

    #[test]
    fn a_log_is_read_from_its_end_on_and_a_quiet_one_is_still_read() {
        let mut scene = Scene::new();
        assert_eq!(scene.log.look(), FileLook::default());
        scene.append("vllm.log", "one\ntwo\n");
        assert_eq!(scene.text(), "one\ntwo\n");
        assert_eq!(scene.log.look(), FileLook::default());
    }

    #[test]
    fn a_file_that_was_renamed_is_read_to_its_end_and_the_new_one_from_its_start() {
        let mut scene = Scene::new();
        scene.append("vllm.log", "old one\n");
        scene.rename("vllm.log", "vllm.log.1");
        scene.append("vllm.log", "new one\n");
        // The server had not yet opened the new file.
        scene.append("vllm.log.1", "old two\n");
        assert_eq!(scene.text(), "old one\nold two\n");
        let look = scene.log.look();
        assert_eq!((look.begins, &look.bytes[..], look.gap), (true, &b"new one\n"[..], None));
        scene.append("vllm.log", "new two\n");
        assert_eq!(scene.text(), "new two\n");
    }

    #[test]
    fn a_server_that_keeps_its_old_file_is_read_as_long_as_the_new_one_is_empty() {
        let mut scene = Scene::new();
        scene.rename("vllm.log", "vllm.log.1");
        scene.append("vllm.log", "");
        scene.append("vllm.log.1", "old\n");
        assert_eq!(scene.text(), "old\n");
        scene.rename("vllm.log", "vllm.log.2");
        scene.append("vllm.log", "");
        scene.append("vllm.log.1", "still old\n");
        assert_eq!(scene.text(), "still old\n");
    }

    #[test]
    fn a_file_that_was_replaced_after_a_look_is_read_before_its_successor() {
        let mut scene = Scene::new();
        scene.rename("vllm.log", "vllm.log.1");
        scene.append("vllm.log", "");
        assert_eq!(scene.text(), "", "it is empty, and known");
        scene.append("vllm.log", "second\n");
        scene.rename("vllm.log", "vllm.log.2");
        scene.append("vllm.log", "third\n");
        let looks = [scene.log.look(), scene.log.look()];
        let read = looks.each_ref().map(|look| (look.begins, &look.bytes[..], &look.gap));
        assert_eq!(read, [(true, &b"second\n"[..], &None), (true, b"third\n", &None)]);
        assert_eq!(looks.map(|look| look.behind_bytes), [6, 0]);
    }

    #[test]
    fn of_two_files_between_two_looks_the_lost_one_is_a_gap() {
        let mut scene = Scene::new();
        for old in ["vllm.log.1", "vllm.log.2"] {
            scene.rename("vllm.log", old);
            scene.append("vllm.log", "CUDA error: out of memory\n");
        }
        let gap = scene.log.look().gap.unwrap();
        assert!(gap.ends_with(
            "vllm.log: it was replaced, and there may have been another file in between"
        ));
        assert_eq!(scene.log.look().gap, None, "it is told once");
    }

    #[test]
    fn a_file_that_was_cut_and_is_longer_than_before_is_noticed() {
        let mut scene = Scene::new();
        scene.append("vllm.log", "one\n");
        assert_eq!(scene.text(), "one\n");
        for _ in 0..2 {
            fs::write(scene.path("vllm.log"), "").unwrap();
            scene.append("vllm.log", "CUDA error: out of memory, and more\n");
        }
        let look = scene.log.look();
        assert!(look.begins && look.bytes.starts_with(b"CUDA") && look.gap.is_some(), "{look:?}");
    }

    #[test]
    fn a_file_that_was_cut_is_read_from_its_start() {
        let mut scene = Scene::new();
        fs::copy(scene.path("vllm.log"), scene.path("vllm.log.1")).unwrap();
        fs::write(scene.path("vllm.log"), "").unwrap();
        scene.append("vllm.log", "after\n");
        let look = scene.log.look();
        assert_eq!((look.begins, &look.bytes[..]), (true, &b"after\n"[..]));
        assert!(look.gap.is_some_and(|gap| gap.contains("vllm.log: it was cut")));
        assert_eq!(scene.log.look(), FileLook::default());
    }

    #[test]
    fn what_a_server_writes_behind_the_hole_of_a_cut_file_is_read_without_the_hole() {
        let mut scene = Scene::new();
        fs::write(scene.path("vllm.log"), "").unwrap();
        assert_eq!(scene.text(), "");
        let mut server = OpenOptions::new().write(true).open(scene.path("vllm.log")).unwrap();
        server.seek(SeekFrom::Start(3 * READ_BYTES)).unwrap();
        server.write_all(b"CUDA error: out of memory\n").unwrap();
        let mut text = String::new();
        for _ in 0..3 {
            let look = scene.log.look();
            assert!(look.behind_bytes > 0, "{look:?}");
            text += &String::from_utf8(look.bytes).unwrap();
        }
        text += &scene.text();
        assert_eq!(text, "CUDA error: out of memory\n");
    }

    #[test]
    fn a_link_that_is_set_to_another_file_is_followed() {
        let mut scene = Scene::new();
        scene.append("monday", "before\n");
        std::os::unix::fs::symlink(scene.path("monday"), scene.path("current")).unwrap();
        scene.log = FollowedFile::open_at_end(&scene.path("current")).unwrap();
        scene.append("tuesday", "first\n");
        std::os::unix::fs::symlink(scene.path("tuesday"), scene.path("next")).unwrap();
        scene.rename("next", "current");
        assert_eq!(scene.text(), "first\n");
    }

    #[test]
    fn a_file_that_is_gone_or_no_file_any_more_is_not_read_until_one_is_there_again() {
        let mut scene = Scene::new();
        scene.append("vllm.log", "last words\n");
        fs::remove_file(scene.path("vllm.log")).unwrap();
        assert_eq!(scene.text(), "last words\n", "what was written is read");
        let blind = scene.log.look().blind.unwrap();
        assert!(blind.contains("vllm.log: No such file"), "{blind}");
        fs::create_dir(scene.path("vllm.log")).unwrap();
        let blind = scene.log.look().blind.unwrap();
        assert!(blind.ends_with("vllm.log: it is a folder"), "{blind}");
        fs::remove_dir(scene.path("vllm.log")).unwrap();
        scene.append("vllm.log", "back\n");
        assert_eq!(scene.text(), "back\n");
    }

    #[test]
    fn only_a_file_that_is_there_can_be_followed() {
        let scene = Scene::new();
        let told = |path: &Path| FollowedFile::open_at_end(path).unwrap_err().to_string();
        let pipe = scene.path("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for (path, words) in [
            (scene.path("none.log"), "there is no file "),
            (scene.folder.path().to_owned(), "a folder"),
            (pipe, "a named pipe"),
            (PathBuf::from("/dev/null"), "no regular file"),
        ] {
            let told = told(&path);
            assert!(told.contains(words) && told.contains("at: --server-log"), "{told}");
            assert!(told.contains("try: "), "{told}");
        }
    }
}
