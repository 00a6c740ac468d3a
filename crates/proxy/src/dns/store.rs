//! The caches in a file, so that the first requests after a restart need not wait for DNS.
//!
//! The text is written and read by pure functions: a header with the version, then one line for each name.
//! [`CacheStore`] keeps it in a folder.

pub(crate) use disk::CacheStore;
pub(super) use format::{MAX_NAMES, encode};
pub(super) use owner::CacheOwner;

mod disk;
mod format;
mod line;
mod owner;
