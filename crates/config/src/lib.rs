//! What the user said, and what it means.
//!
//! Text becomes [`resources::Resources`] ([`load`]); resources become a [`snapshot::Snapshot`] to serve and a
//! [`report::Report`] to read ([`compile`]). All of it is pure: no runtime, no sockets, no clock.

pub mod api;
pub mod compile;
pub mod load;
pub mod name;
mod path;
pub mod policy;
pub mod report;
pub mod resources;
pub mod route;
mod rule;
mod settings;
pub mod snapshot;
