//! How many descriptors the process may open: as many as it is allowed to allow itself.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// Under this many it is worth a line in the log: every request in progress takes two.
const FEW: rlim_t = 8192;

/// Raises the soft limit, which shells and service managers keep low for programs that cannot do with more, to the
/// hard one.
pub(crate) fn raise() {
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => return tracing::warn!(%error, "the limit of open files is not known"),
    };
    let limit = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            soft
        }
    };
    if limit < FEW {
        tracing::warn!(
            limit,
            "few files may be open: every request in progress takes two descriptors"
        );
    }
}
