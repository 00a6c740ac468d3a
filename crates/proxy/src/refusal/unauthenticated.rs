//! What a client is told that is not let in: that it has to say who it is, and how (RFC 9110 11.3).

use egret_config::policy::api_key_auth::{ApiKeyAuth, KeySource};
use egret_config::resources::ObjectRef;
use http::header::{
    AUTHORIZATION, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName};

const BASIC: &str = "Basic realm=\"egret\"";
const BEARER: &str = "Bearer realm=\"egret\"";
/// Of keys that are in no field of HTTP's own. A challenge has to be there all the same.
const API_KEY: &str = "ApiKey realm=\"egret\"";

/// Why a client is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unauthenticated {
    /// Whom it takes us for.
    pub(crate) audience: Audience,
    /// What it lacks.
    pub(crate) error: CredentialError,
    /// The policy that asks for it.
    pub(crate) policy: ObjectRef,
    /// The challenges, one of which it has to meet.
    challenges: &'static [&'static str],
}

/// Whom credentials are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A proxy: the request is a CONNECT, or names a scheme that is not the connection's (RFC 9110 11.7).
    Proxy,
    /// The server that the request is about (RFC 9110 11.6).
    Origin,
}

/// What is wrong with the credentials of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialError {
    /// There are none.
    Missing,
    /// They are of another scheme, cannot be read, or could be read in two ways.
    Malformed,
    /// Nobody has them.
    Wrong,
}

impl Audience {
    /// The field that credentials are in.
    #[must_use]
    pub(crate) const fn field(self) -> HeaderName {
        match self {
            Self::Proxy => PROXY_AUTHORIZATION,
            Self::Origin => AUTHORIZATION,
        }
    }

    const fn challenge_field(self) -> HeaderName {
        match self {
            Self::Proxy => PROXY_AUTHENTICATE,
            Self::Origin => WWW_AUTHENTICATE,
        }
    }

    const fn status(self) -> u16 {
        match self {
            Self::Proxy => 407,
            Self::Origin => 401,
        }
    }
}

impl Unauthenticated {
    /// Of a policy that asks for a name and a password.
    pub(crate) fn by_basic(audience: Audience, error: CredentialError, policy: &ObjectRef) -> Self {
        Self {
            audience,
            error,
            policy: policy.clone(),
            challenges: &[BASIC],
        }
    }

    /// Of a policy that asks for a key.
    pub(crate) fn by_keys(
        audience: Audience,
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
                Audience::Proxy => &[BASIC, BEARER],
                Audience::Origin if in_field => &[BEARER],
                Audience::Origin => &[API_KEY],
            },
        }
    }

    pub(super) const fn status(&self) -> u16 {
        self.audience.status()
    }

    pub(super) fn details(&self) -> String {
        let what = match self.audience {
            Audience::Proxy => "credentials for the proxy",
            Audience::Origin => "credentials",
        };
        let lack = match self.error {
            CredentialError::Missing => "are missing",
            CredentialError::Malformed => "cannot be read",
            CredentialError::Wrong => "are wrong",
        };
        format!("the {what} that {} asks for {lack}", self.policy)
    }

    pub(super) fn challenge(&self, headers: &mut HeaderMap) {
        for challenge in self.challenges {
            let value = HeaderValue::from_static(challenge);
            headers.append(self.audience.challenge_field(), value);
        }
    }
}
