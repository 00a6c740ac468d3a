//! DNS: names become addresses here, by a cache with coalesced queries, and by a client that speaks DNS.
//!
//! A cache decides what a lookup gets, without I/O, locks or a clock of its own. [`Resolver`] shares one cache between
//! threads and runs the queries that it asks for on the control runtime. [`query::DnsClient`] is the border to the
//! network, behind which `hickory` speaks DNS. A file keeps the caches across restarts, if there is a state folder.
//! Nothing here decides whether an address may be connected to: the egress check does, for every address dialled.

pub mod family;
pub mod hosts_file;
pub mod query;

mod cache;
mod failure;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod hickory;
mod listing;
mod resolver;
mod resolvers;
mod singleflight;
mod source;
mod stats;
mod store;

pub use failure::{DnsFailure, FailureKind, ResolveError};
pub(crate) use listing::ListedName;
pub use resolver::{PendingFamily, ResolvedName, Resolver};
pub(crate) use resolvers::{ResolverSet, SAVE_INTERVAL};
pub use source::AnswerSource;
pub use stats::DnsStats;
pub(crate) use stats::ServerStats;
pub(crate) use store::CacheStore;
