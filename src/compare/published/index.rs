//! Indexes the rows of a table by their tests. A test may occur several times: a ladder with
//! several outputs has its prompts once for each, with the same name.

use std::collections::BTreeMap;

use crate::analysis::arena::{ArenaRow, Table, TestKey};

/// Number of a row among those of one test, in the order of the table: 0 is the first.
pub(super) type Nth = usize;

/// Rows of a table by their tests.
pub(super) struct Index<'a>(BTreeMap<TestKey, Vec<&'a ArenaRow>>);

impl<'a> Index<'a> {
    /// Returns the index of a table.
    pub(super) fn of(table: &'a Table) -> Index<'a> {
        let mut rows: BTreeMap<TestKey, Vec<&ArenaRow>> = BTreeMap::new();
        for row in &table.rows {
            rows.entry(row.key()).or_default().push(row);
        }
        Index(rows)
    }

    /// Returns a row of a test.
    pub(super) fn row(&self, key: TestKey, nth: Nth) -> Option<&'a ArenaRow> {
        self.0.get(&key)?.get(nth).copied()
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
