//! Who a client says it is, and where it says so. A request that is made of a proxy has its credentials in
//! `Proxy-Authorization` (RFC 9110 11.7), and its `Authorization` is the origin's: neither read nor taken off. One that
//! is routed by its host takes the gateway for the origin: its credentials are in `Authorization` (RFC 9110 11.6), or where
//! a policy says that keys are, and end here.

use std::sync::Arc;

use egret_config::policy::api_key_auth::ApiKeyAuth;
use egret_config::policy::basic_auth::BasicAuth;
use egret_config::policy::traffic::{PolicySetting, TrafficSettings};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri};

use super::PolicyContext;
use crate::message::target::Target;
use crate::refusal::{Audience, CredentialError, Refusal, Unauthenticated};

mod basic;
mod sources;

use basic::Basic;

/// A client that was let in.
pub(crate) struct Principal<'a> {
    audience: Audience,
    by: &'a TrafficSettings,
    user: Option<&'a Arc<str>>,
    client: Option<&'a Arc<str>>,
}

/// Authenticates the client of a request, if the rule asks for that. `None` is a client that is not asked.
///
/// # Errors
/// [`Refusal::Unauthenticated`] with what is wrong, and the policy that asks.
pub(crate) fn authenticate<'a>(
    context: &PolicyContext<'a, '_>,
) -> Result<Option<Principal<'a>>, Refusal> {
    let by = &*context.rule.policies;
    prove(by, context.target, context.request).map_err(Refusal::Unauthenticated)
}

/// Checks every credential that the policies ask for; `None` if they ask for none.
fn prove<'a>(
    by: &'a TrafficSettings,
    target: &Target,
    parts: &Parts,
) -> Result<Option<Principal<'a>>, Unauthenticated> {
    if by.basic_auth.value().is_none() && by.api_key_auth.value().is_none() {
        return Ok(None);
    }
    let mut principal = Principal {
        audience: audience(target),
        by,
        user: None,
        client: None,
    };
    if let PolicySetting::Set(policy, basic) = &by.basic_auth {
        let user = principal.user_of(basic, parts);
        let refused = |error| Unauthenticated::by_basic(principal.audience, error, policy);
        principal.user = Some(user.map_err(refused)?);
    }
    if let PolicySetting::Set(policy, keys) = &by.api_key_auth {
        let client = principal.client_of(keys, parts);
        let refused = |error| Unauthenticated::by_keys(principal.audience, error, policy, keys);
        principal.client = Some(client.map_err(refused)?);
    }
    Ok(Some(principal))
}

/// Whom a request takes us for: one that names more than a host says that it is made of a proxy.
fn audience(target: &Target) -> Audience {
    if target.connect || target.scheme.is_some() {
        Audience::Proxy
    } else {
        Audience::Origin
    }
}

impl<'a> Principal<'a> {
    /// What it is called: the name of the user, or of the client whose key it has.
    pub(crate) fn name(&self) -> Option<&'a Arc<str>> {
        self.user.or(self.client)
    }

    fn user_of(
        &self,
        basic: &'a BasicAuth,
        parts: &Parts,
    ) -> Result<&'a Arc<str>, CredentialError> {
        let field = only(parts.headers.get_all(self.audience.field()).iter())?;
        let Basic { user, password } =
            Basic::read(field.as_bytes()).ok_or(CredentialError::Malformed)?;
        basic.check(&user, &password).ok_or(CredentialError::Wrong)
    }

    fn client_of(
        &self,
        keys: &'a ApiKeyAuth,
        parts: &Parts,
    ) -> Result<&'a Arc<str>, CredentialError> {
        let key = match self.audience {
            Audience::Proxy => {
                let field = only(parts.headers.get_all(self.audience.field()).iter())?;
                key_for_proxy(field).ok_or(CredentialError::Malformed)?
            }
            Audience::Origin => sources::find(&keys.sources, &parts.headers, &parts.uri)?,
        };
        keys.check(&key).ok_or(CredentialError::Wrong)
    }

    /// Takes off the fields that were for us, before others are put on. `Proxy-Authorization` goes in any case.
    pub(crate) fn take_off_fields(&self, headers: &mut HeaderMap) {
        if self.audience == Audience::Proxy {
            return;
        }
        if self.by.basic_auth.value().is_some() {
            headers.remove(AUTHORIZATION);
        }
        if let Some(keys) = self.keys_that_end_here() {
            sources::take_off_fields(&keys.sources, headers);
        }
    }

    /// Takes off the parameters that were for us.
    pub(crate) fn take_off_query(&self, uri: &mut Uri) {
        if self.audience == Audience::Origin
            && let Some(keys) = self.keys_that_end_here()
        {
            sources::take_off_query(&keys.sources, uri);
        }
    }

    fn keys(&self) -> Option<&'a ApiKeyAuth> {
        self.by.api_key_auth.value().map(|keys| &**keys)
    }

    fn keys_that_end_here(&self) -> Option<&'a ApiKeyAuth> {
        self.keys().filter(|keys| !keys.forwards)
    }

    /// Tells the upstream who it is, if it is to know, whatever the client says itself.
    pub(crate) fn introduce(&self, headers: &mut HeaderMap) {
        let field = self.keys().and_then(|keys| keys.client_id_header.as_ref());
        if let (Some(field), Some(client)) = (field, self.client) {
            match HeaderValue::from_str(client) {
                Ok(value) => headers.insert(field, value),
                Err(_) => headers.remove(field),
            };
        }
    }
}

/// What there is exactly one of: who gives several names may be read as either.
fn only<T>(mut given: impl Iterator<Item = T>) -> Result<T, CredentialError> {
    match (given.next(), given.next()) {
        (None, _) => Err(CredentialError::Missing),
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(CredentialError::Malformed),
    }
}

/// A key in the field for proxies: most clients have no way to put it there but as a password.
fn key_for_proxy(field: &HeaderValue) -> Option<Vec<u8>> {
    let bearer = basic::after_scheme(field.as_bytes(), "bearer").map(<[u8]>::to_vec);
    bearer.or_else(|| Basic::read(field.as_bytes()).map(|basic| basic.password))
}

#[cfg(test)]
mod tests;
