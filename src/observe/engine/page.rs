//! Reads a metrics page into values by series and labels.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{PageMetric, metric_name};
use crate::protocol::prometheus;
use crate::series::{Series, SeriesKind};

/// Largest number of values that are kept of a page; bounds the memory for a page with a label for
/// every user.
const VALUES_MAX: usize = 4_096;

/// Longest labels of a value that is kept, bytes.
const LABELS_BYTES_MAX: usize = 512;

/// Values by the index of their series and their labels as written.
pub(super) type LabelledValues = BTreeMap<(usize, String), f64>;

/// Values of a page. A value that is not finite says nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricsPage {
    /// Start of the process that answered, seconds since 1970; the newest where it names several.
    pub started: Option<f64>,
    pub counters: LabelledValues,
    pub gauges: LabelledValues,
    /// Counters whose value is not finite.
    pub not_finite: BTreeSet<(usize, String)>,
}

impl MetricsPage {
    /// Reads a page. Of the names of a metric, the first that the page has counts.
    pub(super) fn read(text: &str, metrics: &[PageMetric]) -> MetricsPage {
        let mut found: BTreeMap<String, Vec<(&str, f64)>> = BTreeMap::new();
        for series in prometheus::series(text) {
            let name = metric_name(series.name);
            let is_read = metrics.iter().any(|(_, names)| names.contains(&&*name));
            if is_read && series.labels.len() <= LABELS_BYTES_MAX {
                found.entry(name.into_owned()).or_default().push((series.labels, series.value));
            }
        }
        let mut page = MetricsPage::default();
        for (index, (series, names)) in metrics.iter().enumerate() {
            let named = names.iter().find_map(|name| found.get(*name));
            for (labels, value) in named.into_iter().flatten() {
                if !value.is_finite() {
                    page.leave_out(series, (index, (*labels).to_owned()));
                    continue;
                }
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

    fn leave_out(&mut self, series: &Series, key: (usize, String)) {
        if series.kind == SeriesKind::Counter && self.not_finite.len() < VALUES_MAX {
            self.not_finite.insert(key);
        }
    }

    /// Returns the labels of the counters: those of each engine.
    pub(super) fn engines(&self) -> BTreeSet<&str> {
        self.counters.keys().map(|(_, labels)| labels.as_str()).collect()
    }
}
