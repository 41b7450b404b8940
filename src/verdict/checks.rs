//! Collects the checks of answers that fired: each kind once, with how many answers it fired on and
//! the first of them; and says what keeps a gate on a check from being judged.

use std::collections::BTreeSet;

use crate::analysis::chunks::{ChunkCounts, FewerChunks};
use crate::analysis::{Analysis, Share, ShortAnswer};
use crate::fact::{Class, Ended};
use crate::measure::RequestShare;
use crate::spec::Select;
use crate::unit::span;

use super::Finding;

/// Least share of whole answers whose output tokens must be counted for a gate on their number.
const COUNTED_MIN: f64 = 0.95;

/// Least share of a group's answers with a chunk for each token, for the others to be told: with
/// speculative decoding, and under load, nearly all answers have fewer chunks.
const EACH_MIN: f64 = 0.25;

/// Least share of a group's answers in fewer chunks that is told: one that the server's own delay
/// put together is none.
const FEWER_MIN: f64 = 0.01;

/// Check of cold prompts that came from the cache.
const CACHED: &str = "cached";

/// Check of warm prompts whose context did not.
const NOT_CACHED: &str = "not_cached";

/// Check that fired.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FiredCheck {
    /// Name, as in rows and contracts.
    pub check: String,
    /// Answers on which it fired, of those that it was made for.
    pub share: Share,
    /// First answer on which it fired: group and time.
    pub place: String,
    /// Meaning in words; empty for a name of another version.
    pub meaning: &'static str,
    pub evidence: Vec<u64>,
}

impl FiredCheck {
    /// Returns the finding for programs and tables.
    pub(crate) fn finding(&self) -> Finding {
        let FiredCheck { check, share: Share { part, of }, place, meaning, evidence } = self;
        let words = format!("{check}: {part} of {of} answers, first {place}: {meaning}");
        Finding { words, evidence: evidence.clone(), is_of_setting: false }
    }
}

/// Returns the checks that fired in the judged phases, the most frequent first.
pub(crate) fn fired(analysis: &Analysis) -> Vec<FiredCheck> {
    let all = Select::default();
    let names = analysis.atoms_of(&all).flat_map(|atom| atom.checks.keys());
    let names: BTreeSet<&String> = names.collect();
    let groups = analysis.atoms.iter().map(|atom| &atom.group);
    let one = |check: &String| {
        let (first, group) = analysis.first_fired(check, &all)?;
        let after = span(first.sent.seconds());
        Some(FiredCheck {
            check: check.clone(),
            share: share(check, analysis),
            place: format!("{} at {after}", group.among(groups.clone())),
            meaning: meaning(check),
            evidence: vec![first.seq],
        })
    };
    let mut fired: Vec<FiredCheck> = names.into_iter().filter_map(one).collect();
    fired.sort_by_key(|it| std::cmp::Reverse(it.share.part));
    fired
}

/// Returns the share of a check, of the whole answers that it is made for.
fn share(check: &str, analysis: &Analysis) -> Share {
    let all = Select::default();
    if let Some(known) = RequestShare::parse(check) {
        return analysis.portion(known, &all);
    }
    let is_made_for = |class: Class| match check {
        CACHED => class == Class::Cold,
        NOT_CACHED => class == Class::Warm,
        _ => true,
    };
    let atoms = analysis.atoms_of(&all).filter(|atom| is_made_for(atom.group.class));
    atoms.fold(Share::default(), |share, atom| Share {
        part: share.part + atom.checks.get(check).copied().unwrap_or(0),
        of: share.of + atom.count(Ended::is_good),
    })
}

fn meaning(check: &str) -> &'static str {
    match RequestShare::parse(check) {
        Some(RequestShare::OffDepth) => "prompts not as planned",
        Some(RequestShare::Swallowed) => "text is lost",
        Some(RequestShare::ShortAnswers) => "half of it or less",
        Some(RequestShare::LongAnswers) => "over what was asked",
        Some(RequestShare::TooFast) => "over 5,000 tok/s",
        Some(RequestShare::WrongModel) => "another than asked",
        Some(RequestShare::SameText) => "to other prompts",
        Some(RequestShare::Replacement) => "broken characters",
        None if check == CACHED => "cold, but served from cache",
        None if check == NOT_CACHED => "warm, but prefilled anew",
        Some(RequestShare::Errors) | None => "",
    }
}

/// Returns why a gate on a check cannot pass, where the server gives too little to see what the
/// check is for.
pub(crate) fn unseen(check: RequestShare, select: &Select, analysis: &Analysis) -> Option<String> {
    match check {
        RequestShare::ShortAnswers | RequestShare::LongAnswers => {
            let Share { part, of } = analysis.output_counted(select);
            ((part as f64) < of as f64 * COUNTED_MIN).then(|| match part {
                0 => "n/a: the server does not count output tokens".to_owned(),
                _ => format!("n/a: output tokens are counted in {part} of {of} answers"),
            })
        }
        RequestShare::WrongModel => analysis
            .notes
            .has_unnamed_answers
            .then(|| "n/a: answers do not name a model, or not all do".to_owned()),
        _ => None,
    }
}

/// Returns why a check that fired too often is no violation: an answer that was not asked to go on
/// may end where its model ends it.
pub(crate) fn permitted(check: RequestShare, share: Share, analysis: &Analysis) -> Option<String> {
    if check != RequestShare::ShortAnswers {
        return None;
    }
    let Share { part, of } = share;
    let Err(why) = forced_by(analysis)? else { return None };
    Some(format!("{part} of {of} ended early: {why}"))
}

/// Returns the field by which a server is asked for answers of the whole length; `None` where it is
/// not known what the server takes.
///
/// # Errors
/// Reason why a model may end its answers.
fn forced_by(analysis: &Analysis) -> Option<Result<&str, &'static str>> {
    let abilities = analysis.notes.identity.get("abilities")?;
    if !analysis.exact_output {
        return Some(Err("`exact_output: false` lets a model end its answers"));
    }
    let field = abilities.split(' ').find(|able| ["ignore_eos", "min_tokens"].contains(able));
    Some(field.ok_or("the server does not take `ignore_eos`, so a model may end its answers"))
}

/// Returns the finding that answers were shorter than requested, though by less than half, of a
/// server that was asked for the whole length. No gate asks for it.
pub(crate) fn shorter(analysis: &Analysis) -> Option<Finding> {
    let field = forced_by(analysis)?.ok()?;
    let all = Select::default();
    let n: u64 = analysis.atoms_of(&all).map(|atom| atom.short).sum();
    let of: u64 = analysis.atoms_of(&all).map(|atom| atom.output_counted).sum();
    let shortest = analysis.atoms_of(&all).filter_map(|atom| atom.shortest);
    let ShortAnswer { tokens, asked, seq } = shortest.reduce(ShortAnswer::shorter)?;
    let words = format!(
        "shorter than asked: {n} of {of} answers, the shortest {tokens} of {asked} tokens, although \
         the server takes `{field}`"
    );
    Some(Finding { words, evidence: vec![seq], is_of_setting: false })
}

/// Returns the finding that some answers of a server that sends a chunk for each token had clearly
/// fewer chunks. No gate asks for it: the row does not show whether text was lost.
pub(crate) fn fewer_chunks(analysis: &Analysis) -> Option<Finding> {
    if !analysis.acceptance.is_empty() {
        // Speculative decoding: a chunk has as many tokens as were accepted.
        return None;
    }
    let all = Select::default();
    let atoms = || analysis.atoms_of(&all).filter(|atom| some_have_fewer(&atom.chunks));
    let sum = |of: fn(&ChunkCounts) -> u64| atoms().map(|atom| of(&atom.chunks)).sum::<u64>();
    let first = atoms().filter_map(|atom| Some((atom.chunks.first?, &atom.group)));
    let (first, group) = first.min_by_key(|(first, _)| first.seq)?;
    let FewerChunks { seq, sent, chunks, tokens } = first;
    let words = format!(
        "fewer chunks than tokens: {} of {} answers, first {} at {} ({chunks} chunks for {tokens} \
         tokens); {} had a chunk for each token. Text was lost, or chunks had several tokens, or \
         tokens no text",
        sum(|counts| counts.fewer),
        sum(|counts| counts.answers),
        group.among(analysis.atoms.iter().map(|atom| &atom.group)),
        span(sent.seconds()),
        sum(|counts| counts.each),
    );
    Some(Finding { words, evidence: vec![seq], is_of_setting: false })
}

/// Whether answers had fewer chunks than tokens in a group whose server sends one for each.
fn some_have_fewer(counts: &ChunkCounts) -> bool {
    let share = |part: u64| part as f64 / counts.answers.max(1) as f64;
    share(counts.each) >= EACH_MIN && share(counts.fewer) >= FEWER_MIN
}

#[cfg(test)]
mod tests {
    use super::fewer_chunks;
    use crate::analysis::fixture::asked;
    use crate::analysis::{Acceptance, analyse};
    use crate::fact::{ClosedBecause, Fact, Request, Statement};
    use crate::incident::fixture::Story;
    use crate::verdict::tests::{at_most, judged};
    use crate::verdict::{Verdict, VerdictWord};

    /// Returns ten answers, changed by `change` with the number of each, of a server with some
    /// abilities.
    fn ten(abilities: &str, change: impl Fn(u32, &mut Request)) -> Story {
        let mut story = Story::soaking();
        story.push(9.5, Fact::Seen(Statement::plain("abilities", abilities.to_owned())));
        for nth in 0..10 {
            let second = 10.0 + f64::from(nth) * 2.0;
            let mut request = story.request(second, 0);
            change(nth, &mut request);
            story.push(second + 1.0, Fact::Request(Box::new(request)));
        }
        story.closed(31.0, ClosedBecause::Done);
        story
    }

    fn judge(story: &Story, name: &str) -> Verdict {
        judged(story, &[at_most(name, 0.01)])
    }

    fn cut(n: u32) -> impl Fn(u32, &mut Request) {
        move |nth, request| {
            if nth < n {
                request.output_tokens = Some(20);
            }
        }
    }

    #[test]
    fn a_check_that_fired_is_told_once_with_its_share_and_its_first_place() {
        let verdict = judge(&ten("chat ignore_eos", cut(3)), "errors");
        let [fired] = &verdict.checks[..] else { panic!("{:?}", verdict.checks) };
        assert_eq!((fired.share.part, fired.share.of), (3, 10));
        insta::assert_snapshot!(fired.finding().words, @"short_answers: 3 of 10 answers, first d0/c1 at 10.0 s: half of it or less");
        assert_eq!(verdict.word, VerdictWord::Pass, "it is told, and gated by nothing");
        assert!(judge(&ten("chat ignore_eos", cut(0)), "errors").checks.is_empty());
    }

    #[test]
    fn short_answers_fail_a_server_that_was_to_write_on_and_decide_nothing_of_another() {
        let word = |abilities, n| {
            let verdict = judge(&ten(abilities, cut(n)), "short_answers");
            (verdict.word, verdict.gates[0].why.clone())
        };
        let failed = (VerdictWord::Fail, "3 of 10".to_owned());
        assert_eq!(word("chat ignore_eos usage", 3), failed);
        assert_eq!(word("chat min_tokens usage", 3), failed);
        let (decided, why) = word("chat usage", 3);
        assert_eq!(decided, VerdictWord::Inconclusive);
        insta::assert_snapshot!(why, @"3 of 10 ended early: the server does not take `ignore_eos`, so a model may end its answers");
        assert_eq!(word("chat usage", 0).0, VerdictWord::Pass);
    }

    #[test]
    fn answers_that_are_a_little_short_are_told_where_the_server_takes_the_field_against_it() {
        let told = |abilities, tokens: u64| {
            let story = ten(abilities, |nth, request| {
                if nth < 2 {
                    request.output_tokens = Some(tokens + u64::from(nth));
                }
            });
            let verdict = judge(&story, "short_answers");
            assert_eq!(verdict.word, VerdictWord::Pass);
            verdict.findings.into_iter().map(|it| it.words).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(told("chat min_tokens usage", 70), @"shorter than asked: 2 of 10 answers, the shortest 70 of 128 tokens, although the server takes `min_tokens`");
        assert_eq!(told("chat min_tokens usage", 127), "", "the stop token is not counted by all");
        assert_eq!(told("chat usage", 70), "", "a model may end its answers");
    }

    #[test]
    fn answers_in_fewer_chunks_than_tokens_among_answers_of_a_chunk_for_each_are_told() {
        let told = |change: &dyn Fn(u32, &mut Request)| {
            let verdict = judged(&ten("chat usage", change), &[at_most("errors", 0.01)]);
            assert_eq!(verdict.word, VerdictWord::Pass, "no gate asks for it");
            let words = verdict.findings.into_iter().map(|it| it.words);
            words.filter(|it| it.contains("chunks")).collect::<Vec<_>>().join("\n")
        };
        let chunks = |request: &mut Request, chunks: u64| {
            (request.chunks, request.first_tokens) = (chunks, None);
        };
        let some = told(&|nth, request| {
            if nth > 6 {
                chunks(request, 100);
            }
        });
        insta::assert_snapshot!(some, @"fewer chunks than tokens: 3 of 10 answers, first d0/c1 at 24.0 s (100 chunks for 128 tokens); 7 had a chunk for each token. Text was lost, or chunks had several tokens, or tokens no text");
        let few = told(&|nth, request| {
            if nth > 6 {
                chunks(request, 116);
            }
        });
        assert_eq!(few, "", "a tenth, as under load");
        let most = told(&|nth, request| {
            if nth > 1 {
                chunks(request, 60);
            }
        });
        assert_eq!(most, "", "its way to send");
        let counted = told(&|nth, request| {
            if nth > 6 {
                request.chunks = 100;
            }
        });
        assert_eq!(counted, "", "the tokens of each chunk are counted");
        let short = told(&|nth, request| {
            request.output_tokens = Some(12);
            chunks(request, if nth > 6 { 4 } else { 12 });
        });
        assert_eq!(short, "", "the marks around reasoning");
        let story = ten("chat usage", |nth, request| {
            if nth > 6 {
                chunks(request, 100);
            }
        });
        let mut analysis = analyse(&asked(&[0]), story.entries.iter());
        assert_eq!(fewer_chunks(&analysis).map(|it| it.evidence.len()), Some(1));
        let (depth, first_third, last_third) = (None, None, None);
        let (drafted, accepted) = (2.0, 1.0);
        let drafts = Acceptance { depth, drafted, accepted, first_third, last_third, falls: false };
        analysis.acceptance.push(drafts);
        assert_eq!(fewer_chunks(&analysis), None, "tokens are drafted");
    }

    #[test]
    fn a_number_of_tokens_is_not_judged_where_it_is_not_counted() {
        for (uncounted, word) in [(0, VerdictWord::Pass), (1, VerdictWord::Inconclusive)] {
            let story = ten("chat ignore_eos", |nth, request| {
                if nth < uncounted {
                    request.output_tokens = None;
                }
            });
            for name in ["short_answers", "long_answers"] {
                assert_eq!(judge(&story, name).word, word, "{name}, {uncounted} of 10");
            }
            assert_eq!(judge(&story, "too_fast").word, VerdictWord::Pass);
        }
        let none = ten("chat ignore_eos", |_, request| request.output_tokens = None);
        let why = judge(&none, "short_answers").gates[0].why.clone();
        assert_eq!(why, "n/a: the server does not count output tokens");
    }

    #[test]
    fn another_model_is_judged_where_answers_name_one() {
        let wrong = ten("chat", |nth, request| {
            if nth > 6 {
                request.checks = vec!["wrong_model".to_owned()];
            }
        });
        assert_eq!(judge(&wrong, "wrong_model").word, VerdictWord::Fail);
        let mut unnamed = ten("chat", cut(0));
        assert_eq!(judge(&unnamed, "wrong_model").word, VerdictWord::Pass);
        let seen = Statement::answered_by("m", None, false);
        unnamed.push(31.0, Fact::Seen(seen));
        assert_eq!(judge(&unnamed, "wrong_model").word, VerdictWord::Inconclusive);
        unnamed.push(31.0, Fact::Seen(Statement::answered_by("m", Some("m"), false)));
        let verdict = judge(&unnamed, "wrong_model");
        assert_eq!(verdict.word, VerdictWord::Inconclusive, "some of them do not");
    }

    #[test]
    fn one_text_for_different_prompts_is_told_and_passes() {
        let same = ten("chat", |_, request| request.answer = Some("same".to_owned()));
        let verdict = judge(&same, "errors");
        assert_eq!(verdict.word, VerdictWord::Pass);
        assert_eq!(
            (verdict.checks[0].check.as_str(), verdict.checks[0].share.part),
            ("same_text", 9)
        );
        assert_eq!(judge(&same, "same_text").word, VerdictWord::Fail, "where it is gated");
    }

    #[test]
    fn a_run_with_nothing_to_see_in_any_answer_never_passes() {
        let blank = |n: u32| {
            ten("chat", move |nth, request| {
                if nth < n {
                    request.answer = None;
                }
            })
        };
        let verdict = judge(&blank(10), "errors");
        assert_eq!(verdict.word, VerdictWord::Inconclusive);
        assert_eq!(verdict.reasons, ["none of 10 answers has any visible text"]);
        assert_eq!(judge(&blank(9), "errors").word, VerdictWord::Pass);
    }
}
