//! Sensors that read what can be seen from outside the server, one file each. Those of the server's
//! own machine are listed in [`host_sensors`].

mod cgroup;
pub(crate) mod engine;
mod host;
pub(crate) mod host_sensors;
pub(crate) mod is_local;
mod kernel;
mod kmsg;
pub(crate) mod port;
mod root;
#[cfg(test)]
mod scratch;
mod stat;
pub(crate) mod this_machine;
mod thread;
mod tree;
