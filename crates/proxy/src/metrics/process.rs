//! What the owner of the process counts, for export with the rest.

use std::sync::atomic::AtomicU64;

/// Counters of the process as a whole. The program that runs the proxy counts, and the admin server exports.
#[derive(Debug, Default)]
pub struct ProcessCounters {
    /// Lines that the program could not write to stderr.
    pub lines_lost: AtomicU64,
    /// Panics, each of which is a defect.
    pub panics: AtomicU64,
}
