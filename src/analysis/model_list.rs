//! Collects the times at which the server listed other models than the one that is asked for, and
//! what answers named meanwhile.

use crate::fact::{Entry, Fact, MODEL_LIST, Segment, Seq};
use crate::measure::RequestShare;
use crate::unit::At;

/// Time in which the server's list was another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OtherList {
    /// Models by which the server was known before, in words.
    pub before: String,
    /// Models that it listed, in words; empty where it listed none.
    pub listed: String,
    /// Time at which that was first seen.
    pub from: At,
    /// Time at which the model was seen in the list again.
    pub until: Option<At>,
    /// Whole answers to what was sent in this time.
    pub answers: u64,
    /// Those of them that name another model.
    pub wrong: u64,
    /// Entry that shows it.
    pub seq: Seq,
    segment: Segment,
}

/// First such time, and how often there was one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ModelList {
    pub first: Option<OtherList>,
    pub times: u64,
}

impl ModelList {
    /// Folds an entry.
    pub(super) fn fold(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Seen(seen) if seen.subject == MODEL_LIST => {
                let open = self.first.as_mut().filter(|it| it.until.is_none());
                let Some(before) = seen.declared.clone() else {
                    if let Some(open) = open {
                        open.until = Some(entry.at);
                    }
                    return;
                };
                self.times += 1;
                let (listed, from) = (seen.seen.clone(), entry.at);
                let (seq, segment) = (entry.seq, entry.segment);
                let (until, answers, wrong) = (None, 0, 0);
                self.first.get_or_insert(OtherList {
                    before,
                    listed,
                    from,
                    until,
                    answers,
                    wrong,
                    seq,
                    segment,
                });
            }
            Fact::Request(request) if request.ended.is_good() => {
                let Some(list) = &mut self.first else { return };
                let is_within = list.segment == entry.segment
                    && request.sent >= list.from
                    && list.until.is_none_or(|until| request.sent < until);
                if is_within {
                    list.answers += 1;
                    let wrong = RequestShare::WrongModel.word();
                    list.wrong += u64::from(request.checks.iter().any(|it| it == wrong));
                }
            }
            _ => {}
        }
    }
}
