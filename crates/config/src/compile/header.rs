//! Names and values of headers that resources change.

use http::{HeaderName, HeaderValue};

use crate::policy::headers::is_protected;

/// A header that is never forwarded, because it is addressed to this proxy (RFC 9110 11.7.2). Removing it is allowed
/// and has no effect.
const NEVER_SENT: &str = "proxy-authorization";

/// The kind of message whose headers are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageKind {
    Request,
    Response,
    /// A request of the gateway's own to a proxy.
    Connect,
}

/// Headers to set or to add. Of several with one name, the first counts (Gateway API, HTTPHeader).
#[derive(Default)]
pub(super) struct HeaderPairs(Vec<(HeaderName, HeaderValue)>);

impl MessageKind {
    /// Parses the name of a header that may be set or added.
    pub(super) fn settable_name(self, text: &str) -> Result<HeaderName, &'static str> {
        let name = header_name(text).map_err(HeaderNameError::message)?;
        self.check_settable(&name)?;
        Ok(name)
    }

    /// Checks that a header of this name may be set or added.
    pub(super) fn check_settable(self, name: &HeaderName) -> Result<(), &'static str> {
        if self == Self::Request && name.as_str() == NEVER_SENT {
            return Err("this header is for the proxy itself and is never sent on");
        }
        Ok(())
    }
}

impl HeaderPairs {
    pub(super) fn push(&mut self, name: HeaderName, value: HeaderValue) {
        let Self(pairs) = self;
        if !pairs.iter().any(|(other, _)| *other == name) {
            pairs.push((name, value));
        }
    }

    pub(super) fn into_list(self) -> Vec<(HeaderName, HeaderValue)> {
        self.0
    }
}

/// The error for the name of a header that may not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderNameError {
    Invalid,
    /// The header decides where a message goes or where it ends.
    Protected,
}

impl HeaderNameError {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Invalid => "not a header name",
            Self::Protected => {
                "this header cannot be modified: it decides where the message goes or ends"
            }
        }
    }
}

/// Parses the name of a header that may be changed.
pub(super) fn header_name(text: &str) -> Result<HeaderName, HeaderNameError> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| HeaderNameError::Invalid)?;
    if is_protected(&name) {
        return Err(HeaderNameError::Protected);
    }
    Ok(name)
}

/// Parses the value of a header.
pub(super) fn header_value(bytes: &[u8]) -> Result<HeaderValue, &'static str> {
    HeaderValue::from_bytes(bytes).map_err(|_| "not a header value")
}
