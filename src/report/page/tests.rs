use super::*;
use crate::analysis::analyse;
use crate::analysis::fixture::asked;
use crate::fact::ClosedBecause;
use crate::incident::fixture::Story;
use crate::measure::Quantity;
use crate::stats::Estimate;
use crate::verdict::judge;

fn with_page(story: &Story, look: impl Fn(&Page<'_>)) {
    let asked = asked(&[0]);
    let analysis = analyse(&asked, story.entries.iter());
    let verdict = judge(&asked.contract, &analysis);
    look(&Page::new(&asked, &analysis, &verdict));
}

#[test]
fn a_percentile_of_too_few_samples_is_nothing_in_every_part_of_the_page() {
    for (n, p95) in [(59, None), (60, Some(0.4))] {
        let mut story = Story::soaking();
        story.goods(10.0, n, 0).closed(200.0, ClosedBecause::Done);
        with_page(&story, |page| {
            let p95: Option<Estimate> = p95.map(Estimate::exact);
            let value = GridValue::maybe(p95, GridValue::Time);
            let soak = page.cells.last().unwrap();
            assert_eq!(soak.value(Quantity::Ttft, |of| of.p95), p95);
            assert_eq!(page.depths.rows[0][3], value);
            assert_eq!(page.tables.cells.rows.last().unwrap()[5], value);
        });
    }
}

#[test]
fn every_row_of_a_table_is_as_long_as_its_head() {
    let mut story = Story::soaking();
    story.goods(10.0, 9, 0).bad(40.0, 0, Ended::Refused, "refused").up(41.0, false).up(50.0, true);
    story.closed(60.0, ClosedBecause::Done);
    with_page(&story, |page| {
        let Tables { run, cells, endings, gates, findings, errors, coverage, .. } = &page.tables;
        for grid in [&page.depths, run, cells, endings, gates, findings, errors, coverage] {
            assert!(grid.rows.iter().all(|row| row.len() == grid.headings.len()), "{grid:?}");
        }
        assert_eq!(page.errors.as_deref(), Some("10.0 %: 1 refused, of 10 requests"));
    });
}
