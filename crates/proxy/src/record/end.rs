//! Why an exchange or a tunnel ended before, or other than by, the end of a response.

use crate::meter::{LabelValue as _, label_values};
use crate::refusal::Reason;

label_values! {
    /// Why a tunnel ended.
    pub(crate) enum TunnelEnd {
        /// The client closed first.
        ClientClosed = "client_closed",
        /// The upstream closed first.
        UpstreamClosed = "upstream_closed",
        /// No bytes moved for the idle timeout.
        Idle = "idle",
        /// A configuration change denies the tunnel.
        PolicyChanged = "policy_changed",
        /// The ClientHello is not for the host of the CONNECT, as a policy requires.
        SniMismatch = "sni_mismatch",
        /// The process is stopping.
        Drained = "drained",
    }
}

/// Why an exchange was refused or broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExchangeEnd {
    /// It was refused.
    Refused(Reason),
    /// The client closed before the response was complete.
    ClientClosed,
    /// The client took nothing of the response for the idle timeout.
    ClientStalled,
    /// The upstream broke off the response after its head.
    UpstreamBrokeOff,
    /// The upstream sent nothing more of the response in time.
    ResponseBodyTimeout,
    /// The process stopped before it was over.
    Drained,
    /// It was a tunnel, which ended like this.
    Tunnel(TunnelEnd),
}

impl ExchangeEnd {
    /// The `reason` of the access log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Refused(reason) => reason.as_str(),
            Self::ClientClosed => "client_closed",
            Self::ClientStalled => "client_stalled",
            Self::UpstreamBrokeOff => "upstream_broke_off",
            Self::ResponseBodyTimeout => "response_body_timeout",
            Self::Drained => TunnelEnd::Drained.as_str(),
            Self::Tunnel(end) => end.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_of_a_tunnel_has_a_counter_of_its_own() {
        crate::meter::assert_is_label::<TunnelEnd>();
    }
}
