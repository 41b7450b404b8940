//! Tests logs that are rotated, cut and replaced.

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
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
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
    assert!(
        gap.ends_with("vllm.log: it was replaced, and there may have been another file in between")
    );
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
    let reported = |path: &Path| FollowedFile::open_at_end(path).unwrap_err().to_string();
    let pipe = scene.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for (path, words) in [
        (scene.path("none.log"), "there is no file "),
        (scene.folder.path().to_owned(), "a folder"),
        (pipe, "a named pipe"),
        (PathBuf::from("/dev/null"), "no regular file"),
    ] {
        let reported = reported(&path);
        assert!(reported.contains(words) && reported.contains("at: --server-log"), "{reported}");
        assert!(reported.contains("try: "), "{reported}");
    }
}
