//! COMPARED: one side held against another.

pub mod published;
