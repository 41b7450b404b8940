//! Indexes the rows of a table by their tests. A test may occur several times: a ladder with
//! several outputs has its prompts once for each, with the same name.

use std::collections::BTreeMap;

use crate::analysis::arena::{ArenaRow, Table, TestKey};

use super::counted::{self, CountedTokens, Counting};

/// Number of a row among those of one test, in the order of the table: 0 is the first.
pub(super) type Nth = usize;

/// Rows of a table by their tests, and what their rates count.
pub(super) struct Index<'a> {
    rows: BTreeMap<TestKey, Vec<&'a ArenaRow>>,
    counted: Option<CountedTokens>,
}

impl<'a> Index<'a> {
    /// Returns the index of a table.
    pub(super) fn of(table: &'a Table) -> Index<'a> {
        let mut rows: BTreeMap<TestKey, Vec<&ArenaRow>> = BTreeMap::new();
        for row in &table.rows {
            rows.entry(row.key()).or_default().push(row);
        }
        Index { rows, counted: counted::of_table(table) }
    }

    /// Returns a row of a test.
    pub(super) fn row(&self, key: TestKey, nth: Nth) -> Option<&'a ArenaRow> {
        self.rows.get(&key)?.get(nth).copied()
    }

    /// Returns the tests of prompts of these lengths and streams, by depth.
    pub(super) fn depths(&self, row: &ArenaRow, nth: Nth) -> Vec<&'a ArenaRow> {
        let (low, high) = ((row.kind, 0, None, 0), (row.kind, u64::MAX, None, 0));
        let all = self.rows.range(low..=high);
        let alike = all.filter(|(key, _)| (key.2, key.3) == (row.prompt, row.streams));
        alike.filter_map(|(_, rows)| rows.get(nth).or(rows.first()).copied()).collect()
    }

    /// Returns what the rates of the table count, where that is known.
    pub(super) fn counted(&self) -> Option<CountedTokens> {
        self.counted
    }

    /// Returns what the rate of a row counts.
    pub(super) fn counting(&self, row: &ArenaRow) -> Counting {
        counted::of_row(row, self.counted)
    }
}

/// Returns a table's rows in its order, each with its number among those of its test.
pub(super) fn counted(table: &Table) -> Vec<(&ArenaRow, Nth)> {
    let mut counts: BTreeMap<TestKey, Nth> = BTreeMap::new();
    let count = |row| {
        let next = counts.entry(ArenaRow::key(row)).or_default();
        let nth = *next;
        *next += 1;
        (row, nth)
    };
    table.rows.iter().map(count).collect()
}
