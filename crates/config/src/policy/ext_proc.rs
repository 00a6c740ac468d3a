//! `extProc` of TrafficPolicies: a service that reads and changes requests and responses (Envoy's external processing).

use std::time::Duration;

use serde::Serialize;

use super::service::CalledService;
use crate::expression::ToldExpression;

/// `extProc` of a TrafficPolicy, as the policy and its GatewayExtension say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExtProc {
    /// How the service is called. Its timeout is that of the whole conversation about a request.
    pub service: CalledService,
    /// Whether a request goes on without the service if that gives no answer.
    pub fails_open: bool,
    /// The longest time for each answer.
    pub message_timeout: Duration,
    /// The longest time that the service may ask for in place of that; `None` if it may not.
    pub max_message_timeout: Option<Duration>,
    /// What the service gets.
    pub mode: ProcessingMode,
    /// Whether the service may say that it gets something else.
    pub overrides: ModeOverrides,
    /// What the service is told of the request beside its header.
    pub attributes: Vec<ToldExpression>,
    /// Whether the service gets what the client's token says.
    pub forwards_claims: bool,
    /// Whether it gets what the service of `extAuth` has said of the request.
    pub forwards_authorization: bool,
}

/// What of a request and its response a service gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessingMode {
    /// What of the request.
    pub request: MessageMode,
    /// What of the response.
    pub response: MessageMode,
}

/// What of a message a service gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MessageMode {
    /// Whether the header.
    pub headers: bool,
    /// How the body.
    pub body: BodyMode,
    /// Whether the trailers, if there are any.
    pub trailers: bool,
}

/// How a service gets the body of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum BodyMode {
    /// It does not.
    None,
    /// Piece by piece, as it comes.
    Streamed,
    /// As a whole, before anything is sent on.
    Buffered,
    /// As a whole, or of a body that is too large for that the beginning.
    BufferedPartial,
}

/// What a service may say in place of the configured [`ProcessingMode`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ModeOverrides {
    /// Nothing.
    Ignored,
    /// Everything.
    Any,
    /// One of these. Whether the header of the request is sent is not compared: it was.
    Among(Vec<ProcessingMode>),
}

impl ProcessingMode {
    /// Whether the service gets anything.
    #[must_use]
    pub fn sends_anything(&self) -> bool {
        self.request.sends_anything() || self.response.sends_anything()
    }
}

impl MessageMode {
    /// Whether the service gets anything of the message.
    #[must_use]
    pub fn sends_anything(&self) -> bool {
        self.headers || self.body != BodyMode::None || self.trailers
    }
}

impl ModeOverrides {
    /// Whether the service may choose this mode.
    #[must_use]
    pub fn allow(&self, mode: &ProcessingMode) -> bool {
        let compared = |mode: &ProcessingMode| {
            let MessageMode { body, trailers, .. } = mode.request;
            (body, trailers, mode.response)
        };
        match self {
            Self::Ignored => false,
            Self::Any => true,
            Self::Among(modes) => modes.iter().any(|it| compared(it) == compared(mode)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: MessageMode = MessageMode {
        headers: true,
        body: BodyMode::None,
        trailers: false,
    };

    #[test]
    fn a_service_chooses_what_it_may() {
        let mode = |body| ProcessingMode {
            request: MessageMode { body, ..HEADERS },
            response: HEADERS,
        };
        let buffered = mode(BodyMode::Buffered);
        let without_header = ProcessingMode {
            request: MessageMode {
                headers: false,
                ..buffered.request
            },
            ..buffered
        };
        let among = ModeOverrides::Among(vec![mode(BodyMode::Streamed), without_header]);
        assert!(!ModeOverrides::Ignored.allow(&buffered));
        assert!(ModeOverrides::Any.allow(&buffered));
        assert!(among.allow(&buffered));
        assert!(!among.allow(&mode(BodyMode::None)));
        let other_response = ProcessingMode {
            response: MessageMode {
                headers: false,
                ..HEADERS
            },
            ..buffered
        };
        assert!(!among.allow(&other_response));
    }
}
