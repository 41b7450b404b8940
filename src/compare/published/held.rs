//! Decides which columns of a test can be held against each other: two numbers of one name may
//! count different tokens, or include different work.

use crate::analysis::arena::{ArenaRow, Column, TestKind};

use super::artefact::{self, Artefact, FoundArtefact};
use super::counted::{CountedTokens, Counting};
use super::index::{Index, Nth};

/// Ways in which a test's sides may be held against each other.
pub(super) enum Held {
    /// As they are.
    Directly,
    /// Rates by the tokens that were read: this side counts only the prompt, and read the context
    /// too.
    ByTokensRead { prompt_only: usize },
    /// Not at all.
    Apart(String),
}

/// Returns how the rows of a test, one of each side, can be held against each other.
pub(super) fn held(sides: &[Index; 2], rows: [Option<&ArenaRow>; 2], nth: Nth) -> Held {
    let [Some(base), Some(candidate)] = rows else { return Held::Directly };
    if base.kind != TestKind::Pp {
        return Held::Directly;
    }
    let counting = [sides[0].counting(base), sides[1].counting(candidate)];
    let names = ["base", "candidate"];
    let other = match counting {
        [Counting::Either, _] | [_, Counting::Either] => return Held::Directly,
        [Counting::Known(one), Counting::Known(other)] if one == other => return Held::Directly,
        [Counting::Known(CountedTokens::Prompt), Counting::Known(_)] => 0,
        [Counting::Known(_), Counting::Known(_)] => 1,
        [Counting::Unknown, _] | [_, Counting::Unknown] => {
            let side = if counting[0] == Counting::Unknown { "base" } else { "candidate" };
            return Held::Apart(format!(
                "the {side} does not say whether its rate counts the context too"
            ));
        }
    };
    let row = [base, candidate][other];
    if artefact::is_read_again(&sides[other], row, nth) {
        return Held::ByTokensRead { prompt_only: other };
    }
    Held::Apart(format!(
        "the {} sent context and prompt at once, the {} the prompt behind a loaded context",
        names[1 - other],
        names[other]
    ))
}

/// Returns why the total of many answers cannot be held against each other, where it cannot: it
/// includes the time in which other streams' prompts are read.
pub(super) fn answers_apart(sides: &[Index; 2], rows: [Option<&ArenaRow>; 2]) -> Option<String> {
    let [Some(base), Some(_)] = rows else { return None };
    if base.kind != TestKind::Tg || base.streams == 1 || base.depth == 0 {
        return None;
    }
    let counting = [sides[0].counted()?, sides[1].counted()?];
    (counting[0] != counting[1]).then(|| {
        "the total includes the prompts of other streams: on one side with their contexts"
            .to_owned()
    })
}

/// Returns the corrected measures of a rate that counts context and prompt, beside one that counts
/// only the prompt.
pub(super) fn by_tokens_read(row: &ArenaRow, column: Column) -> Option<FoundArtefact> {
    let what = Artefact::ReadAgain;
    let why = "counts context and prompt".to_owned();
    Some(FoundArtefact { what, honest: row.mean(column)?, why })
}
