//! Sensors that read what can be seen from outside the server, one file each. Those of the server's
//! own machine are listed in [`nearby`].

mod cgroup;
pub(crate) mod engine;
pub(crate) mod here;
mod host;
mod kernel;
mod kmsg;
pub(crate) mod nearby;
pub(crate) mod place;
mod root;
#[cfg(test)]
mod scratch;
mod stat;
mod thread;
mod tree;
