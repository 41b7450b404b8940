//! Folds the answers over time: for every group the median of each drifting quantity in each block,
//! and the work that the server did in each block. Values of different depths and loads are never
//! put together.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

use super::atom::RequestValue;
use super::spans::Spans;
use super::thinned::Thinned;
use crate::fact::{Batch, Group, Request, Segment};
use crate::measure::Quantity;
use crate::unit::At;

/// Bound on the groups and quantities together: a ladder of fifty cells.
const PLACES_MAX: usize = 200;

/// Answers over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AnswersOverTime {
    /// Blocks by group and quantity.
    pub groups: Vec<AnswerBlocks>,
    /// Work that was done in each span, by the span's index.
    pub work: Vec<Work>,
}

/// Medians of a quantity of one group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AnswerBlocks {
    pub group: Group,
    pub quantity: Quantity,
    /// Index of the span, and the median in it, in the order of time.
    pub medians: Vec<(usize, f64)>,
}

/// Work of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Requests that ended.
    pub requests: u64,
    /// Tokens of prompts and answers, by the server's count.
    pub tokens: u64,
}

/// Fold that builds the blocks of answers.
#[derive(Clone, Debug)]
pub(crate) struct AnswersFold {
    spans: Rc<Spans>,
    groups: BTreeMap<Group, BTreeMap<Quantity, OneQuantity>>,
    places: usize,
    work: Vec<Work>,
}

/// Medians so far.
#[derive(Clone, Debug, Default)]
struct OneQuantity {
    medians: Vec<(usize, f64)>,
    /// Block under way.
    open: Option<(usize, Thinned)>,
}

impl AnswersFold {
    /// Returns the state before the first entry.
    pub(crate) fn new(spans: Rc<Spans>) -> AnswersFold {
        let work = vec![Work::default(); spans.all().len()];
        AnswersFold { spans, groups: BTreeMap::new(), places: 0, work }
    }

    /// Folds the work of a request that ended.
    pub(crate) fn fold_work(&mut self, segment: Segment, request: &Request) {
        let Some(index) = self.spans.index(segment, request.done) else { return };
        let work = &mut self.work[index];
        work.requests += 1;
        work.tokens += request.prompt_tokens.unwrap_or(0) + request.output_tokens.unwrap_or(0);
    }

    /// Folds the values of a request of a group that met no outage.
    pub(super) fn fold(
        &mut self,
        (segment, done): (Segment, At),
        group: &Group,
        values: &[(Quantity, RequestValue)],
    ) {
        let Some(index) = self.steady(segment, done) else { return };
        let exact = values.iter().filter_map(|(quantity, value)| match value {
            RequestValue::Exact(value) => Some((*quantity, *value)),
            _ => None,
        });
        let drifting = exact.filter(|(quantity, _)| Quantity::DRIFTING.contains(quantity));
        self.push(group, index, drifting);
    }

    /// Folds the throughput of a round in which every request was answered whole.
    pub(crate) fn fold_throughput(&mut self, segment: Segment, batch: &Batch, throughput: f64) {
        let at = batch.last.unwrap_or(batch.began);
        if let Some(index) = self.steady(segment, at) {
            self.push(&batch.group, index, [(Quantity::Throughput, throughput)]);
        }
    }

    fn steady(&self, segment: Segment, at: At) -> Option<usize> {
        self.spans.index(segment, at).filter(|index| self.spans.get(*index).phase.is_steady())
    }

    fn push(
        &mut self,
        group: &Group,
        index: usize,
        values: impl IntoIterator<Item = (Quantity, f64)>,
    ) {
        // A group is copied only if it is new.
        if !self.groups.contains_key(group) {
            self.groups.insert(group.clone(), BTreeMap::new());
        }
        let Some(quantities) = self.groups.get_mut(group) else { return };
        for (quantity, value) in values {
            match quantities.entry(quantity) {
                Entry::Occupied(known) => known.into_mut().push(index, value),
                Entry::Vacant(new) if self.places < PLACES_MAX => {
                    self.places += 1;
                    new.insert(OneQuantity::default()).push(index, value);
                }
                Entry::Vacant(_) => {}
            }
        }
    }

    /// Returns the answers so far.
    pub(crate) fn finish(&self) -> AnswersOverTime {
        let quantities = self.groups.iter().flat_map(|(group, quantities)| {
            quantities.iter().map(move |(quantity, of)| (group, quantity, of))
        });
        let groups = quantities.map(|(group, quantity, of)| {
            let mut of = of.clone();
            of.close();
            AnswerBlocks { group: group.clone(), quantity: *quantity, medians: of.medians }
        });
        AnswersOverTime { groups: groups.collect(), work: self.work.clone() }
    }
}

impl OneQuantity {
    fn push(&mut self, index: usize, value: f64) {
        // A request of an earlier block that ended late is not of the present one.
        if self.open.as_ref().is_some_and(|(open, _)| *open > index) {
            return;
        }
        if self.open.as_ref().is_none_or(|(open, _)| *open < index) {
            self.close();
            self.open = Some((index, Thinned::default()));
        }
        if let Some((_, values)) = &mut self.open {
            values.push(value);
        }
    }

    fn close(&mut self) {
        if let Some((index, values)) = self.open.take()
            && let Some(median) = values.median()
        {
            self.medians.push((index, median));
        }
    }
}
