//! The outcome of one attempt: the head of a response, or why there is none.

use std::time::Instant;

use http::{Response, StatusCode};

use super::http1::{FailedRequest, Http1Error};
use super::incoming::IncomingBody;
use super::lease::LeasedConnection;
use super::outgoing::OutgoingRequest;
use super::retry::FailureStage;
use super::upgraded::UpgradedStream;
use crate::refusal::Refusal;
use crate::tls::TlsFailure;

/// A response's head, and the connection that its body comes over.
pub(super) struct AttemptResponse {
    pub(super) response: Response<IncomingBody>,
    pub(super) lease: LeasedConnection,
    /// The connection, if the upstream agreed to the protocol that the request asked for.
    pub(super) upgraded: Option<Box<UpgradedStream>>,
    /// The deadline of the attempt, if any.
    pub(super) deadline: Option<Instant>,
}

/// Why an attempt brought no response.
pub(super) struct AttemptFailure {
    pub(super) refusal: Refusal,
    pub(super) broken: Option<FailureStage>,
    /// The request, if none of it was sent.
    pub(super) unsent: Option<Box<OutgoingRequest>>,
}

impl AttemptResponse {
    /// Whether the upstream agreed to the protocol that the request asked for.
    pub(super) fn is_switch(&self) -> bool {
        self.upgraded.is_some() && self.response.status() == StatusCode::SWITCHING_PROTOCOLS
    }
}

impl AttemptFailure {
    /// Builds the failure of a timeout, caused by the upstream or by the client.
    pub(super) fn slow(refusal: Refusal) -> Self {
        let upstream = matches!(refusal, Refusal::ResponseTimeout);
        Self {
            refusal,
            broken: upstream.then_some(FailureStage::BeforeResponse),
            unsent: None,
        }
    }

    /// Builds the failure to acquire a connection.
    pub(super) fn unconnected(refusal: Refusal) -> Self {
        let broken = matches!(
            refusal,
            Refusal::Connect(_) | Refusal::Proxy(_) | Refusal::Tls(_)
        );
        Self {
            broken: broken.then_some(FailureStage::Connect),
            refusal,
            unsent: None,
        }
    }

    /// Builds the failure of a connection that was in use.
    pub(super) fn of(FailedRequest { error, unsent }: FailedRequest) -> Self {
        let (refusal, broken) = if let Some(failure) = TlsFailure::within(&error) {
            (Refusal::Tls(failure), Some(FailureStage::BeforeResponse))
        } else {
            match error {
                Http1Error::HeadTooLarge => (
                    Refusal::ResponseHeadTooLarge,
                    Some(FailureStage::BeforeResponse),
                ),
                Http1Error::Malformed(_) => (
                    Refusal::UpstreamProtocol,
                    Some(FailureStage::BeforeResponse),
                ),
                Http1Error::RequestBody(_) => (Refusal::RequestBody, None),
                Http1Error::Incomplete | Http1Error::Read(_) if unsent.is_some() => {
                    (Refusal::Terminated, Some(FailureStage::BeforeRequest))
                }
                Http1Error::Incomplete | Http1Error::Read(_) => {
                    (Refusal::Terminated, Some(FailureStage::BeforeResponse))
                }
            }
        };
        Self {
            refusal,
            broken,
            unsent,
        }
    }
}
