use super::*;
use crate::analysis::analyse;
use crate::analysis::fixture::asked;
use crate::fact::{ClosedBecause, Phase};
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
            assert_eq!(page.depths.of_rows(1).rows[0][3], value);
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
        let depths = page.depths.of_rows(8);
        for grid in [&depths, run, cells, endings, gates, findings, errors, coverage] {
            assert!(grid.rows.iter().all(|row| row.len() == grid.headings.len()), "{grid:?}");
        }
        assert_eq!(page.errors.as_deref(), Some("10.0 %: 1 refused, of 10 requests"));
    });
}

#[test]
fn a_cell_that_was_never_asked_has_a_row_and_the_proof_does_not_speak_of_it() {
    let mut story = Story::soaking();
    story.goods(10.0, 9, 0).closed(60.0, ClosedBecause::Done);
    let asked = asked(&[0, 32_768]);
    let analysis = analyse(&asked, story.entries.iter());
    let verdict = judge(&asked.contract, &analysis);
    let page = Page::new(&asked, &analysis, &verdict);
    let depths = page.depths.of_rows(2);
    let [first, second] = [0, 1].map(|row| &depths.rows[row]);
    assert_eq!((&first[0], &second[0]), (&GridValue::text("d0"), &GridValue::text("d32768")));
    assert!(second[1..].iter().all(|value| *value == GridValue::Nothing), "{second:?}");
    assert!(page.proofs.not.ends_with("over 2,176 tokens"), "{}", page.proofs.not);
}

#[test]
fn an_outage_that_a_cut_left_open_is_not_told_as_one_without_an_end() {
    let mut story = Story::soaking();
    story.goods(10.0, 19, 0).up(50.0, false).up(51.0, false);
    let told = |story: &Story| {
        let analysis = analyse(&asked(&[0]), story.entries.iter());
        let incidents = incident::all(&analysis.calendar, &analysis.trends);
        incidents.iter().map(|it| it.back.clone()).collect::<Vec<_>>()
    };
    assert_eq!(told(&story), ["; not back"]);
    story.segment = 1;
    story.opened().phase(1.0, Phase::Soak).good(2.0, 0).closed(60.0, ClosedBecause::Done);
    assert_eq!(told(&story), ["; longhaul was cut off before it was back"]);
}

#[test]
fn bad_endings_stand_beside_the_time_without_a_failure() {
    let proof = |bad: u32| {
        let mut story = Story::soaking();
        story.goods(10.0, 19, 0);
        for index in 0..bad {
            let second = 50.0 + f64::from(index) * 2.0;
            story.bad(second, 0, Ended::ErrorFrame, "boom").up(second + 0.1, true);
        }
        story.started(60.0, 1000.0).closed(60.0, ClosedBecause::Done);
        let asked = asked(&[0]);
        let analysis = analyse(&asked, story.entries.iter());
        let verdict = judge(&asked.contract, &analysis);
        Proofs::of(&asked, &analysis, &verdict).mtbf
    };
    assert_eq!(proof(4), None, "the server may have been dead at the end");
    let proof = |bad: u32| proof(bad).unwrap();
    assert!(proof(0).starts_with("no failure in 50.0 s under load: MTBF above"), "{}", proof(0));
    let words = proof(1);
    assert!(
        words.starts_with("no crash, OOM, hang or outage in 50.0 s under load: MTBF above"),
        "{words}"
    );
    assert!(words.contains("; 5.00 % of the requests ended badly"), "{words}");
}
