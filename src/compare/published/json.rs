//! Reads llama-benchy's JSON.

use crate::analysis::arena::Table;
use crate::analysis::arena::benchy::BenchyJson;
use crate::error::Mistake;

use super::wrong;

/// Reads the document.
pub(super) fn read(origin: &str, text: &str) -> Result<Table, Mistake> {
    let document: BenchyJson = serde_json::from_str(text).map_err(|why| {
        wrong(origin, why.line() as u64, format!("this is no JSON of llama-benchy: {why}"))
            .hint("what `llama-benchy --format json` writes")
    })?;
    document.table().map_err(|(place, why)| Mistake::new(why).at(format!("{origin} {place}")))
}
