//! Finds the processes that hold most of a growth, where a series was read of all processes together
//! and of those of each title.

use super::SeriesTrend;

/// Share of a growth above which the processes of one title hold most of it.
const MOST: f64 = 0.5;

/// Adds the title of the processes that hold most of it to every growth of all of them together.
pub(super) fn add(series: &mut [SeriesTrend]) {
    let holders: Vec<Option<String>> = series.iter().map(|whole| holder(whole, series)).collect();
    for (trend, holder) in series.iter_mut().zip(holders) {
        trend.most_in = holder;
    }
}

fn holder(whole: &SeriesTrend, series: &[SeriesTrend]) -> Option<String> {
    if !whole.trend.grows || !whole.instance.is_empty() {
        return None;
    }
    let least = MOST * whole.worse()?.value;
    let is_part = |it: &&SeriesTrend| {
        *it.judged == *whole.judged && it.lifetime == whole.lifetime && !it.instance.is_empty()
    };
    let holds_most = |it: &&SeriesTrend| it.worse().is_some_and(|slope| slope.value > least);
    series.iter().filter(is_part).find(holds_most).map(|it| it.instance.clone())
}
