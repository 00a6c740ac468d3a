//! Configuration: reads resources, checks them, and compiles them to what the proxy serves.
//!
//! [`load`] parses text to [`resources::Resources`]. [`compile`] turns resources into a [`snapshot::Snapshot`] to serve
//! and a [`report::Report`] to read; [`in_force`] does so for a change, and keeps what must not be replaced. The whole
//! crate is pure: it has no runtime, opens no sockets and reads no clock.

pub mod access_log;
pub mod api;
pub mod certificate;
pub mod compatibility;
pub mod compile;
pub mod crd;
pub mod expression;
pub mod in_force;
pub mod load;
pub mod name;
mod path;
mod pattern;
pub mod policy;
pub mod references;
pub mod report;
pub mod resources;
pub mod route;
mod rule;
mod settings;
pub mod snapshot;
mod suggest;
