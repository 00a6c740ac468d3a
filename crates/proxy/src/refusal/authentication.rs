//! The refusal of clients that do not authenticate, and the challenges in the response (RFC 9110 11.3).

use egret_config::policy::api_key_auth::{ApiKeyAuth, KeySource};
use egret_config::resources::ObjectRef;
use http::header::{
    AUTHORIZATION, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName};

const BASIC: &str = "Basic realm=\"egret\"";
const BEARER: &str = "Bearer realm=\"egret\"";
/// The challenge for keys that have no authentication scheme of HTTP. A response with status 401 must have a challenge.
const API_KEY: &str = "ApiKey realm=\"egret\"";
const API_KEY_BODY: &str = "Client authentication failed.";

/// Why a client is not authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthenticationFailure {
    /// Whom the credentials are for.
    pub(crate) audience: CredentialAudience,
    /// What is wrong with the credentials.
    pub(crate) error: CredentialError,
    /// The policy that requires the credentials.
    pub(crate) policy: ObjectRef,
    /// The challenges of the response, one of which the client has to meet.
    challenges: &'static [&'static str],
    /// The body of the response.
    body: &'static str,
}

/// Whom credentials are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialAudience {
    /// A proxy: the request is a CONNECT, or names a scheme that is not the connection's (RFC 9110 11.7).
    Proxy,
    /// The server that the request is about (RFC 9110 11.6).
    Origin,
}

/// The error in the credentials of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialError {
    /// The request has no credentials.
    Missing,
    /// The credentials have another scheme than `Basic`, which is asked for.
    OtherScheme,
    /// The credentials are malformed, or are given more than once.
    Malformed,
    /// The credentials belong to no user or client.
    Wrong,
    /// As [`Self::Wrong`], unless a comparison that takes long says otherwise.
    Unverified,
}

impl CredentialError {
    const fn basic_body(self) -> &'static str {
        match self {
            Self::Missing => "User authentication failed. Missing username and password.",
            Self::OtherScheme => {
                "User authentication failed. Expected 'Basic' authentication scheme."
            }
            Self::Malformed => "User authentication failed. Invalid basic credential format.",
            Self::Wrong | Self::Unverified => {
                "User authentication failed. Invalid username/password combination."
            }
        }
    }
}

impl CredentialAudience {
    /// The request field with the credentials.
    #[must_use]
    pub(crate) const fn field(self) -> HeaderName {
        match self {
            Self::Proxy => PROXY_AUTHORIZATION,
            Self::Origin => AUTHORIZATION,
        }
    }

    /// The response field with the challenges.
    const fn challenge_field(self) -> HeaderName {
        match self {
            Self::Proxy => PROXY_AUTHENTICATE,
            Self::Origin => WWW_AUTHENTICATE,
        }
    }

    /// The response status.
    const fn status(self) -> u16 {
        match self {
            Self::Proxy => 407,
            Self::Origin => 401,
        }
    }
}

impl AuthenticationFailure {
    /// The failure of a policy with `basicAuth`.
    pub(crate) fn by_basic(
        audience: CredentialAudience,
        error: CredentialError,
        policy: &ObjectRef,
    ) -> Self {
        Self {
            audience,
            error,
            policy: policy.clone(),
            challenges: &[BASIC],
            body: error.basic_body(),
        }
    }

    /// The failure of a policy with `apiKeyAuth`.
    pub(crate) fn by_keys(
        audience: CredentialAudience,
        error: CredentialError,
        policy: &ObjectRef,
        keys: &ApiKeyAuth,
    ) -> Self {
        let in_field = keys.sources.contains(&KeySource::Header(AUTHORIZATION));
        Self {
            audience,
            error,
            policy: policy.clone(),
            challenges: match audience {
                CredentialAudience::Proxy => &[BASIC, BEARER],
                CredentialAudience::Origin if in_field => &[BEARER],
                CredentialAudience::Origin => &[API_KEY],
            },
            body: API_KEY_BODY,
        }
    }

    pub(super) const fn status(&self) -> u16 {
        self.audience.status()
    }

    /// Whether the policy asks for a user and a password, and not for a key.
    pub(super) fn is_basic(&self) -> bool {
        self.body != API_KEY_BODY
    }

    pub(super) fn details(&self) -> String {
        let what = match self.audience {
            CredentialAudience::Proxy => "credentials for the proxy",
            CredentialAudience::Origin => "credentials",
        };
        let error = match self.error {
            CredentialError::Missing => "are missing",
            CredentialError::OtherScheme => "have another scheme than Basic",
            CredentialError::Malformed => "are malformed",
            CredentialError::Wrong | CredentialError::Unverified => "are wrong",
        };
        format!("the {what} that {} requires {error}", self.policy)
    }

    /// The body of the response, which is that of kgateway.
    pub(super) const fn body(&self) -> &'static str {
        self.body
    }

    /// Appends the challenges to a response.
    pub(super) fn challenge(&self, headers: &mut HeaderMap) {
        for challenge in self.challenges {
            let value = HeaderValue::from_static(challenge);
            headers.append(self.audience.challenge_field(), value);
        }
    }
}
