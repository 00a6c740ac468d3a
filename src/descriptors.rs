//! The limit of open file descriptors: raises it to the hard limit at start, and derives from it the default limit of
//! connections.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// A limit below this is logged as a warning, because every request in progress takes two descriptors.
const LOW_LIMIT: rlim_t = 8192;

/// The most idle connections of a worker; each holds some two kilobytes.
const MOST_IDLE: usize = 16_384;

/// Raises the soft limit to the hard limit, and returns the limit in effect, if it is known. Shells and service managers
/// keep the soft limit low for the sake of programs that use `select`.
pub(crate) fn raise() -> Option<rlim_t> {
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => {
            tracing::warn!(%error, "cannot read the limit of open files");
            return None;
        }
    };
    let limit = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files");
            soft
        }
    };
    if limit < LOW_LIMIT {
        tracing::warn!(
            limit,
            "the limit of open files is low: every request in progress takes two descriptors"
        );
    }
    Some(limit)
}

/// The default limit of connections of a listener. It leaves descriptors for upstream connections, of which each client
/// connection may need one, for idle ones, and for a while also for a second listener.
pub(crate) fn max_connections_for(limit: rlim_t) -> usize {
    usize::try_from(limit / 8 * 3).unwrap_or(usize::MAX).max(1)
}

/// How many idle connections to upstreams each of several workers keeps: all of them a quarter of the limit, and no more than
/// are worth their memory.
pub(crate) fn max_idle_for(limit: rlim_t, workers: usize) -> usize {
    let share = usize::try_from(limit / 4).unwrap_or(usize::MAX) / workers.max(1);
    share.clamp(16, MOST_IDLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_may_have_one_to_its_upstream() {
        assert_eq!(max_connections_for(1024), 384);
        assert_eq!(max_connections_for(1 << 20), 393_216);
        assert_eq!(max_connections_for(0), 1);
        assert!(max_connections_for(rlim_t::MAX) > 1 << 60);
    }

    #[test]
    fn idle_connections_leave_room_for_others() {
        assert_eq!(max_idle_for(8192, 2), 1024);
        assert_eq!(max_idle_for(1024, 64), 16);
        assert_eq!(max_idle_for(1 << 20, 2), MOST_IDLE);
        assert_eq!(max_idle_for(rlim_t::MAX, 1), MOST_IDLE);
    }
}
