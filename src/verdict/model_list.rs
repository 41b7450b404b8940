//! Says that the server listed other models than the one that is asked for while answers went on,
//! and what the answers named. No gate judges it: the model of an answer is what the answer names.

use crate::analysis::Analysis;
use crate::analysis::model_list::OtherList;
use crate::unit::span;

use super::Finding;

/// Returns the finding on the server's list of models.
pub(super) fn finding(analysis: &Analysis) -> Option<Finding> {
    let list = &analysis.notes.model_list;
    let first = list.first.as_ref()?;
    let from = span(first.from.seconds());
    let when = match first.until {
        Some(until) => format!("did not list the model from {from} to {}", span(until.seconds())),
        None => format!("no longer lists the model since {from}"),
    };
    let more = match list.times {
        0 | 1 => String::new(),
        times => format!(" (the first of {times} times)"),
    };
    let listed = match first.listed.as_str() {
        "" => "none".to_owned(),
        listed => format!("`{listed}`"),
    };
    let words = format!(
        "/v1/models {when}{more}: {}; it listed {listed}, and before `{}`",
        names(first, analysis.notes.has_unnamed_answers),
        first.before
    );
    Some(Finding { words, evidence: vec![first.seq], is_of_setting: false })
}

/// Returns what the answers named to what was sent in that time.
fn names(list: &OtherList, has_unnamed: bool) -> String {
    let OtherList { answers, wrong, .. } = *list;
    match answers - wrong {
        _ if answers == 0 => "no whole answer then".to_owned(),
        0 => format!("none of {answers} answers then named it"),
        _ if has_unnamed => format!("{answers} answers then, and not all name a model"),
        named if wrong == 0 => format!("all {named} answers then named it"),
        named => format!("{named} of {answers} answers then named it"),
    }
}

#[cfg(test)]
mod tests {
    use crate::fact::{ClosedBecause, Fact, Statement};
    use crate::incident::fixture::Story;
    use crate::verdict::VerdictWord;
    use crate::verdict::tests::{at_most, judged};

    /// Returns the findings on a run whose list is another from 20 s on; it ends at 40 s where it
    /// `ends`. `wrong` tells by number which of the answers name another model.
    fn told(ends: bool, wrong: impl Fn(u32) -> bool) -> (VerdictWord, String) {
        let mut story = Story::soaking();
        let known = ["m".to_owned()];
        for nth in 0..10 {
            let second = 10.0 + f64::from(nth) * 4.0;
            if nth == 3 {
                let others = ["other".to_owned()];
                story.push(20.0, Fact::Seen(Statement::model_list(&known, Some(&others))));
            }
            if nth == 8 && ends {
                story.push(40.0, Fact::Seen(Statement::model_list(&known, None)));
            }
            let mut request = story.request(second, 0);
            if wrong(nth) {
                request.checks = vec!["wrong_model".to_owned()];
            }
            story.push(second + 1.0, Fact::Request(Box::new(request)));
        }
        story.closed(50.0, ClosedBecause::Done);
        let verdict = judged(&story, &[at_most("wrong_model", 0.0)]);
        let told = verdict.findings.iter().map(|it| it.words.as_str());
        let told: Vec<&str> = told.filter(|it| it.starts_with("/v1/models")).collect();
        (verdict.word, told.join("\n"))
    }

    #[test]
    fn a_model_that_left_the_list_is_told_with_what_answers_named_and_gates_nothing() {
        let (word, words) = told(true, |_| false);
        assert_eq!(word, VerdictWord::Pass);
        insta::assert_snapshot!(words, @"/v1/models did not list the model from 20.0 s to 40.0 s: all 5 answers then named it; it listed `other`, and before `m`");
        let (word, words) = told(false, |_| false);
        assert_eq!(word, VerdictWord::Pass);
        insta::assert_snapshot!(words, @"/v1/models no longer lists the model since 20.0 s: all 7 answers then named it; it listed `other`, and before `m`");
    }

    #[test]
    fn answers_of_the_other_model_are_told_apart() {
        insta::assert_snapshot!(told(false, |nth| nth == 5).1, @"/v1/models no longer lists the model since 20.0 s: 6 of 7 answers then named it; it listed `other`, and before `m`");
        let (word, words) = told(false, |nth| nth > 2);
        assert_eq!(word, VerdictWord::Fail);
        insta::assert_snapshot!(words, @"/v1/models no longer lists the model since 20.0 s: none of 7 answers then named it; it listed `other`, and before `m`");
    }
}
