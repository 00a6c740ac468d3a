//! `jwtAuth` of a TrafficPolicy: authenticates clients by JSON Web Tokens (RFC 7519). Checks and their order are Envoy's,
//! and so are the words for what is wrong.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use serde::{Serialize, Serializer};

use super::service::ServiceId;

mod claims;
mod keys;
mod token;

pub use claims::TokenClaims;
pub use keys::{KeySet, KeySetError};
pub use token::{TokenError, UnverifiedToken};

/// How far clocks may differ, in seconds.
const CLOCK_SKEW: f64 = 60.0;

/// `jwtAuth` of a TrafficPolicy, as the GatewayExtension says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JwtAuth {
    /// Whose tokens are accepted: the token of one of them is enough.
    pub providers: Vec<JwtProvider>,
    /// Whether requests without a token are let through.
    pub allows_missing: bool,
}

/// Who issues tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JwtProvider {
    /// The name.
    pub name: String,
    /// The `iss` of the tokens; `None` is any.
    pub issuer: Option<String>,
    /// A token must be for one of these; empty is for anybody.
    pub audiences: Vec<String>,
    /// Where the token is in a request.
    pub source: TokenSource,
    /// Whether the token is forwarded to the upstream.
    pub forwards: bool,
    /// What the token tells the upstream.
    pub claims_to_headers: Vec<ClaimHeader>,
    /// The keys that tokens are signed with.
    pub keys: ProviderKeys,
}

/// Where the token is in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum TokenSource {
    /// In the field for credentials of this form of request, after `Bearer`, or else in the query parameter `access_token`.
    Usual,
    /// In a header field, after a prefix that may be empty.
    Header {
        /// The name of the field.
        #[serde(serialize_with = "as_str")]
        name: HeaderName,
        /// What comes before the token.
        prefix: String,
    },
    /// In a query parameter.
    Query(String),
}

/// A request header that tells the upstream what the token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClaimHeader {
    /// The name of the claim; names with dots between them lead into nested ones.
    pub claim: String,
    /// The header.
    #[serde(serialize_with = "as_str")]
    pub header: HeaderName,
}

/// The keys that tokens are signed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ProviderKeys {
    /// Keys that the configuration has.
    Local(Arc<KeySet>),
    /// Keys that are fetched.
    Remote(Arc<RemoteKeys>),
}

/// Keys that a server has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemoteKeys {
    /// The server.
    pub service: ServiceId,
    /// Where it has the keys: an absolute URL.
    pub url: String,
    /// How long keys are used before they are fetched again.
    pub cache_duration: Duration,
    /// How long after a failed fetch the next one begins.
    pub failed_refetch: Duration,
    /// How often the server is asked again within one fetch.
    pub retries: u32,
    /// The first and the longest pause before it is asked again.
    pub back_off: (Duration, Duration),
}

impl JwtAuth {
    /// The keys that are fetched.
    pub fn remote_keys(&self) -> impl Iterator<Item = &Arc<RemoteKeys>> {
        self.providers.iter().filter_map(|it| match &it.keys {
            ProviderKeys::Remote(keys) => Some(keys),
            ProviderKeys::Local(_) => None,
        })
    }

    /// The headers that only a verified token may set.
    #[must_use]
    pub fn claim_headers(&self) -> BTreeSet<&str> {
        let claims = self.providers.iter().flat_map(|it| &it.claims_to_headers);
        claims.map(|claim| claim.header.as_str()).collect()
    }
}

impl JwtProvider {
    /// Checks whether what a token says makes it one of this provider that is valid now. `now` is the time in seconds since
    /// 1970; `None` for a token whose time was right when a tunnel was opened with it. Its signature is [`KeySet::verify`]'s.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, claims: &TokenClaims, now: Option<f64>) -> Result<(), TokenError> {
        let issuer = claims.text("iss");
        if self.issuer.is_some() && self.issuer.as_deref() != issuer {
            return Err(TokenError::Issuer);
        }
        if let Some(now) = now {
            let time = |name| claims.number(name);
            if time("nbf").is_some_and(|begin| now + CLOCK_SKEW < begin) {
                return Err(TokenError::NotYetValid);
            }
            if time("exp").is_some_and(|end| now > end + CLOCK_SKEW) {
                return Err(TokenError::Expired);
            }
        }
        if !self.audiences.is_empty() {
            let mut given = claims.texts("aud");
            let is_meant = |given: &str| {
                let mut known = self.audiences.iter();
                known.any(|known| audience(known) == audience(given))
            };
            if !given.any(is_meant) {
                return Err(TokenError::Audience);
            }
        }
        Ok(())
    }
}

/// An audience as audiences are compared: without the scheme of a URL, and a slash at its end.
fn audience(text: &str) -> &str {
    let bare = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    bare.strip_suffix('/').unwrap_or(bare)
}

fn as_str<S: Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

#[cfg(test)]
mod tests;
