//! Names become addresses here: a cache with a clock for an argument, and the tasks that fill it.
//!
//! [`cache::Cache`] decides what a lookup gets, without I/O or locks; [`resolver::Resolver`] wraps it for callers on any
//! thread and runs the queries on the control runtime; [`query::Query`] is the seam to the network, behind which
//! [`hickory`] speaks DNS. What is known survives the process in a [`store`], if
//! there is a folder for it. Nothing here judges an address: the egress check does, for every address dialled.

pub mod cache;
pub mod failure;
#[cfg(test)]
pub(crate) mod fake;
pub mod family;
mod flight;
pub mod hickory;
pub mod hosts_file;
pub mod listing;
pub mod query;
pub mod resolver;
pub mod resolvers;
pub mod stats;
pub mod store;

pub use failure::{Failure, ResolveError};
pub use resolver::{How, Resolved, Resolver};
pub use resolvers::Resolvers;
pub use stats::DnsStats;
