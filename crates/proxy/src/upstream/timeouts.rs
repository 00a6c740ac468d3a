//! Deadlines of requests. Pure.

use std::time::Instant;

use egret_config::snapshot::TimeoutSetting;

pub(super) fn after(timeout: TimeoutSetting, begin: Instant) -> Option<Instant> {
    match timeout {
        TimeoutSetting::After(limit) => Some(begin + limit),
        TimeoutSetting::Default | TimeoutSetting::Never => None,
    }
}

pub(super) fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
