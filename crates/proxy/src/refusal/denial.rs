//! The refusal of a request by a field of a TrafficPolicy, or by a limit of an EgressPolicy. Each field has its place in [`DenyingField`], with what it means
//! for the log and the metrics; the response is what kgateway documents.

use std::borrow::Cow;
use std::sync::Arc;

use egret_config::resources::ObjectRef;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{CredentialError, Reason, Refusal};

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
    /// The body of the response, if kgateway documents one or a service gives it.
    pub(crate) body: Option<Cow<'static, str>>,
    /// Fields of the response.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// A field of a policy that can deny a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DenyingField {
    /// `acl`
    Acl,
    /// `jwtAuth`
    Jwt,
    /// `jwtAuth`, for a token that is signed with a key that is not known
    JwtKey,
    /// `jwtAuth`, because the keys could not be fetched
    Jwks,
    /// `rateLimit.local`
    LocalRateLimit,
    /// `extAuth`
    ExtAuth,
    /// `extAuth`, because the service gave no answer
    ExtAuthService,
    /// `extProc`: the service answers the request itself
    ExtProc,
    /// `extProc`, because the service gave no answer
    ExtProcService,
    /// `extProc`: the body of a response is larger than what the service can be given
    ExtProcBuffer,
    /// `rateLimit.global`
    GlobalRateLimit,
    /// `rateLimit.global`, because the service gave no answer
    RateLimitService,
    /// `limits` of an EgressPolicy
    EgressLimit,
    /// `rbac`
    Rbac,
    /// `csrf`
    Csrf,
    /// `faultInjection.abort`
    Fault,
    /// `basicAuth`, because too many passwords wait to be compared
    PasswordQueue,
    /// `buffer`, and the limit of what `transformation` reads
    Buffer,
    /// `transformation` of requests
    Transformation,
    /// `transformation` of responses
    ResponseTransformation,
}

impl DenyingField {
    /// The reason in log and metrics.
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::Acl => Reason::Acl,
            Self::LocalRateLimit | Self::GlobalRateLimit | Self::EgressLimit => Reason::RateLimit,
            Self::RateLimitService => Reason::RateLimitUnavailable,
            Self::ExtAuth => Reason::ExtAuth,
            Self::ExtAuthService => Reason::ExtAuthUnavailable,
            Self::ExtProc => Reason::ExtProc,
            Self::ExtProcService => Reason::ExtProcUnavailable,
            Self::Rbac => Reason::Rbac,
            Self::Csrf => Reason::Csrf,
            Self::PasswordQueue => Reason::AuthenticationOverload,
            Self::Fault => Reason::Fault,
            Self::Buffer | Self::ExtProcBuffer => Reason::BodyTooLarge,
            Self::Transformation | Self::ResponseTransformation => Reason::Transformation,
            Self::Jwt | Self::JwtKey => Reason::Jwt,
            Self::Jwks => Reason::JwksUnavailable,
        }
    }

    /// The error type of `Proxy-Status`.
    pub(super) const fn error(self) -> &'static str {
        match self {
            Self::Acl
            | Self::Rbac
            | Self::Csrf
            | Self::Jwt
            | Self::JwtKey
            | Self::LocalRateLimit
            | Self::ExtAuth
            | Self::ExtProc
            | Self::GlobalRateLimit
            | Self::EgressLimit => "http_request_denied",
            Self::Fault => "proxy_internal_response",
            Self::Jwks
            | Self::ExtAuthService
            | Self::ExtProcService
            | Self::RateLimitService
            | Self::ResponseTransformation => "proxy_internal_error",
            Self::PasswordQueue => "connection_limit_reached",
            Self::Buffer | Self::Transformation => "http_request_error",
            Self::ExtProcBuffer => "http_response_body_size",
        }
    }
}

impl Refusal {
    /// Whether templates made nothing of a message.
    pub(crate) fn is_of_transformation(&self) -> bool {
        matches!(self, Self::Denied(denial) if matches!(denial.by, DenyingField::Transformation | DenyingField::ResponseTransformation))
    }

    /// Whether the request may be let through once its password was compared.
    pub(crate) fn wants_comparison(&self) -> bool {
        matches!(self, Self::Unauthenticated(failure) if failure.error == CredentialError::Unverified)
    }

    /// Whether it is the credentials or the origin of the request that are wrong or missing, which no access log tells.
    pub(crate) fn is_about_secrets(&self) -> bool {
        let by_field = |by| {
            matches!(
                by,
                DenyingField::Jwt | DenyingField::JwtKey | DenyingField::Jwks | DenyingField::Csrf
            )
        };
        match self {
            Self::Unauthenticated(_) => true,
            Self::Denied(denial) => by_field(denial.by),
            _ => false,
        }
    }

    /// Whether the request may be let through once keys of tokens were fetched.
    pub(crate) fn wants_keys(&self) -> bool {
        matches!(self, Self::Denied(denial) if matches!(denial.by, DenyingField::JwtKey | DenyingField::Jwks))
    }
}

impl PolicyDenial {
    /// Adds the fields of the response.
    pub(super) fn add_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            if *name == CONTENT_TYPE {
                headers.insert(name, value.clone());
            } else {
                headers.append(name, value.clone());
            }
        }
    }
}
