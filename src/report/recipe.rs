//! Recipes, for people and for programs: all that one says, how reproducible
//! it is, and what differs between two.

pub mod check;
pub mod diff;
pub mod show;
