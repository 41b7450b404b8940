//! Says where a run was cut off and went on.

use crate::analysis::Analysis;
use crate::analysis::calendar::SegmentSpan;
use crate::timeline::wall_text;
use crate::unit::span;

/// Returns a sentence for each gap between two segments.
pub(super) fn gaps(analysis: &Analysis) -> Vec<String> {
    let gap = |pair: &[SegmentSpan]| {
        let [before, after] = pair else { return None };
        let (was, is) = before.opened.as_ref().zip(after.opened.as_ref())?;
        let cut_us = was.wall_us.saturating_add(before.end.0);
        let lasted = span(is.wall_us.saturating_sub(cut_us) as f64 / 1e6);
        let why = match (&was.boot_id, &is.boot_id) {
            (Some(was), Some(is)) if was != is => ": its machine was rebooted",
            (Some(_), Some(_)) => ": it was killed, or its disk failed",
            _ => "",
        };
        let when = wall_text(cut_us);
        Some(format!("longhaul was cut off at {when} and went on after {lasted}{why}"))
    };
    analysis.calendar.segments.windows(2).filter_map(gap).collect()
}
