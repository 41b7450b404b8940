//! Takes up a run folder that was cut off: checks that its run can go on, and mends the ends of its
//! files.

use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use super::folder::{self, MANIFEST, TEMPORARY};
use super::held::{self, HeldFolder};
use super::lines::WholeLines;
use super::manifest::{Anchor, Manifest, SCHEMA};
use super::reader::{self, Reader};
use crate::error::Mistake;
use crate::fact::row;
use crate::fact::{Closed, Entry, Fact, Segment, Seq, TargetFact, TargetWord};
use crate::shell;
use crate::unit::At;

/// Run that was cut off. Its folder is locked for as long as the value lives.
#[derive(Clone, Debug)]
pub(crate) struct CutRun {
    /// Run folder.
    pub dir: PathBuf,
    /// Manifest as it stands in the folder, without secrets.
    pub manifest: Manifest,
    /// Segment that follows.
    pub segment: Segment,
    /// Number of the next entry.
    pub next_seq: Seq,
    /// Wall time of the last row, microseconds since 1970.
    pub last_us: u64,
    /// Last start of a server by longhaul that has no end: segment, instant, words.
    pub launched: Option<(Segment, At, String)>,
    /// Folder, held.
    pub held: HeldFolder,
}

impl CutRun {
    /// Opens and locks a run folder. Nothing in it is changed.
    ///
    /// # Errors
    /// It is no run folder, is being written, was closed, was changed, or is of another version.
    pub(crate) fn open(dir: &Path) -> Result<CutRun, Mistake> {
        let place = dir.display().to_string();
        if held::never_began(dir) {
            let what = "the run was cut off while its server was starting, before its first row";
            let hint = format!("begin it again, with -o {place}: that server is ended first");
            return Err(Mistake::new(what).at(place).hint(hint));
        }
        let reader = reader::open(dir)?;
        let report = format!("longhaul report {place}");
        let refused = |what: String| Mistake::new(what).at(place.clone()).hint(report.clone());
        let held = HeldFolder::take_up(dir)?;
        let manifest = reader.manifest().clone();
        if manifest.schema != SCHEMA {
            let schema = manifest.schema;
            return Err(refused(format!(
                "a run of schema {schema} cannot go on, only one of {SCHEMA}"
            )));
        }
        let own = env!("CARGO_PKG_VERSION");
        if manifest.longhaul != own {
            let what = format!("longhaul {} began this run, and this is {own}", manifest.longhaul);
            return Err(refused(what).hint("resume it with the version that began it"));
        }
        if manifest.sweep.is_some() {
            return Err(refused("a run of a sweep cannot go on by itself".to_owned()));
        }
        let lost = row::File::ALL.map(row::File::name).into_iter().find(|name| {
            let path = dir.join(name);
            fs::metadata(path).map_or(true, |meta| meta.len() == 0)
        });
        let end = End::of(reader)?;
        if let Some(why) = end.changed {
            return Err(refused(why));
        }
        if let Some(name) = lost.filter(|_| end.next_seq > 0) {
            return Err(refused(format!("{name} is lost: what the run went through is not known")));
        }
        if !end.is_whole {
            return Err(refused("its first row is lost: the journal does not begin".to_owned()));
        }
        if end.damaged > 0 {
            let rows = if end.damaged == 1 { "a row" } else { "rows" };
            return Err(refused(format!("{rows} in the middle of its files cannot be read")));
        }
        if let Some(closed) = end.closed {
            let what = format!("the run is over: {}", closed.because.plain());
            return Err(refused(what).hint(manifest.again.clone()));
        }
        let anchors = manifest.segments.iter().map(|anchor| anchor.segment);
        let segment = anchors.chain([end.segment]).max().unwrap_or(0) + 1;
        let last_us = manifest.anchor_us(end.segment).saturating_add(end.at.0);
        let (dir, next_seq, launched) = (dir.to_owned(), end.next_seq, end.launched);
        Ok(CutRun { dir, manifest, segment, next_seq, last_us, launched, held })
    }

    /// Returns the words of the command line that began the run.
    pub(crate) fn words(&self) -> Vec<String> {
        shell::words(&self.manifest.again).into_iter().map(|word| word.text).collect()
    }

    /// Hands every entry to `fold`, in the order of the run.
    ///
    /// # Errors
    /// The folder cannot be read any more.
    pub(crate) fn read(&self, fold: impl FnMut(&Entry)) -> Result<(), Mistake> {
        reader::open(&self.dir).map(|mut reader| reader.read(fold))
    }

    /// Returns the manifest of the run that goes on, with one more segment.
    ///
    /// # Errors
    /// The plan, the command or the image is another than before: that would be another run.
    pub(crate) fn continued(&self, now: &Manifest, anchor: Anchor) -> Result<Manifest, Mistake> {
        let before = &self.manifest;
        let differs = [
            ("the load", before.plan_fingerprint != now.plan_fingerprint),
            ("the recipe's command", before.command != now.command),
            ("the recipe's image", before.container != now.container),
            ("the model", before.server.model != now.server.model),
        ];
        if let Some((what, _)) = differs.into_iter().find(|(_, differs)| *differs) {
            return Err(Mistake::new(format!(
                "{what} would be another than before: not the same run"
            ))
            .at(self.dir.display().to_string())
            .hint("the same server, and the files that recipe and scenario name, as they were"));
        }
        Ok(self.with_segment(anchor))
    }

    /// Returns the manifest with one more segment.
    pub(crate) fn with_segment(&self, anchor: Anchor) -> Manifest {
        let mut manifest = self.manifest.clone();
        manifest.files.clear();
        manifest.segments.push(anchor);
        manifest
    }

    /// Mends the ends of the files, so that rows can be appended: what is torn is cut off, a head
    /// that is missing is written, and frames of requests whose row is lost are removed.
    ///
    /// # Errors
    /// The system's error in words.
    pub(super) fn mend(&self) -> io::Result<()> {
        for file in row::File::ALL {
            mend_rows(&self.dir.join(file.name()), file)?;
        }
        remove_newer(&self.dir.join("evidence"), self.next_seq)?;
        match fs::remove_file(self.dir.join(format!("{MANIFEST}{TEMPORARY}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => folder::sync_dir(&self.dir),
        }
    }
}

/// End of a journal.
#[derive(Default)]
struct End {
    segment: Segment,
    at: At,
    next_seq: Seq,
    /// End of the run, if it has one in its last segment.
    closed: Option<Closed>,
    changed: Option<String>,
    /// Whether its first row is that of its begin.
    is_whole: bool,
    /// Number of rows in the middle of the files that cannot be read.
    damaged: u64,
    launched: Option<(Segment, At, String)>,
}

impl End {
    fn fold(&mut self, entry: &Entry) {
        let Entry { segment, seq, at, fact } = entry;
        if *segment != self.segment {
            let (launched, is_whole) = (self.launched.take(), self.is_whole);
            *self = End { segment: *segment, launched, is_whole, ..End::default() };
        }
        self.is_whole |= *seq == 0 && matches!(fact, Fact::Opened(_));
        self.at = self.at.max(*at);
        self.next_seq = seq.saturating_add(1);
        match fact {
            Fact::Closed(closed) => self.closed = Some(closed.clone()),
            Fact::Target(TargetFact { word: TargetWord::Launched, evidence, .. }) => {
                self.launched = Some((*segment, *at, evidence.clone()));
            }
            Fact::Target(target) if target.word == TargetWord::Removed => self.launched = None,
            _ => {}
        }
    }

    fn of(mut reader: Reader) -> Result<End, Mistake> {
        let mut end = End::default();
        reader.read(|entry| end.fold(entry));
        let reported = reader.reported();
        (end.changed, end.damaged) = (reported.changed, reported.damaged_rows);
        if end.next_seq == 0 {
            return Err(Mistake::new("the run has no row yet: there is nothing to go on from")
                .hint("begin it anew, in another folder"));
        }
        Ok(end)
    }
}

/// Cuts a file of rows off behind its last whole row.
fn mend_rows(path: &Path, of: row::File) -> io::Result<()> {
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut lines = WholeLines::new(BufReader::new(&file), 0);
    while lines.next()?.is_some() {}
    let whole = length.saturating_sub(lines.tally().torn_bytes);
    if whole < length {
        file.set_len(whole)?;
    }
    if whole == 0 {
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(of.header().as_bytes())?;
    }
    file.sync_all()
}

/// Removes the frames of entries from `next_seq` on: their numbers are given again.
fn remove_newer(evidence: &Path, next_seq: Seq) -> io::Result<()> {
    let Ok(files) = fs::read_dir(evidence) else { return Ok(()) };
    for file in files {
        let file = file?;
        let name = file.file_name();
        let seq = name.to_str().and_then(|name| name.strip_suffix(".txt")?.parse::<Seq>().ok());
        if seq.is_some_and(|seq| seq >= next_seq) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}
