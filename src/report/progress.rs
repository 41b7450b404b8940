//! stub
use crate::analysis::Asked;
use crate::fact::Entry;
use crate::unit::At;
/// stub
pub struct Status;
impl Status {
    /// stub
    pub fn new(_: &Asked) -> Status { Status }
    /// stub
    pub fn take(&mut self, _: &Entry) {}
    /// stub
    pub fn progress(&mut self, _: u64, _: u64) {}
    /// stub
    pub fn line(&self, now: At, _: usize) -> String { format!("{now:?}") }
}
