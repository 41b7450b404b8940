//! Serves the simulated server on real sockets. Its HTTP bytes are written here without `protocol`,
//! so that an error in `protocol` does not cancel out against the same error here.

pub(crate) mod sim;
