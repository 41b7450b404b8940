//! Life's sensors: they look at what can be seen from outside. One file each.

pub mod engine;
pub mod here;
