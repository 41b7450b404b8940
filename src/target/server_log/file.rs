//! Reads a log file from its end on, over rotation: a file that was renamed and created anew, a link
//! to another file, and a file that was cut to nothing. Does no waiting.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::error::Mistake;

/// Limit of one read.
const READ_BYTES: u64 = 32 << 10;

/// Log file.
#[derive(Debug)]
pub(crate) struct FollowedFile {
    path: PathBuf,
    /// File that is read. It stays open when it is renamed or removed.
    file: File,
    /// Bytes of the file that were read or left out.
    position: u64,
}

/// Result of a look at the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FileLook {
    /// New bytes.
    pub bytes: Vec<u8>,
    /// Whether they are the beginning of a file, so that a line before them is complete.
    pub begins: bool,
    /// Whether there are more.
    pub has_more: bool,
    /// Reason why nothing can be read.
    pub blind: Option<String>,
}

impl FollowedFile {
    /// Opens a log at its end.
    ///
    /// # Errors
    /// There is no such file, it is none that can be followed, or it cannot be read.
    pub(super) fn open_at_end(path: &Path) -> Result<FollowedFile, Mistake> {
        let mistake = |what: String| Mistake::new(what).at("--server-log");
        let shown = path.display();
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
        let file = File::open(path).map_err(|why| mistake(format!("{shown}: {why}")))?;
        Ok(FollowedFile { path: path.to_owned(), file, position: seen.len() })
    }

    /// Reads what is new. The next file is read once it has a first byte: until then a server may
    /// still write to the one before, which is read to its end first.
    pub(super) fn look(&mut self) -> FileLook {
        let next = self.next();
        let look = match self.read() {
            Ok(look) => look,
            Err(why) => return self.blind(&why.to_string()),
        };
        if look.has_more || !look.bytes.is_empty() {
            return look;
        }
        match next {
            Ok(None) => look,
            Ok(Some(file)) => {
                (self.file, self.position) = (file, 0);
                match self.read() {
                    Ok(look) => FileLook { begins: true, ..look },
                    Err(why) => self.blind(&why.to_string()),
                }
            }
            Err(why) => FileLook { begins: look.begins, ..self.blind(&why) },
        }
    }

    /// Returns the file that now has the log's name, if it is another and has a first byte.
    ///
    /// # Errors
    /// In words: there is none, or it cannot be read.
    fn next(&self) -> Result<Option<File>, String> {
        let seen = fs::metadata(&self.path).map_err(|why| why.to_string())?;
        if !seen.is_file() {
            return Err(format!("it is {}", kind(&seen)));
        }
        let present = self.file.metadata().map_err(|why| why.to_string())?;
        if (seen.dev(), seen.ino()) == (present.dev(), present.ino()) || seen.len() == 0 {
            return Ok(None);
        }
        File::open(&self.path).map(Some).map_err(|why| why.to_string())
    }

    /// Reads on in the present file.
    fn read(&mut self) -> io::Result<FileLook> {
        let length = self.file.metadata()?.len();
        let begins = length < self.position;
        if begins {
            self.position = 0;
        }
        let mut bytes = vec![0; (length - self.position).min(READ_BYTES) as usize];
        let read = self.file.read_at(&mut bytes, self.position)?;
        bytes.truncate(read);
        self.position += read as u64;
        // A server that does not append goes on at its old place in a file that was cut: what is
        // before that place reads as zeros.
        bytes.retain(|byte| *byte != 0);
        Ok(FileLook { bytes, begins, has_more: read > 0 && self.position < length, blind: None })
    }

    fn blind(&self, why: &str) -> FileLook {
        let blind = Some(format!("{}: {why}", self.path.display()));
        FileLook { blind, ..FileLook::default() }
    }
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
        assert_eq!((look.begins, &look.bytes[..]), (true, &b"new one\n"[..]));
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
    fn a_file_that_was_cut_is_read_from_its_start() {
        let mut scene = Scene::new();
        fs::copy(scene.path("vllm.log"), scene.path("vllm.log.1")).unwrap();
        fs::write(scene.path("vllm.log"), "").unwrap();
        scene.append("vllm.log", "after\n");
        let look = scene.log.look();
        assert_eq!((look.begins, &look.bytes[..]), (true, &b"after\n"[..]));
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
            assert!(look.has_more, "{look:?}");
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
