//! Tests the run folder on disk: written, truncated, damaged, and read back.

// clippy's exemption of tests does not reach their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use insta::assert_snapshot;
use longhaul::fact::row::{File, file_of};
use longhaul::fact::{
    Cell, Class, Closed, ClosedBecause, Ended, Entry, Fact, Load, Opened, Phase, PhaseBegan,
    Reading, Request, SentSlots, Severity, SignatureMatch, Source, Stage,
};
use longhaul::journal::manifest::Anchor;
use longhaul::journal::{Journal, Manifest, ReadSummary, reader};
use longhaul::secret::Secrets;
use longhaul::shown::named;
use longhaul::unit::At;
use longhaul::world::Sink;

const WALL_US: u64 = 1_778_644_062_716_000;

fn manifest() -> Manifest {
    let anchor = Anchor { wall_us: WALL_US, ..Anchor::default() };
    Manifest { seed: 7, segments: vec![anchor], ..Manifest::default() }
}

fn request(slot: u64, done_us: u64, ended: Ended) -> Fact {
    let cell = Cell { depth: 4096, load: Load::Streams(1), prompt: 2048, output: 128 };
    Fact::Request(Box::new(Request {
        slot,
        done: At(done_us),
        first_byte_us: Some(2_900_000),
        ttft_us: Some(3_000_000),
        last_us: Some(8_900_000),
        prompt_tokens: Some(6150),
        cached_tokens: Some(0),
        output_tokens: Some(128),
        first_tokens: Some(3),
        chunks: 42,
        max_gap_us: Some(170_000),
        peak_tokens: Some(24),
        ended,
        stage: Stage::Closing,
        finish: Some("length".to_owned()),
        http_status: Some(200),
        error: "it said \"no\", twice".to_owned(),
        checks: vec!["repeats".to_owned(), "empty_lines".to_owned()],
        answer: Some("00ff00ff00ff00ff".to_owned()),
        ..Request::unanswered(Phase::Soak, "ladder", Class::Cold, cell, At(done_us - 9_000_000))
    }))
}

fn reading(name: &str, last: f64) -> Fact {
    let (source, instance) = (Source::Own, String::new());
    Fact::Reading(Reading {
        source,
        instance,
        name: name.to_owned(),
        n: 10,
        min: 0.0,
        mean: 0.5,
        max: 1.0,
        last,
    })
}

/// Two minutes of a run, a few rows in each file, two of them stamped out of order.
fn entries() -> Vec<Entry> {
    let opened = Opened {
        version: "0.1.0".to_owned(),
        simulated: true,
        wall_us: WALL_US,
        boot_id: None,
        endpoint: "http://host:8000".to_owned(),
        run: String::new(),
    };
    let said = SignatureMatch {
        source: Source::Container,
        signature: "cuda_oom".to_owned(),
        severity: Severity::Fatal,
        line: "two\\nlines, \"quoted\"".to_owned(),
        whose: None,
    };
    let closed = Closed { because: ClosedBecause::Done, note: String::new() };
    let facts = vec![
        (0, Fact::Opened(opened)),
        (1_000, Fact::Phase(PhaseBegan { phase: Phase::Soak, because: "start".to_owned() })),
        (10_000_000, reading("in_flight", 1.0)),
        (9_500_000, request(0, 9_500_000, Ended::Completed)),
        (20_000_000, reading("in_flight", 1e-9)),
        (25_000_000, request(1, 25_000_000, Ended::ErrorFrame)),
        (26_000_000, Fact::Said(said)),
        (30_000_000, Fact::Issued(SentSlots { phase: Phase::Soak, next: vec![3, 2] })),
        (90_000_000, request(2, 90_000_000, Ended::Short)),
        (95_000_000, request(3, 95_000_000, Ended::Cut)),
        (100_000_000, reading("tokens", 512.0)),
        (110_000_000, Fact::Closed(closed)),
    ];
    let numbered = facts.into_iter().zip(0..);
    numbered.map(|((at, fact), seq)| Entry { segment: 0, seq, at: At(at), fact }).collect()
}

fn write(journal: &mut Journal, entries: &[Entry]) {
    for entry in entries {
        journal.append(entry.clone()).unwrap();
    }
}

async fn written(dir: &Path) {
    let mut journal = Journal::inline(dir, &manifest(), &Secrets::default(), None).unwrap();
    write(&mut journal, &entries());
    journal.close().await.unwrap();
}

fn read(dir: &Path) -> (Vec<Entry>, ReadSummary) {
    let mut reader = reader::open(dir).unwrap();
    let entries = reader.entries();
    (entries, reader.reported())
}

#[tokio::test]
async fn what_was_written_is_read_in_the_order_of_the_run_twice() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("runs/tonight");
    written(&dir).await;
    let mut reader = reader::open(&dir).unwrap();
    assert_eq!(reader.entries(), entries());
    assert_eq!(reader.reported(), ReadSummary::default());
    let files = reader.manifest().files.clone();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["events.csv", "readings.csv", "requests.csv"]);
    assert_eq!(reader.manifest(), &Manifest { files, ..manifest() });
    assert_eq!(reader.again().unwrap().entries(), entries());
}

#[tokio::test]
async fn a_thread_writes_the_same_bytes_as_the_run_itself() {
    let scratch = tempfile::tempdir().unwrap();
    let (inline, thread) = (scratch.path().join("inline"), scratch.path().join("thread"));
    written(&inline).await;
    let mut journal = Journal::create(&thread, &manifest(), &Secrets::default(), None).unwrap();
    write(&mut journal, &entries());
    journal.sync().unwrap();
    journal.close().await.unwrap();
    for name in ["requests.csv", "events.csv", "readings.csv", "latency.hlog", "run.json"] {
        assert_eq!(
            fs::read(inline.join(name)).unwrap(),
            fs::read(thread.join(name)).unwrap(),
            "{name}"
        );
    }
    assert!(journal.append(entries()[0].clone()).is_err(), "a closed journal takes nothing");
}

/// Returns what shows that a run folder was changed; the mistake's words where it is not read.
fn changed(dir: &Path) -> Option<String> {
    match reader::open(dir) {
        Ok(mut reader) => {
            reader.read(|_| ());
            reader.reported().changed
        }
        Err(mistake) => Some(mistake.to_string()),
    }
}

#[tokio::test]
async fn a_changed_bit_of_the_manifest_is_never_believed() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("run");
    written(&dir).await;
    assert_eq!(changed(&dir), None);
    let path = dir.join("run.json");
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 7);
        fs::write(&path, &flipped).unwrap();
        let said = changed(&dir);
        assert!(said.is_some(), "{at}: {}", String::from_utf8_lossy(&flipped));
    }
}

#[tokio::test]
async fn a_file_that_is_not_of_the_run_is_reported() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("run");
    written(&dir).await;
    let kept: Vec<Vec<u8>> =
        ["run.json", "requests.csv"].map(|name| fs::read(dir.join(name)).unwrap()).into();
    let restore = || {
        fs::write(dir.join("run.json"), &kept[0]).unwrap();
        fs::write(dir.join("requests.csv"), &kept[1]).unwrap();
    };
    let mut all = Vec::new();
    let mut report = |what: &str| {
        all.push(format!("{what}: {}", changed(&dir).unwrap_or_else(|| "nothing".to_owned())));
        restore();
    };

    // A row with another time to the first token, and its right checksum.
    let text = String::from_utf8(kept[1].clone()).unwrap();
    let edit = |line: &str| {
        if line.contains(",3000000,") {
            let body = line.replace(",3000000,", ",2000000,");
            let body = body.rsplit_once(',').unwrap().0.to_owned();
            let crc = crc32fast::hash(body.as_bytes());
            format!("{body},{crc:08x}\n")
        } else {
            format!("{line}\n")
        }
    };
    fs::write(dir.join("requests.csv"), text.lines().map(edit).collect::<String>()).unwrap();
    report("a row edited with its checksum");

    let other = scratch.path().join("other");
    let mut another = Manifest { seed: 8, ..manifest() };
    another.identify();
    Journal::inline(&other, &another, &Secrets::default(), None).unwrap().close().await.unwrap();
    fs::copy(other.join("run.json"), dir.join("run.json")).unwrap();
    report("the manifest of another run");

    let text = String::from_utf8(kept[0].clone()).unwrap();
    fs::write(dir.join("run.json"), text.replace('\n', "\r\n")).unwrap();
    report("other line ends");

    let unsealed = text.replace("\"schema\": 2", "\"schema\": 1");
    let (unsealed, _) = unsealed.rsplit_once(",\n  \"crc\"").unwrap();
    fs::write(dir.join("run.json"), format!("{unsealed}\n}}\n")).unwrap();
    report("the manifest of schema 1");

    let later = format!("{unsealed}\n}}\n").replace("1778644062716000", "1778644062716001");
    fs::write(dir.join("run.json"), later).unwrap();
    report("the manifest of schema 1 of another run");
    assert_snapshot!(all.join("\n"), @"
        a row edited with its checksum: requests.csv was changed after the run's end
        the manifest of another run: run.json is of another run
        other line ends: run.json has no checksum
        the manifest of schema 1: nothing
        the manifest of schema 1 of another run: run.json is of another run
    ");
}

/// What is left of the entries when only so many bytes of a file are.
fn left_of(file: File, bytes: &[u8]) -> Vec<Entry> {
    let rows = bytes.split(|byte| *byte == b'\n').count().saturating_sub(2);
    let mut seen = 0;
    let of_prefix = |entry: &Entry| {
        let its = file_of(&entry.fact) == file;
        seen += usize::from(its);
        !its || seen <= rows
    };
    entries().into_iter().filter(of_prefix).collect()
}

#[tokio::test]
async fn a_file_cut_at_any_byte_or_filled_with_nuls_gives_a_prefix_of_it() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("run");
    written(&dir).await;
    for file in File::ALL {
        let path = dir.join(file.name());
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            let left = left_of(file, &whole[..cut]);
            let missing: u64 = left.last().map_or(0, |entry| entry.seq + 1) - left.len() as u64;
            let ended = whole[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let mut with_nuls = whole[..cut].to_vec();
            with_nuls.resize(whole.len(), 0);
            for damaged in [&whole[..cut], &with_nuls] {
                fs::write(&path, damaged).unwrap();
                let (entries, reported) = read(&dir);
                assert_eq!(entries, left, "{} cut at {cut}", file.name());
                let torn = (damaged.len() - ended) as u64;
                let torn = if torn > 0 { vec![(file.name(), torn)] } else { Vec::new() };
                assert_eq!((reported.missing_seqs, reported.damaged_rows), (missing, 0));
                assert_eq!(reported.torn, torn);
            }
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[tokio::test]
async fn a_changed_byte_costs_its_own_row_and_never_gives_a_wrong_one() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("run");
    written(&dir).await;
    let originals = entries();
    for file in File::ALL {
        let path = dir.join(file.name());
        let whole = fs::read(&path).unwrap();
        let head = file.header().len();
        for place in head..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x55;
            fs::write(&path, &damaged).unwrap();
            let (entries, reported) = read(&dir);
            assert!(entries.iter().all(|entry| originals.contains(entry)), "byte {place}");
            // A line end that is gone takes two rows; nothing takes more.
            assert!((1..=2).contains(&(originals.len() - entries.len())), "byte {place}");
            assert!(reported.damaged_rows > 0 || !reported.torn.is_empty(), "byte {place}");
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[tokio::test]
async fn a_row_of_a_kind_that_nobody_knows_is_told_and_passed_over() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("run");
    written(&dir).await;
    let path = dir.join("events.csv");
    let text = fs::read_to_string(&path).unwrap();
    let row = "12,0,5,,eclipse,,,{}";
    let crc = crc32fast::hash(row.as_bytes());
    fs::write(&path, format!("{text}{row},{crc:08x}\n")).unwrap();
    let (entries, reported) = read(&dir);
    assert_eq!(entries.len(), 12);
    assert_eq!(reported.damaged_rows, 1);
    assert_eq!(reported.first_damage.as_deref(), Some("events.csv: column kind: `eclipse`"));
}

#[tokio::test]
async fn a_folder_can_be_read_while_it_is_written() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("run");
    let mut journal = Journal::inline(&dir, &manifest(), &Secrets::default(), None).unwrap();
    let entries = entries();
    for count in 1..=entries.len() {
        journal.append(entries[count - 1].clone()).unwrap();
        let (so_far, reported) = read(&dir);
        assert_eq!(so_far, &entries[..count]);
        assert_eq!(reported, ReadSummary::default());
    }
    let mut opened_before = reader::open(&dir).unwrap();
    let later = Entry { seq: 12, ..entries[2].clone() };
    journal.append(later.clone()).unwrap();
    assert_eq!(opened_before.entries().len(), 12, "what came later belongs to a later reader");
}

#[tokio::test]
async fn a_folder_in_use_or_filled_or_unwritable_is_refused_with_its_name() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("run");
    let refused = |dir: &Path| {
        let error = Journal::create(dir, &manifest(), &Secrets::default(), None).err().unwrap();
        named(&error.to_string(), &[(scratch.path().to_str().unwrap(), "FOLDER")])
    };
    let mut journal = Journal::create(&dir, &manifest(), &Secrets::default(), None).unwrap();
    assert_snapshot!(refused(&dir), @"
        error: the run folder is in use by another longhaul
           at: FOLDER/run
          try: wait for it to end, or choose another folder with -o
    ");
    journal.close().await.unwrap();
    drop(journal);
    assert_snapshot!(refused(&dir), @"
        error: the run folder is there already and is not empty
           at: FOLDER/run
          try: choose a new folder with -o: a run never writes over another
    ");

    let strangers = scratch.path().join("letters");
    fs::create_dir(&strangers).unwrap();
    fs::write(strangers.join("letter.txt"), "dear").unwrap();
    assert_snapshot!(refused(&strangers), @"
        error: the run folder is there already and is not empty
           at: FOLDER/letters
          try: choose a new folder with -o: a run never writes over another
    ");
    assert_eq!(fs::read_dir(&strangers).unwrap().count(), 1, "nothing is left behind in it");

    // Below a file there is no folder, not even for root.
    assert_snapshot!(refused(&strangers.join("letter.txt").join("run")), @"
        error: the run folder cannot be written: Not a directory (os error 20)
           at: FOLDER/letters/letter.txt/run
          try: choose a folder that you may write to with -o
    ");
}

#[test]
fn what_is_no_run_folder_is_refused_with_a_hint() {
    let scratch = tempfile::tempdir().unwrap();
    let refused = || {
        let error = reader::open(scratch.path()).err().unwrap().to_string();
        named(&error, &[(scratch.path().to_str().unwrap(), "FOLDER")])
    };
    assert_snapshot!(refused(), @"
        error: this is not a run folder: it holds no run.json
           at: FOLDER
          try: give the folder that `longhaul run` named at its end, as runs/tonight
    ");
    fs::write(scratch.path().join("run.json"), r#"{"schema": 99}"#).unwrap();
    assert_snapshot!(refused(), @"
        error: this run folder has schema 99, newer than 2
           at: FOLDER/run.json
          try: read it with the longhaul that wrote it, or a newer one
    ");
}

#[tokio::test]
async fn the_histogram_log_is_read_by_its_own_reader() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("run");
    written(&dir).await;
    let live = fs::read(dir.join("latency.hlog")).unwrap();
    let text = String::from_utf8(live.clone()).unwrap();
    assert!(text.starts_with("#[Histogram log format version 1.3]\n#[StartTime: 1778644062.716 "));
    let mut seen = Vec::new();
    for entry in IntervalLogIterator::new(&live) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let bytes = base64(interval.encoded_histogram());
            let histogram: hdrhistogram::Histogram<u64> =
                Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            let tag = interval.tag().unwrap().as_str().to_owned();
            let start = interval.start_timestamp().as_secs();
            seen.push((start, tag, histogram.len(), histogram.max() / 100_000));
        }
    }
    // The request that longhaul cut is in none; 5.9 s over 125 tokens is 47.2 ms.
    let row = |start, tag: &str, max| (start, tag.to_owned(), 1, max);
    assert_eq!(
        seen,
        [
            row(0, "e2e.d4096", 90),
            row(0, "e2e.d4096.err", 90),
            row(0, "tpot.d4096", 0),
            row(0, "tpot.d4096.err", 0),
            row(0, "ttft.d4096", 30),
            row(0, "ttft.d4096.err", 30),
            row(60, "e2e.d4096", 90),
            row(60, "tpot.d4096", 0),
            row(60, "ttft.d4096", 30),
        ]
    );
}

/// Base64 as RFC 4648 section 4 has it, enough for a test.
fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut out) = (0u32, 0, Vec::new());
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = alphabet.iter().position(|letter| *letter == byte).unwrap() as u32;
        bits = bits << 6 | value;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    out
}

#[tokio::test]
async fn evidence_is_kept_by_number_cut_where_it_is_long_and_what_is_dropped_is_said() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("run");
    let mut journal = Journal::inline(&dir, &manifest(), &Secrets::default(), None).unwrap();
    journal.evidence(5, b"data: {\"error\":{}}\n\n").unwrap();
    journal.evidence(6, &vec![b'x'; 100_000]).unwrap();
    for seq in 7..510 {
        journal.evidence(seq, b"data\n").unwrap();
    }
    journal.log(b"INFO ready\n").unwrap();
    journal.close().await.unwrap();
    let text = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(text("evidence/5.txt"), "data: {\"error\":{}}\n\n");
    let long = text("evidence/6.txt");
    assert!(long.len() < 66_000 && long.ends_with("[longhaul: 34464 more bytes were not kept]\n"));
    assert!(dir.join("evidence/504.txt").exists() && !dir.join("evidence/505.txt").exists());
    assert_snapshot!(text("evidence/dropped.txt"), @"The first 500 failures have their frames here. 5 more had 25 bytes, which were not kept.");
    assert_eq!(text("server.log"), "INFO ready\n");
}

#[tokio::test]
async fn a_journal_that_is_dropped_has_written_what_it_was_given() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("run");
    let mut journal = Journal::create(&dir, &manifest(), &Secrets::default(), None).unwrap();
    write(&mut journal, &entries());
    drop(journal);
    assert_eq!(read(&dir).0, entries());
}

#[tokio::test]
async fn nothing_that_is_written_holds_a_secret_and_a_text_is_cut_once_it_is_clean() {
    const KEY: &str = "sk-9fQ7xLm2ZpT4vR8bYc1dWe6hUa3gNjK5";
    let (scratch, mut secrets) = (tempfile::tempdir().unwrap(), Secrets::default());
    secrets.add_key(KEY);
    let dir = scratch.path().join("run");
    let mut manifest = manifest();
    manifest.server.version = Some(format!("1 {KEY}"));
    manifest.recipe.text = format!("env: {{HF_TOKEN: {KEY}}}");
    manifest.plan = serde_json::json!({"notes": [KEY], "tokens": 12_345_678});
    let mut journal = Journal::create(&dir, &manifest, &secrets, None).unwrap();
    let said = |line: String| {
        let (signature, source) = ("cuda_oom".to_owned(), Source::Process);
        Fact::Said(SignatureMatch {
            source,
            signature,
            severity: Severity::Fatal,
            line,
            whose: None,
        })
    };
    let Fact::Request(mut bad) = request(0, 10_000_000, Ended::HttpError) else { panic!() };
    bad.error = format!("{}{KEY} and more", "x".repeat(190));
    bad.finish = Some(KEY.to_owned());
    let facts = [said(format!("{}{KEY}", "x".repeat(290))), Fact::Request(bad)];
    let mut written = Vec::new();
    for (seq, fact) in facts.into_iter().enumerate() {
        let entry = Entry { segment: 0, seq: seq as u64, at: At(0), fact };
        written.push((*journal.append(entry).unwrap()).clone());
    }
    let Fact::Said(line) = &written[0].fact else { panic!() };
    assert_eq!(line.line, format!("{}[secret]", "x".repeat(290)), "as it was written");
    let text = format!("é {KEY}\né");
    for byte in text.as_bytes() {
        journal.log(std::slice::from_ref(byte)).unwrap();
    }
    journal.evidence(1, format!("data: {}\n", KEY.replace('Q', "\\u0051")).as_bytes()).unwrap();
    journal.close().await.unwrap();
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(read("server.log"), "é [secret]\né");
    assert_eq!(read("evidence/1.txt"), "data: [secret]\n");
    let manifest: serde_json::Value = serde_json::from_str(&read("run.json")).unwrap();
    assert_eq!(manifest["recipe"]["text"], "env: {HF_TOKEN: (secret)}");
    assert_eq!(manifest["plan"]["tokens"], 12_345_678);
    let mut rows = csv::Reader::from_path(dir.join("requests.csv")).unwrap();
    let row: std::collections::BTreeMap<String, String> =
        rows.deserialize().next().unwrap().unwrap();
    assert_eq!(row["error"], format!("{}[secret] …", "x".repeat(190)));
    for name in ["run.json", "requests.csv", "events.csv"] {
        assert!(!read(name).contains("sk-9f"), "{name}");
    }
}
