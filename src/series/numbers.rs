//! Numbers the series of readings, in the order in which they first come.

use std::cmp::Ordering;

use crate::fact::{Reading, Source};

/// Name of a series, in the order of reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeriesName {
    pub source: Source,
    /// Name, ending in the unit.
    pub name: String,
    /// Node, pid, GPU or labels; empty where there is only one instance.
    pub instance: String,
}

impl SeriesName {
    fn new(reading: &Reading) -> SeriesName {
        let Reading { source, name, instance, .. } = reading;
        SeriesName { source: *source, name: name.clone(), instance: instance.clone() }
    }

    fn cmp_reading(&self, reading: &Reading) -> Ordering {
        let by_source = self.source.cmp(&reading.source);
        let by_name = by_source.then_with(|| self.name.cmp(&reading.name));
        by_name.then_with(|| self.instance.cmp(&reading.instance))
    }
}

/// Series by number, from 0 without a gap.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeriesNumbers {
    names: Vec<SeriesName>,
    /// Numbers in the order of the names.
    sorted: Vec<usize>,
    /// Number that probably comes next: sensors read their series in the same order every time.
    next: usize,
}

impl SeriesNumbers {
    /// Returns the number of a reading's series; `None` for a new series beyond `max`.
    pub(crate) fn of(&mut self, reading: &Reading, max: usize) -> Option<usize> {
        let is_it = |name: &SeriesName| name.cmp_reading(reading).is_eq();
        let number = match self.names.get(self.next) {
            Some(name) if is_it(name) => self.next,
            _ => self.found(reading, max)?,
        };
        self.next = if number + 1 < self.names.len() { number + 1 } else { 0 };
        Some(number)
    }

    fn found(&mut self, reading: &Reading, max: usize) -> Option<usize> {
        let order = |number: &usize| self.names[*number].cmp_reading(reading);
        match self.sorted.binary_search_by(order) {
            Ok(place) => self.sorted.get(place).copied(),
            Err(_) if self.names.len() >= max => None,
            Err(place) => {
                let number = self.names.len();
                self.names.push(SeriesName::new(reading));
                self.sorted.insert(place, number);
                Some(number)
            }
        }
    }

    /// Returns all series with their numbers, by source, name and instance.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = (usize, &SeriesName)> {
        self.sorted.iter().map(|number| (*number, &self.names[*number]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &str, instance: &str) -> Reading {
        let instance = instance.to_owned();
        Reading { instance, ..Reading::single(Source::Process, name, 1.0) }
    }

    #[test]
    fn a_series_keeps_its_number_in_whatever_order_readings_come() {
        let mut numbers = SeriesNumbers::default();
        let series = [reading("rss", "b"), reading("threads", ""), reading("rss", "a")];
        for _ in 0..2 {
            let known = series.each_ref().map(|reading| numbers.of(reading, 3));
            assert_eq!(known, [Some(0), Some(1), Some(2)]);
        }
        for (number, reading) in series.iter().enumerate().rev() {
            assert_eq!(numbers.of(reading, 3), Some(number));
        }
        assert_eq!(numbers.of(&reading("open", ""), 3), None, "beyond the bound");
        assert_eq!(numbers.of(&reading("open", ""), 4), Some(3));
        let sorted: Vec<usize> = numbers.sorted().map(|(number, _)| number).collect();
        assert_eq!(sorted, [3, 2, 0, 1]);
    }
}
