//! The refusal of a request by a field of a TrafficPolicy, or by a limit of an EgressPolicy. Each field has its place in [`DenyingField`], with what it means
//! for the log and the metrics; the response is what kgateway documents.

use std::sync::Arc;

use egret_config::resources::ObjectRef;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::Reason;

/// Why a policy denies a request, and what the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PolicyDenial {
    /// The policy.
    pub(crate) policy: ObjectRef,
    /// The field of it.
    pub(crate) by: DenyingField,
    /// The rule of the field, if it has rules with names.
    pub(crate) rule: Option<Arc<str>>,
    /// The status of the response.
    pub(crate) status: StatusCode,
    /// One line for people.
    pub(crate) details: String,
    /// The body of the response, if kgateway documents one.
    pub(crate) body: Option<&'static str>,
    /// Fields of the response.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// A field of a policy that can deny a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DenyingField {
    /// `acl`
    Acl,
    /// `rateLimit.local`
    LocalRateLimit,
    /// `limits` of an EgressPolicy
    EgressLimit,
    /// `rbac`
    Rbac,
    /// `csrf`
    Csrf,
    /// `faultInjection.abort`
    Fault,
    /// `buffer`
    Buffer,
}

impl DenyingField {
    /// The reason in log and metrics.
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::Acl => Reason::Acl,
            Self::LocalRateLimit | Self::EgressLimit => Reason::RateLimit,
            Self::Rbac => Reason::Rbac,
            Self::Csrf => Reason::Csrf,
            Self::Fault => Reason::Fault,
            Self::Buffer => Reason::BodyTooLarge,
        }
    }

    /// The error type of `Proxy-Status`.
    pub(super) const fn error(self) -> &'static str {
        match self {
            Self::Acl | Self::Rbac | Self::Csrf | Self::LocalRateLimit | Self::EgressLimit => {
                "http_request_denied"
            }
            Self::Fault => "proxy_internal_response",
            Self::Buffer => "http_request_error",
        }
    }
}

impl PolicyDenial {
    /// Adds the fields of the response.
    pub(super) fn add_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
    }
}
