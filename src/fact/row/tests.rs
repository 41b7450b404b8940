//! Tests that every entry survives being written as a row and read back.

use insta::assert_snapshot;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::escape::one_line;
use crate::fact::{
    Action, Batch, Cell, Class, Clock, Closed, ClosedBecause, Ended, Exited, Fault, FaultKind,
    Fitted, GapKind, Gaps, Group, Load, Missed, MissedReason, Opened, Phase, PhaseBegan, Reading,
    Request, SentSlots, Severity, SignatureMatch, Source, Stage, Statement, TOKENS_MAX, TargetFact,
    TargetWord, Whose,
};
use crate::stats::hdr::EncodedHistogram;
use crate::unit::At;

fn line() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| one_line(&text, 60))
}

fn some_line() -> impl Strategy<Value = String> {
    line().prop_filter("an empty text is not there", |text| !text.is_empty())
}

fn at() -> impl Strategy<Value = At> {
    any::<u64>().prop_map(At)
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("NaN equals nothing", |value| !value.is_nan()),
        Just(0.0),
        Just(1e16),
        Just(9.9e-7),
    ]
}

fn phase() -> impl Strategy<Value = Phase> {
    select(&Phase::ALL[..])
}

fn class() -> impl Strategy<Value = Class> {
    select(&Class::ALL[..])
}

fn cell() -> impl Strategy<Value = Cell> {
    let load = prop_oneof![
        (0_u32..=4_096).prop_map(Load::Streams),
        (1e-4..=1e4).prop_map(Load::PerSecond),
        (1e-4..1.0).prop_map(Load::PerSecond),
    ];
    (0..=TOKENS_MAX, load, 0..=TOKENS_MAX, 0..=TOKENS_MAX)
        .prop_map(|(depth, load, prompt, output)| Cell { depth, load, prompt, output })
}

fn group(workload: impl Strategy<Value = String>) -> impl Strategy<Value = Group> {
    let group = |(workload, class, cell)| Group { workload, class, cell };
    (workload, class(), of(cell())).prop_map(group)
}

prop_compose! {
    fn addressed()(
        phase in phase(), workload in line(), class in class(), cell in cell(),
        lane in any::<u32>(), slot in any::<u64>(), session in of(any::<u64>()),
        turn in of(any::<u32>()), lap in any::<u64>(), repeat in any::<u32>(),
        due in at(), sent in at(), done in at(),
    ) -> Request {
        Request {
            phase, workload, class, lane, slot, session, turn, cell, lap, repeat, due, sent, done,
            first_byte_us: None, ttft_us: None, ttft_content_us: None, last_us: None,
            prompt_tokens: None, cached_tokens: None, output_tokens: None,
            reasoning_tokens: None, first_tokens: None, chunks: 0, max_gap_us: None,
            peak_tokens: None, idle_us: None, ended: Ended::Completed, stage: Stage::Closing,
            finish: None, http_status: None, error: String::new(), checks: Vec::new(),
            answer: None, resent: false, retry_after_us: None,
            first_delay_us: None, last_delay_us: None, gap_delay_us: None,
        }
    }
}

prop_compose! {
    fn request()(
        addressed in addressed(),
        numbers in proptest::collection::vec(of(any::<u64>()), 16),
        chunks in any::<u64>(), ended in select(&Ended::ALL[..]),
        stage in select(&Stage::ALL[..]), finish in of(some_line()),
        http_status in of(any::<u16>()), error in line(),
        checks in proptest::collection::vec("[a-z_]{1,12}", 0..4), answer in of("[0-9a-f]{16}"), resent in any::<bool>(),
    ) -> Request {
        Request {
            first_byte_us: numbers[0], ttft_us: numbers[1], ttft_content_us: numbers[2],
            last_us: numbers[3], prompt_tokens: numbers[4], cached_tokens: numbers[5],
            output_tokens: numbers[6], reasoning_tokens: numbers[7], first_tokens: numbers[8],
            max_gap_us: numbers[9], peak_tokens: numbers[10], idle_us: numbers[11],
            retry_after_us: numbers[12], first_delay_us: numbers[13],
            last_delay_us: numbers[14], gap_delay_us: numbers[15], chunks, ended, stage, finish, http_status, error, checks,
            answer, resent, ..addressed
        }
    }
}

prop_compose! {
    fn batch()(
        phase in phase(), group in group(any::<String>()), lap in any::<u64>(),
        repeat in any::<u32>(), requests in any::<u64>(),
        good in any::<u64>(), began in at(), first in of(at()), last in of(at()),
        numbers in proptest::collection::vec(of(any::<u64>()), 4),
    ) -> Batch {
        Batch {
            phase, group, lap, repeat, requests, good, began, first, last,
            tokens: numbers[0], first_tokens: numbers[1], peak_tokens: numbers[2],
            models_us: numbers[3],
        }
    }
}

fn what_longhaul_is_and_did() -> impl Strategy<Value = Fact> {
    let text = any::<String>;
    let because = select(vec![ClosedBecause::Done, ClosedBecause::Away, ClosedBecause::Fault]);
    let kind = select(vec![FaultKind::Journal, FaultKind::Pace, FaultKind::Panic]);
    prop_oneof![
        (text(), any::<bool>(), any::<u64>(), of(text()), text()).prop_map(
            |(version, simulated, wall_us, boot_id, endpoint)| {
                Fact::Opened(Opened {
                    version,
                    simulated,
                    wall_us,
                    boot_id,
                    endpoint,
                    run: String::new(),
                })
            }
        ),
        (phase(), text()).prop_map(|(phase, because)| Fact::Phase(PhaseBegan { phase, because })),
        (text(), any::<u64>(), any::<u64>(), of(any::<u64>())).prop_map(
            |(method, depth, prompt, counted)| {
                Fact::Fitted(Fitted { method, depth, prompt, counted })
            }
        ),
        (any::<u64>(), text(), text()).prop_map(|(id, what, note)| Fact::Action(Action {
            id,
            what,
            note
        })),
        (phase(), any::<Vec<u64>>())
            .prop_map(|(phase, next)| Fact::Issued(SentSlots { phase, next })),
        (any::<u64>(), any::<i64>())
            .prop_map(|(wall_us, drift_us)| Fact::Clock(Clock { wall_us, drift_us })),
        (kind, text(), any::<bool>()).prop_map(|(kind, why, fatal)| Fact::Fault(Fault {
            kind,
            why,
            fatal
        })),
        (because, text()).prop_map(|(because, note)| Fact::Closed(Closed { because, note })),
    ]
}

fn exited() -> impl Strategy<Value = Exited> {
    let code = || of(any::<i64>());
    (code(), code(), of(any::<bool>())).prop_map(|(code, signal, oom_killed)| Exited {
        code,
        signal,
        oom_killed,
    })
}

fn what_was_seen() -> impl Strategy<Value = Fact> {
    let text = any::<String>;
    let source = || select(&Source::ALL[..]);
    let word = select(vec![TargetWord::Ready, TargetWord::Away, TargetWord::Restarted]);
    let severity = select(vec![Severity::Info, Severity::Warning, Severity::Fatal]);
    let kind = select(vec![GapKind::Itl, GapKind::Gap]);
    let reason = select(vec![MissedReason::NoAnswer, MissedReason::Refused]);
    let workload = prop_oneof![Just("ladder".to_owned()), text()];
    prop_oneof![
        (text(), of(text()), text(), any::<bool>(), text()).prop_map(
            |(subject, declared, seen, differs, note)| {
                Fact::Seen(Statement { subject, declared, seen, differs, note })
            }
        ),
        (word, of(text()), of(at()), text(), of(exited()), of(any::<u64>())).prop_map(
            |(word, step, since, evidence, exit, action)| {
                Fact::Target(TargetFact { word, step, since, evidence, exit, action })
            }
        ),
        (kind, phase(), group(workload), at(), any::<u64>(), text()).prop_map(
            |(kind, phase, group, from, n, histogram)| {
                Fact::Gaps(Gaps {
                    kind,
                    phase,
                    group,
                    from,
                    n,
                    histogram: EncodedHistogram::from_text(histogram),
                })
            }
        ),
        (source(), text(), text(), any::<u64>(), of(reason)).prop_map(
            |(source, what, why, times, reason)| {
                Fact::Missed(Missed { source, what, why, times, reason })
            }
        ),
        (source(), text(), severity, text(), of(select(vec![Whose::Server, Whose::Other])))
            .prop_map(|(source, signature, severity, line, whose)| {
                Fact::Said(SignatureMatch { source, signature, severity, line, whose })
            }),
        (source(), line(), line(), any::<u64>(), [float(), float(), float(), float()]).prop_map(
            |(source, instance, name, n, [min, mean, max, last])| {
                Fact::Reading(Reading { source, instance, name, n, min, mean, max, last })
            }
        ),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let fact = prop_oneof![
        request().prop_map(|request| Fact::Request(Box::new(request))),
        batch().prop_map(Fact::Batch),
        what_longhaul_is_and_did(),
        what_was_seen(),
    ];
    (any::<u32>(), any::<u64>(), at(), fact).prop_map(|(segment, seq, at, fact)| {
        let at = if let Fact::Request(request) = &fact { request.done } else { at };
        Entry { segment, seq, at, fact }
    })
}

proptest! {
    #[test]
    fn any_entry_comes_back_from_its_row(entry in entry(), anchor in any::<u64>()) {
        let mut row = Vec::new();
        encode(&entry, anchor, &mut row);
        prop_assert!(is_whole(&row));
        prop_assert_eq!(row.split(|byte| *byte == b'\n').count(), 2);
        prop_assert!(row.ends_with(b"\n") && !row.contains(&b'\r') && !row.contains(&0));
        prop_assert_eq!(decode(file_of(&entry.fact), &row), Ok(entry));
    }

    #[test]
    fn a_row_cut_short_is_never_whole(entry in entry(), cut in any::<prop::sample::Index>()) {
        let mut row = Vec::new();
        encode(&entry, 0, &mut row);
        let cut = cut.index(row.len() - 1);
        prop_assert!(!is_whole(&row[..cut]));
    }

    #[test]
    fn foreign_text_in_an_event_is_read_back_as_it_was_and_steers_nothing(text in any::<String>()) {
        let text = text + "\u{1b}\u{9b}\u{202e}\u{7f}\u{2028}";
        let fact = Fact::Target(TargetFact::new(TargetWord::Away, &text).since(At(5)));
        let entry = Entry { segment: 0, seq: 7, at: At(1_500_000), fact };
        let mut row = Vec::new();
        encode(&entry, 0, &mut row);
        let line = std::str::from_utf8(&row).unwrap().trim_end_matches('\n');
        prop_assert_eq!(one_line(line, usize::MAX), line);
        prop_assert_eq!(decode(File::Events, &row), Ok(entry));
    }

    #[test]
    fn foreign_text_in_a_request_stays_on_one_line(mut request in request(), text in any::<String>()) {
        request.error.clone_from(&text);
        request.finish = Some(text);
        let at = request.done;
        let entry = Entry { segment: 0, seq: 0, at, fact: Fact::Request(Box::new(request)) };
        let (mut row, mut again) = (Vec::new(), Vec::new());
        encode(&entry, 0, &mut row);
        let read = decode(File::Requests, &row).unwrap();
        encode(&read, 0, &mut again);
        prop_assert_eq!(row, again);
    }
}

#[test]
fn what_is_not_there_is_empty_and_a_person_can_read_the_row() {
    let fact = Fact::Target(TargetFact::new(TargetWord::Away, "refused, twice").since(At(5)));
    let entry = Entry { segment: 0, seq: 7, at: At(1_500_000), fact };
    let mut row = Vec::new();
    encode(&entry, 1_778_644_062_716_000, &mut row);
    let row = String::from_utf8(row).unwrap();
    let (before, crc) = row.trim_end().rsplit_once(',').unwrap();
    assert_eq!(
        before,
        "7,0,1500000,2026-05-13T03:47:44.216Z,target,away,\"refused, twice\",\
         \"{\"\"word\"\":\"\"away\"\",\"\"rung\"\":null,\"\"since\"\":5,\
         \"\"evidence\"\":\"\"refused, twice\"\"}\""
    );
    assert_eq!(crc, format!("{:08x}", crc32fast::hash(before.as_bytes())));
}

/// Words and detail of an event.
fn event(fact: Fact) -> [String; 3] {
    let entry = Entry { segment: 0, seq: 0, at: At(0), fact };
    let mut row = Vec::new();
    encode(&entry, 0, &mut row);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&row[..]);
    let record = reader.records().next().unwrap().unwrap();
    assert_eq!(decode(File::Events, &row), Ok(entry));
    [5, 6, 7].map(|column| record[column].to_owned())
}

#[test]
fn a_group_without_a_cell_has_its_workload_as_its_word_and_no_cell_in_the_detail() {
    let group = Group { workload: "chat".to_owned(), class: Class::Follow, cell: None };
    let (phase, histogram) = (Phase::Soak, EncodedHistogram::default());
    let gaps = |group| Gaps {
        kind: GapKind::Itl,
        phase,
        group,
        from: At(7),
        n: 3,
        histogram: histogram.clone(),
    };
    assert_eq!(
        event(Fact::Gaps(gaps(group.clone()))),
        [
            "chat",
            "itl",
            r#"{"kind":"itl","phase":"soak","workload":"chat","class":"follow","cell":null,"from":7,"n":3,"histogram":""}"#
        ]
    );
    let ladder = Group {
        workload: "ladder".to_owned(),
        class: Class::Cold,
        cell: "d0/c1/p512/o64".parse().ok(),
    };
    assert_eq!(
        event(Fact::Gaps(gaps(ladder))),
        [
            "d0/c1/p512/o64",
            "itl",
            r#"{"kind":"itl","phase":"soak","class":"cold","cell":"d0/c1/p512/o64","from":7,"n":3,"histogram":""}"#
        ]
    );
    let batch = Batch { requests: 5, good: 5, ..Batch::begun(phase, group, At(1)) };
    let [subject, cause, detail] = event(Fact::Batch(batch));
    assert_eq!((subject.as_str(), cause.as_str()), ("chat", "soak"));
    let begins = r#"{"phase":"soak","workload":"chat","class":"follow","cell":null,"lap":0,"#;
    assert!(detail.starts_with(begins), "{detail}");
}

#[test]
fn a_wrong_column_is_named() {
    let wrong = |file, line: &[u8]| decode(file, line).unwrap_err();
    assert_snapshot!(wrong(File::Readings, b"0,0,1,gpu,,x,many,1,1,1,1,0"), @"column n: `many`");
    assert_snapshot!(wrong(File::Events, b"0,0"), @"2 columns instead of 9");
    assert_snapshot!(wrong(File::Events, b"0,0,1,,now,,,,0"), @"column kind: `now`");
    assert_snapshot!(wrong(File::Events, b"\xff,0"), @"a row that is not UTF-8");
}
