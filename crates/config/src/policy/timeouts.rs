//! `timeouts` of a TrafficPolicy.

use std::time::Duration;

use serde::Serialize;

/// `timeouts` of a TrafficPolicy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TimeoutLimits {
    /// From the first byte of the request to the last byte of the response.
    pub request: TimeoutSetting,
    /// How long nothing of the request or the response may move.
    pub stream_idle: TimeoutSetting,
}

/// A timeout in a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum TimeoutSetting {
    /// Not set: the proxy's default applies.
    #[default]
    Default,
    /// `0s`: no time limit.
    Never,
    /// A time limit.
    After(Duration),
}

impl TimeoutSetting {
    /// This setting, or another if this is not set.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        match self {
            Self::Default => other,
            Self::Never | Self::After(_) => self,
        }
    }
}
