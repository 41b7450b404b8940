//! Makes run folders of wild manifests and rows, and reads them as `longhaul report` and
//! `longhaul resume` do.

#![allow(clippy::expect_used)] // a check of tests and of fuzz targets

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::command::report::{judge, table, verdict_json};
use crate::error::Mistake;
use crate::fact::row::{File, encode, file_of};
use crate::fact::{Entry, Fact};
use crate::journal::hlog::HdrLog;
use crate::journal::{Manifest, reader};
use crate::plan::{Bounds, Plan};
use crate::report::{self, TerminalOptions};
use crate::run::conductor::Replay;
use crate::spec::{SpecFile, scenario};

/// Lines and columns of a report on a terminal.
const REPORT_LINES_MAX: usize = 24;
const REPORT_COLUMNS_MAX: usize = 80;

/// Bound on each text about a run: a few kilobytes for each group of requests, of which an input of
/// some kilobytes has a few dozen.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Run folder below the system's folder for temporary files, which is removed at its end.
pub(super) struct WildFolder(PathBuf);

impl WildFolder {
    /// Writes a run folder of a manifest's text and of entries, each with a valid checksum.
    pub(super) fn new(manifest: &str, entries: &[Entry]) -> WildFolder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("longhaul-fuzz-{}-{count}", std::process::id());
        let folder = WildFolder(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).expect("a folder for temporary files");
        fs::write(folder.0.join("run.json"), manifest).expect("a manifest");
        for file in File::ALL {
            let mut rows = file.header().into_bytes();
            let own = entries.iter().filter(|entry| file_of(&entry.fact) == file);
            own.for_each(|entry| encode(entry, 0, &mut rows));
            fs::write(folder.0.join(file.name()), rows).expect("rows");
        }
        folder
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for WildFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Numbers entries in their order, as those of a run.
pub(super) fn numbered(mut entries: Vec<Entry>, run: &str) -> Vec<Entry> {
    for (seq, entry) in (0..).zip(&mut entries) {
        entry.seq = seq;
        if let Fact::Opened(opened) = &mut entry.fact {
            run.clone_into(&mut opened.run);
        }
    }
    entries
}

/// Reads and judges a run folder, and checks every text about it.
///
/// # Errors
/// The mistake that the report would be.
pub(super) fn check_report(run: &Path) -> Result<(), Mistake> {
    let judged = judge(run)?;
    let page = judged.page();
    let json = report::json::render(&page, true).text().to_owned();
    for json in [json.as_str(), verdict_json(&page).text()] {
        assert!(serde_json::from_str::<Value>(json).is_ok(), "{json}");
        assert!(json.len() <= TEXT_BYTES_MAX, "{} bytes", json.len());
    }
    for wide in [false, true] {
        let options = TerminalOptions { wide, ..TerminalOptions::default() };
        let printed = report::render(&page, options);
        let text = printed.text();
        assert!(text.len() <= TEXT_BYTES_MAX, "{} bytes", text.len());
        for (number, line) in text.lines().enumerate() {
            assert!(!line.contains(char::is_control), "{line:?}");
            let fits = report::layout::columns(line) <= REPORT_COLUMNS_MAX;
            assert!(wide || fits && number < REPORT_LINES_MAX, "{text}");
        }
    }
    // It takes as long as the first one, so one of four is made.
    if json.len().is_multiple_of(4) {
        let again = judge(run)?;
        let again = report::json::render(&again.page(), true);
        assert_eq!(again.text(), json, "a second report");
    }
    let table = table(run)?;
    let exported = [report::arena::csv(&table), report::benchy::json(&table)];
    assert!(exported.iter().all(|it| it.text().len() <= TEXT_BYTES_MAX));
    Ok(())
}

/// Reads a run folder as a run that goes on does: each row is read or counted as damaged, and the
/// conductor and the histograms are made of the rows again.
pub(super) fn check_replay(run: &Path, rows: usize) -> Result<(), Mistake> {
    let mut reader = reader::open(run)?;
    let manifest = reader.manifest().clone();
    let mut entries = Vec::new();
    reader.read(|entry| entries.push(entry.clone()));
    let summary = reader.reported();
    assert_eq!(entries.len() as u64 + summary.damaged_rows, rows as u64, "{summary:?}");
    assert!(summary.torn.is_empty() && summary.missing_seqs <= summary.damaged_rows, "{summary:?}");
    check_histograms(&manifest, &entries);
    let text = &manifest.scenario;
    let source =
        SpecFile { name: text.name.clone(), origin: text.origin.clone(), text: text.text.clone() };
    let scenario = scenario::read(source, &|_| Ok("not read again\n".to_owned()))?;
    let plan = Rc::new(Plan::new(&scenario, manifest.seed, Bounds::default())?);
    let mut replay = Replay::new(plan);
    for entry in &entries {
        replay.fold(entry);
    }
    replay.finish();
    Ok(())
}

fn check_histograms(manifest: &Manifest, entries: &[Entry]) {
    let mut out = Vec::new();
    let log = HdrLog::new(manifest.start_us(), manifest.simulated, &mut out);
    let Ok(mut log) = log else { return };
    for entry in entries {
        log.fold(entry, &mut out).expect("a histogram");
    }
    log.finish(&mut out).expect("a histogram");
    let text = String::from_utf8(out).expect("a log of text");
    assert!(text.len() <= TEXT_BYTES_MAX, "{} bytes", text.len());
}
