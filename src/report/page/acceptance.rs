//! Builds the table of speculative decoding: the share of drafted tokens that were accepted, by
//! depth and at both ends of the run.

use crate::analysis::Acceptance;

use crate::report::words::{counted, percent};

use super::{Grid, GridValue, Heading};

/// Says at which depth the share of accepted tokens fell most, and at how many others it fell.
pub(super) fn fall(acceptance: &[Acceptance]) -> Option<String> {
    let fallen = acceptance.iter().filter_map(|of| {
        // All depths together have other depths at the end of an unfinished lap.
        let (depth, (first, last)) = (of.depth?, of.first_third.zip(of.last_third)?);
        of.falls.then_some((depth, first, last))
    });
    let mut fallen: Vec<(u64, f64, f64)> = fallen.collect();
    fallen.sort_by(|a, b| (a.2 / a.1).total_cmp(&(b.2 / b.1)));
    let ((depth, first, last), others) = fallen.split_first()?;
    let others = match others.len() as u64 {
        0 => String::new(),
        n => format!(", and at {}", counted(n, "more depth", "more depths")),
    };
    let [first, last] = [first, last].map(|share| percent(*share));
    Some(format!("accepted drafts fell from {first} to {last} at d{depth}{others}"))
}

/// Builds the table; without rows where no token was drafted.
pub(super) fn grid(acceptance: &[Acceptance]) -> Grid {
    let mut headings = vec![Heading::left("depth")];
    let columns = ["drafted", "accepted", "share", "first third", "last third"];
    headings.extend(columns.map(Heading::right));
    let row = |of: &Acceptance| {
        let depth = of.depth.map_or_else(|| "all".to_owned(), |depth| format!("d{depth}"));
        let mut row = vec![GridValue::Text(depth)];
        row.extend([of.drafted, of.accepted].map(|tokens| GridValue::Count(tokens as u64)));
        let shares = [of.share(), of.first_third, of.last_third];
        row.extend(shares.map(|share| GridValue::maybe(share, GridValue::Share)));
        row
    };
    Grid { headings, rows: acceptance.iter().map(row).collect() }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::report::layout;

    #[test]
    fn a_fall_of_accepted_drafts_is_told_at_its_worst_depth() {
        let of = |depth, last| Acceptance {
            depth,
            drafted: 12_000.0,
            accepted: 8_400.0,
            first_third: Some(0.8),
            last_third: Some(last),
            falls: last < 0.7,
        };
        let all = [of(None, 0.3), of(Some(0), 0.78), of(Some(4096), 0.6), of(Some(8192), 0.4)];
        assert_snapshot!(fall(&all).unwrap(), @"accepted drafts fell from 80.0 % to 40.0 % at d8192, and at 1 more depth");
        assert_eq!(fall(&all[..2]), None);
    }

    #[test]
    fn a_row_says_how_much_was_accepted_and_how_that_changed() {
        let all = Acceptance {
            depth: None,
            drafted: 12_000.0,
            accepted: 8_400.0,
            first_third: Some(0.74),
            last_third: Some(0.66),
            falls: true,
        };
        let depth = Acceptance { depth: Some(4096), first_third: None, last_third: None, ..all };
        assert_snapshot!(layout::grid(&grid(&[all, depth])).join("\n"), @r"
        depth  drafted  accepted   share  first third  last third
        all     12,000     8,400  70.0 %       74.0 %      66.0 %
        d4096   12,000     8,400  70.0 %            -           -
        ");
        assert_eq!(layout::grid(&grid(&[])), Vec::<String>::new());
    }
}
