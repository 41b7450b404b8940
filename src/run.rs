//! (to be filled)

pub mod load;
