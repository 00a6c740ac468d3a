//! Deadlines of requests. Pure.

use std::time::Instant;

use egret_config::snapshot::Timeout;

pub(super) fn after(timeout: Timeout, begin: Instant) -> Option<Instant> {
    match timeout {
        Timeout::After(limit) => Some(begin + limit),
        Timeout::Default | Timeout::Never => None,
    }
}

pub(super) fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
