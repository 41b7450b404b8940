//! Life's sensors: they look at what can be seen from outside. One file each.
//! Those of the server's own box are [`nearby`].

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
