//! `%REQ(NAME?OTHER)%` and its like: which field of a message is meant.

use http::HeaderName;

use super::scan::{FormatFault, RawCommand};

/// A field of a message, and the one that is told where the first is missing. `None` names no field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderChoice<F> {
    /// The field.
    pub first: Option<F>,
    /// The other one.
    pub other: Option<F>,
}

/// A field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestField {
    /// `:method`
    Method,
    /// `:path`, as it is sent on, with the query.
    Path,
    /// `:scheme`, by which the client reached the gateway or which it named.
    Scheme,
    /// `:authority`, and `host`.
    Authority,
    /// `x-envoy-original-path`: the path and query as they were received, if they were changed.
    OriginalPath,
    /// A header field.
    Named(HeaderName),
}

/// A field of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseField {
    /// `:status`
    Status,
    /// `x-envoy-upstream-service-time`: the milliseconds that the upstream took to answer.
    ServiceTime,
    /// A header field.
    Named(HeaderName),
}

impl<F> HeaderChoice<F> {
    /// Reads `NAME` or `NAME?OTHER`.
    pub(super) fn read(
        raw: &RawCommand<'_>,
        parameters: &str,
        field: impl Fn(&str) -> Option<F>,
    ) -> Result<Self, FormatFault> {
        let mut names = parameters.split('?').map(|name| match name {
            "" => Ok(None),
            name => {
                let wrong = || raw.fault(format_args!("{name} is no name of a header field"));
                field(name).map(Some).ok_or_else(wrong)
            }
        });
        let first = names.next().transpose()?.flatten();
        let other = names.next().transpose()?.flatten();
        match names.next() {
            None => Ok(Self { first, other }),
            Some(_) => Err(raw.fault("more than one alternative after ?")),
        }
    }

    /// The fields that are named.
    pub fn fields(&self) -> impl Iterator<Item = &F> {
        self.first.iter().chain(&self.other)
    }
}

impl RequestField {
    pub(super) fn new(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            ":method" => Self::Method,
            ":path" => Self::Path,
            ":scheme" => Self::Scheme,
            ":authority" | "host" => Self::Authority,
            "x-envoy-original-path" => Self::OriginalPath,
            name => Self::Named(name.parse().ok()?),
        })
    }

    /// Whether its value has no character that JSON escapes: methods are tokens (RFC 9110 9.1), and schemes are known.
    pub(super) const fn is_plain(&self) -> bool {
        matches!(self, Self::Method | Self::Scheme)
    }
}

impl ResponseField {
    pub(super) fn new(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            ":status" => Self::Status,
            "x-envoy-upstream-service-time" => Self::ServiceTime,
            name => Self::Named(name.parse().ok()?),
        })
    }
}
