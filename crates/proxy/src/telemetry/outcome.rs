//! What became of an exchange that was not served, as far as counts tell it.

use crate::record::{ExchangeEnd, TunnelEnd};
use crate::refusal::Reason;

/// Why an exchange was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExchangeOutcome {
    pub(crate) kind: OutcomeKind,
    /// The `reason` of the access log.
    pub(crate) reason: &'static str,
}

/// Whose doing it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutcomeKind {
    /// A policy refused it.
    Refused,
    /// It failed, or could not be served for another reason.
    Failed,
}

impl ExchangeOutcome {
    /// Of an exchange that ended like this; `None` if it was served, or was given up by the client or at a stop.
    pub(crate) fn of(end: ExchangeEnd) -> Option<Self> {
        let kind = match end {
            ExchangeEnd::Refused(reason) if is_by_policy(reason) => OutcomeKind::Refused,
            ExchangeEnd::Refused(_)
            | ExchangeEnd::UpstreamBrokeOff
            | ExchangeEnd::ResponseBodyTimeout => OutcomeKind::Failed,
            ExchangeEnd::Tunnel(TunnelEnd::PolicyChanged | TunnelEnd::SniMismatch) => {
                OutcomeKind::Refused
            }
            ExchangeEnd::ClientClosed
            | ExchangeEnd::ClientStalled
            | ExchangeEnd::Drained
            | ExchangeEnd::Tunnel(
                TunnelEnd::ClientClosed
                | TunnelEnd::UpstreamClosed
                | TunnelEnd::Idle
                | TunnelEnd::Drained,
            ) => return None,
        };
        Some(Self {
            kind,
            reason: end.as_str(),
        })
    }
}

/// Whether the configuration wants such a request refused.
const fn is_by_policy(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NoTunnel
            | Reason::Unauthenticated
            | Reason::Acl
            | Reason::RateLimit
            | Reason::Rbac
            | Reason::Csrf
            | Reason::BodyTooLarge
            | Reason::Jwt
            | Reason::ExtAuth
            | Reason::ExtProc
            | Reason::EgressPolicy
            | Reason::AddressDenied
    )
}
