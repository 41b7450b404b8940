//! Reads a metrics page into values by series and labels.

use std::collections::BTreeMap;

use crate::engine::{PageMetric, metric_name};
use crate::protocol::prometheus;
use crate::series::SeriesKind;

/// Largest number of values that are kept of a page; bounds the memory for a page with a label for
/// every user.
const VALUES_MAX: usize = 4_096;

/// Values by the index of their series and their labels as written.
pub(super) type LabelledValues = BTreeMap<(usize, String), f64>;

/// Values of a page. A value that is not finite is left out: it says nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricsPage {
    /// Start of the process that answered, seconds since 1970; the newest where it names several.
    pub started: Option<f64>,
    pub counters: LabelledValues,
    pub gauges: LabelledValues,
}

impl MetricsPage {
    /// Reads a page. Of the names of a metric, the first that the page has counts.
    pub(super) fn read(text: &str, metrics: &[PageMetric]) -> MetricsPage {
        let mut found: BTreeMap<String, Vec<(&str, f64)>> = BTreeMap::new();
        for series in prometheus::series(text) {
            let name = metric_name(series.name);
            if metrics.iter().any(|(_, names)| names.contains(&&*name)) {
                found.entry(name.into_owned()).or_default().push((series.labels, series.value));
            }
        }
        let mut page = MetricsPage::default();
        for (index, (series, names)) in metrics.iter().enumerate() {
            let named = names.iter().find_map(|name| found.get(*name));
            for (labels, value) in named.into_iter().flatten().filter(|(_, it)| it.is_finite()) {
                if series.is_start_time() {
                    page.started = Some(page.started.map_or(*value, |newest| newest.max(*value)));
                    continue;
                }
                let values = match series.kind {
                    SeriesKind::Counter => &mut page.counters,
                    _ => &mut page.gauges,
                };
                if values.len() < VALUES_MAX {
                    values.insert((index, (*labels).to_owned()), *value);
                }
            }
        }
        page
    }
}
