//! Builds the table of speculative decoding: the share of drafted tokens that were accepted, by
//! depth and at both ends of the run.

use crate::analysis::Acceptance;

use super::{Grid, GridValue, Heading};

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
    fn a_row_says_how_much_was_accepted_and_how_that_changed() {
        let all = Acceptance {
            depth: None,
            drafted: 12_000.0,
            accepted: 8_400.0,
            first_third: Some(0.74),
            last_third: Some(0.66),
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
