//! How many descriptors the process may open: as many as it is allowed to allow itself. And how many connections that is
//! enough for.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// Under this many it is worth a line in the log: every request in progress takes two.
const FEW: rlim_t = 8192;

/// Raises the soft limit, which shells and service managers keep low for programs that cannot do with more, to the
/// hard one. Gives the limit, if it is known.
pub(crate) fn raise() -> Option<rlim_t> {
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files is not known");
            return None;
        }
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
    Some(limit)
}

/// How many connections a listener may have so that there are descriptors left for upstreams, and for more than one
/// listener a while: each takes another one of them, and some are idle.
pub(crate) fn enough_for(limit: rlim_t) -> usize {
    usize::try_from(limit / 8 * 3).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_may_have_one_to_its_upstream() {
        assert_eq!(enough_for(1024), 384);
        assert_eq!(enough_for(1 << 20), 393_216);
        assert_eq!(enough_for(0), 1);
        assert!(enough_for(rlim_t::MAX) > 1 << 60);
    }
}
