//! Folds a run into a table of Spark Arena's form: closed rounds of the ladder in which every
//! request was answered whole, outside of warm-up. A round with a failed request is in no row,
//! since Spark Arena accepts no benchmark with one; such rounds are counted.

use std::time::{Duration, UNIX_EPOCH};

use crate::fact::{Batch, Cell, Class, Entry, Fact, Group, Load, Opened, Request};

use super::round::{Pair, RowColumns};
use super::{ArenaRow, Origin, Table, TestKind};

/// Bound on the requests kept of the round under way; a round has at most as many streams.
const REQUESTS_MAX: usize = 1_024;

/// Fold over the entries of a run; memory grows with cells.
#[derive(Clone, Debug, Default)]
pub(crate) struct ArenaFold {
    /// Requests of the round under way.
    round: Vec<Request>,
    /// Cells in the order in which they were first visited.
    cells: Vec<Visited>,
    left_out: u64,
    origin: Origin,
    simulated: bool,
}

#[derive(Clone, Debug)]
struct Visited {
    cell: Cell,
    class: Class,
    pair: Pair,
}

impl ArenaFold {
    /// Returns a fold without entries.
    pub(crate) fn new() -> ArenaFold {
        ArenaFold::default()
    }

    /// Folds an entry; entries come in the order of seq.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Opened(opened) => self.opened(opened),
            Fact::Request(request) => self.keep(request),
            Fact::Batch(batch) => {
                self.close(batch);
                self.round.clear();
            }
            _ => {}
        }
    }

    fn keep(&mut self, request: &Request) {
        let counts = request.phase.is_steady() && closed_cell(&request.group()).is_some();
        if counts && self.round.len() < REQUESTS_MAX {
            self.round.push(request.clone());
        }
    }

    fn opened(&mut self, opened: &Opened) {
        // A resume sends the unfinished round again.
        self.round.clear();
        self.simulated |= opened.simulated;
        let when = UNIX_EPOCH + Duration::from_micros(opened.wall_us);
        let when = humantime::format_rfc3339_seconds(when).to_string().replace('T', " ");
        self.origin.timestamp.get_or_insert(when);
        self.origin.version.get_or_insert_with(|| format!("longhaul {}", opened.version));
    }

    fn close(&mut self, batch: &Batch) {
        let closed = closed_cell(&batch.group).filter(|_| batch.phase.is_steady());
        let Some(cell) = closed else { return };
        let class = batch.group.class;
        let known = |it: &Visited| it.cell == cell && it.class == class;
        let index = self.cells.iter().position(known).unwrap_or(self.cells.len());
        if index == self.cells.len() {
            self.cells.push(Visited { cell, class, pair: Pair::default() });
        }
        let of_it = |request: &&Request| {
            request.cell == cell && request.class == class && request.ended.is_good()
        };
        let requests: Vec<&Request> = self.round.iter().filter(of_it).collect();
        // Rows may be missing where a file was damaged.
        let whole = batch.good == batch.requests && requests.len() as u64 == batch.requests;
        if !whole || requests.is_empty() {
            self.left_out += 1;
            return;
        }
        if let Some(models_us) = batch.models_us {
            self.origin.latency_ms.get_or_insert(models_us as f64 / 1e3);
        }
        self.cells[index].pair.add(&requests, batch, expected(class, &cell));
    }

    /// Returns the table so far. A simulated run is marked in the model name.
    pub(crate) fn finish(&self, model: &str) -> Table {
        let label = if self.simulated { " (SIMULATED)" } else { "" };
        let loads = self.cells.iter().any(|it| it.cell.prompt == 0);
        Table {
            model: format!("{model}{label}"),
            rows: self.cells.iter().flat_map(|it| self.rows(it)).collect(),
            origin: Origin { prefix_caching: Some(loads), ..self.origin.clone() },
            left_out: self.left_out,
            notes: Vec::new(),
        }
    }

    fn rows(&self, Visited { cell, pair, .. }: &Visited) -> Vec<ArenaRow> {
        let (kinds, prompt) = match cell.prompt {
            0 => ([TestKind::CtxPp, TestKind::CtxTg], self.prompt_behind(cell)),
            prompt => ([TestKind::Pp, TestKind::Tg], Some(prompt)),
        };
        let row = |kind, columns: &RowColumns| {
            let spreads = columns.iter().filter_map(|(it, gather)| Some((*it, gather.spread()?)));
            let (columns, output) = (spreads.collect(), Some(cell.output));
            ArenaRow { prompt, output, columns, ..ArenaRow::new(kind, cell.depth, cell.streams()) }
        };
        let rows = [row(kinds[0], &pair.prefill), row(kinds[1], &pair.decode)];
        rows.into_iter().filter(|row| !row.columns.is_empty()).collect()
    }

    /// Returns the prompt length of the cell that follows a context-only cell.
    fn prompt_behind(&self, load: &Cell) -> Option<u64> {
        let mut cells = self.cells.iter().map(|it| &it.cell);
        let follows = cells.find(|cell| cell.prompt > 0 && Cell { prompt: 0, ..**cell } == *load);
        follows.map(|cell| cell.prompt)
    }
}

/// Returns the cell of a ladder's closed loop. The open loop and the other workloads have no rows
/// in the table.
fn closed_cell(group: &Group) -> Option<Cell> {
    let is_closed = |cell: &Cell| matches!(cell.load, Load::Streams(_));
    group.cell.filter(is_closed).filter(|_| matches!(group.class, Class::Cold | Class::Warm))
}

/// Returns the prompt tokens that llama-benchy expects: those of the context while it is loaded,
/// those of the prompt alone behind a loaded context, otherwise both.
fn expected(class: Class, cell: &Cell) -> u64 {
    if class == Class::Warm { cell.prompt } else { cell.input() }
}

#[cfg(test)]
mod tests;
