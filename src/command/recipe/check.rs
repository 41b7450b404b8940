//! `longhaul recipe check`: how reproducible a recipe is, as a table and for
//! programs. What is found is said by `spec::recipe::pins`.

use super::{Wish, reading};
use crate::command::inputs::submission;
use crate::command::{finish, mistake};
use crate::error::Mistake;
use crate::exit::Exit;
use crate::report::recipe::check as told;
use crate::spec::recipe::Reading;
use crate::spec::recipe::pins::pins;
use crate::spec::recipe::submission::Submission;

/// How it is told, and when it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// For programs.
    pub json: bool,
    /// Exit 1 where anything floats.
    pub strict: bool,
}

/// Says how reproducible a recipe is.
pub fn check(wish: &Wish, manner: Manner) -> Exit {
    match checked(wish) {
        Ok((reading, submission)) => {
            let pins = pins(&reading, submission.as_ref());
            let text = if manner.json {
                told::json(&reading, submission.as_ref(), &pins)
            } else {
                told::text(&reading, submission.as_ref(), &pins)
            };
            let fails = manner.strict && pins.floating() > 0;
            finish(&text, if fails { Exit::Fail } else { Exit::Pass })
        }
        Err(wrong) => mistake(&wrong),
    }
}

fn checked(wish: &Wish) -> Result<(Reading, Option<Submission>), Mistake> {
    Ok((reading(wish)?, submission(&wish.recipe)?))
}
