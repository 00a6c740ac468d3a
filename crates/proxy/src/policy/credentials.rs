//! Authentication of clients. A request to a forward proxy has its credentials in `Proxy-Authorization` (RFC 9110 11.7);
//! its `Authorization` is the origin's, and is neither read nor removed. A request that is routed by its host treats the
//! gateway as the origin: its credentials are in `Authorization` (RFC 9110 11.6), or in the key sources of the policy, and
//! are removed from the forwarded request. Where a policy names its key sources, they count in both.

use std::sync::Arc;

use egret_config::policy::api_key_auth::ApiKeyAuth;
use egret_config::policy::basic_auth::{BasicAuth, PasswordCheck};
use egret_config::policy::traffic::{PolicySetting, TrafficSettings};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri};
use serde_json::{Map, Value};

use super::context::PolicyContext;
use super::jwt_auth::{self, KeyStore, SignedTokens, VerifiedToken};
use crate::message::target::Target;
use crate::refusal::{AuthenticationFailure, CredentialAudience, CredentialError, Refusal};

mod basic;
pub(crate) mod passwords;
pub(super) mod sources;

pub(crate) use basic::after_scheme;

use basic::BasicCredentials;
use passwords::{PasswordStore, SlowPassword};

/// What is known of credentials beside the configuration. It outlives changes of that, and all workers share it.
#[derive(Default)]
pub(crate) struct CredentialStore {
    /// The keys of tokens that were fetched.
    pub(crate) keys: KeyStore,
    /// The tokens whose signatures were right.
    pub(crate) signed_tokens: SignedTokens,
    /// The passwords that were right.
    pub(crate) passwords: PasswordStore,
}

/// An authenticated client.
pub(crate) struct Principal<'a> {
    audience: CredentialAudience,
    policies: &'a TrafficSettings,
    user: Option<&'a Arc<str>>,
    key: Option<KeyProof<'a>>,
    token: Option<Box<VerifiedToken<'a>>>,
}

/// Whose API key a request has, and where.
#[derive(Clone, Copy)]
struct KeyProof<'a> {
    client: &'a Arc<str>,
    place: KeyPlace,
}

/// Where an API key was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyPlace {
    /// In `Proxy-Authorization`, which never leaves.
    Proxy,
    /// In one of the key sources of the policy.
    Sources,
}

/// Authenticates the client of a request. `None` if the rule's policies require no credentials.
///
/// # Errors
/// [`Refusal::Unauthenticated`] with the error in the credentials, and the policy that requires them, and
/// [`Refusal::Denied`] with the error in a token.
pub(crate) fn authenticate<'a>(
    context: &PolicyContext<'a, '_>,
) -> Result<Option<Principal<'a>>, Refusal> {
    let policies = &*context.rule.policies;
    let (target, request) = (context.target, context.request);
    let passwords = &context.credentials.passwords;
    let verified = verify(policies, target, request, passwords);
    let mut principal = verified.map_err(Refusal::Unauthenticated)?;
    if let PolicySetting::Set(policy, jwt) = &policies.jwt_auth {
        let audience = audience(target);
        let token = jwt_auth::verify(policy, jwt, audience, context)?;
        let principal = principal.get_or_insert_with(|| Principal::new(audience, policies));
        principal.token = token;
    }
    Ok(principal)
}

/// The client of a request that nobody sends, as if it had proven to be `user`. `None` if the rule's policies require no
/// credentials.
pub(super) fn assume<'a>(
    context: &PolicyContext<'a, '_>,
    user: &'a Arc<str>,
) -> Option<Principal<'a>> {
    let policies = &*context.rule.policies;
    let by_name = policies.basic_auth.value().is_some() || policies.jwt_auth.value().is_some();
    let by_key = policies.api_key_auth.value().is_some();
    (by_name || by_key).then(|| Principal {
        user: by_name.then_some(user),
        key: by_key.then_some(KeyProof {
            client: user,
            place: KeyPlace::Proxy,
        }),
        ..Principal::new(audience(context.target), policies)
    })
}

/// The password of a request that is to be compared, if [`authenticate`] asked for that.
pub(crate) fn slow_password(context: &PolicyContext<'_, '_>) -> Option<SlowPassword> {
    let PolicySetting::Set(policy, basic) = &context.rule.policies.basic_auth else {
        return None;
    };
    let audience = audience(context.target);
    let BasicCredentials { user, password } = credentials(audience, context.request).ok()?;
    let PasswordCheck::Slow { user, hash } = basic.check(&user, &password) else {
        return None;
    };
    Some(SlowPassword {
        policy: policy.clone(),
        hash: hash.clone(),
        is_known: user.is_some(),
        password,
    })
}

/// Verifies the passwords and keys that the policies require; `None` if they require none.
fn verify<'a>(
    policies: &'a TrafficSettings,
    target: &Target,
    parts: &Parts,
    passwords: &PasswordStore,
) -> Result<Option<Principal<'a>>, AuthenticationFailure> {
    if policies.basic_auth.value().is_none() && policies.api_key_auth.value().is_none() {
        return Ok(None);
    }
    let mut principal = Principal::new(audience(target), policies);
    if let PolicySetting::Set(policy, basic) = &policies.basic_auth {
        let user = principal.verify_password(basic, parts, passwords);
        let refused = |error| AuthenticationFailure::by_basic(principal.audience, error, policy);
        principal.user = Some(user.map_err(refused)?);
    }
    if let PolicySetting::Set(policy, keys) = &policies.api_key_auth {
        let key = principal.verify_key(keys, parts);
        let refused =
            |error| AuthenticationFailure::by_keys(principal.audience, error, policy, keys);
        principal.key = Some(key.map_err(refused)?);
    }
    Ok(Some(principal))
}

/// Whom the credentials of a request are for: a target with a scheme, or a CONNECT, means that the client uses a proxy.
fn audience(target: &Target) -> CredentialAudience {
    if target.is_tunnel() || target.scheme.is_some() {
        CredentialAudience::Proxy
    } else {
        CredentialAudience::Origin
    }
}

impl<'a> Principal<'a> {
    /// Nobody yet.
    const fn new(audience: CredentialAudience, policies: &'a TrafficSettings) -> Self {
        Self {
            audience,
            policies,
            user: None,
            key: None,
            token: None,
        }
    }

    /// The name of the user, of the client to whom the key belongs, or of whom the token is about.
    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        let client = self.key.map(|key| key.client);
        self.user.or(client).or_else(|| self.subject())
    }

    /// The user that a password or a token proved.
    pub(crate) fn user(&self) -> Option<&str> {
        let user = self.user.or_else(|| self.subject());
        user.map(|user| &**user)
    }

    /// What a token says, if one was verified.
    pub(crate) fn claims(&self) -> Option<&Arc<Map<String, Value>>> {
        Some(self.token.as_ref()?.claims())
    }

    fn subject(&self) -> Option<&Arc<str>> {
        self.token.as_ref()?.subject()
    }

    /// The client that an API key proved.
    pub(crate) fn key_owner(&self) -> Option<&'a str> {
        self.key.map(|key| &**key.client)
    }

    fn verify_password(
        &self,
        basic: &'a BasicAuth,
        parts: &Parts,
        passwords: &PasswordStore,
    ) -> Result<&'a Arc<str>, CredentialError> {
        let BasicCredentials { user, password } = credentials(self.audience, parts)?;
        match basic.check(&user, &password) {
            PasswordCheck::Right(user) => Ok(user),
            PasswordCheck::Wrong => Err(CredentialError::Wrong),
            PasswordCheck::Slow { user, hash } => {
                let user = user.filter(|_| passwords.is_right(hash, &password));
                user.ok_or(CredentialError::Unverified)
            }
        }
    }

    fn verify_key(
        &self,
        keys: &'a ApiKeyAuth,
        parts: &Parts,
    ) -> Result<KeyProof<'a>, CredentialError> {
        match self.audience {
            CredentialAudience::Origin => key_in_sources(keys, parts),
            CredentialAudience::Proxy => {
                let proven = key_for_proxy(keys, parts);
                match proven {
                    // What else is in the field may be a password that another policy asks for.
                    Err(error) if keys.in_every_form => {
                        key_in_sources(keys, parts).map_err(|other| {
                            if other == CredentialError::Missing {
                                error
                            } else {
                                other
                            }
                        })
                    }
                    proven => proven,
                }
            }
        }
    }

    /// Removes the header fields with credentials for the gateway, before other fields are added. `Proxy-Authorization` is
    /// removed from every request.
    pub(crate) fn remove_headers(&self, headers: &mut HeaderMap) {
        if let Some(token) = &self.token {
            token.remove_header(headers);
        }
        if let Some(jwt) = self.policies.jwt_auth.value() {
            jwt_auth::remove_claims(jwt, headers);
        }
        if self.audience == CredentialAudience::Origin && self.policies.basic_auth.value().is_some()
        {
            headers.remove(AUTHORIZATION);
        }
        if let Some(keys) = self.consumed_keys() {
            sources::remove_headers(&keys.sources, headers);
        }
    }

    /// Removes the query parameters with credentials for the gateway.
    pub(crate) fn remove_query_parameters(&self, uri: &mut Uri) {
        if let Some(keys) = self.consumed_keys() {
            sources::remove_query_parameters(&keys.sources, uri);
        }
        if let Some(name) = self.token.as_ref().and_then(|it| it.consumed_parameter()) {
            sources::remove_parameter(name, uri);
        }
    }

    fn keys(&self) -> Option<&'a ApiKeyAuth> {
        self.policies.api_key_auth.value().map(|keys| &**keys)
    }

    /// The policy whose key sources are not forwarded, if the key was in one of them.
    fn consumed_keys(&self) -> Option<&'a ApiKeyAuth> {
        let was_there = self.key.is_some_and(|key| key.place == KeyPlace::Sources);
        self.keys().filter(|keys| was_there && !keys.forwards)
    }

    /// Sets the fields in which the policies tell the upstream who the client is, and overwrites what the client sent in them.
    pub(crate) fn set_headers(&self, headers: &mut HeaderMap) {
        if let Some(token) = &self.token {
            token.set_headers(headers);
        }
        let field = self.keys().and_then(|keys| keys.client_id_header.as_ref());
        if let (Some(field), Some(client)) = (field, self.key_owner()) {
            match HeaderValue::from_str(client) {
                Ok(value) => headers.insert(field, value),
                Err(_) => headers.remove(field),
            };
        }
    }
}

/// The user and the password of a request.
fn credentials(
    audience: CredentialAudience,
    parts: &Parts,
) -> Result<BasicCredentials, CredentialError> {
    let field = exactly_one(parts.headers.get_all(audience.field()).iter())?.as_bytes();
    BasicCredentials::read(field).ok_or_else(|| match after_scheme(field, "basic") {
        Some(_) => CredentialError::Malformed,
        None => CredentialError::OtherScheme,
    })
}

/// The only value of an iterator. Several credentials are an error, because another server may choose another one.
fn exactly_one<T>(mut given: impl Iterator<Item = T>) -> Result<T, CredentialError> {
    match (given.next(), given.next()) {
        (None, _) => Err(CredentialError::Missing),
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(CredentialError::Malformed),
    }
}

/// The key in `Proxy-Authorization`: a bearer token, or a password, as most clients can send nothing else to a proxy.
fn key_for_proxy<'a>(keys: &'a ApiKeyAuth, parts: &Parts) -> Result<KeyProof<'a>, CredentialError> {
    let fields = parts.headers.get_all(CredentialAudience::Proxy.field());
    let field = exactly_one(fields.iter())?.as_bytes();
    let bearer = after_scheme(field, "bearer").map(<[u8]>::to_vec);
    let key = bearer.or_else(|| BasicCredentials::read(field).map(|basic| basic.password));
    let client = keys.check(&key.ok_or(CredentialError::Malformed)?);
    Ok(KeyProof {
        client: client.ok_or(CredentialError::Wrong)?,
        place: KeyPlace::Proxy,
    })
}

/// The key where the policy says that keys are.
fn key_in_sources<'a>(
    keys: &'a ApiKeyAuth,
    parts: &Parts,
) -> Result<KeyProof<'a>, CredentialError> {
    let key = sources::find_key(&keys.sources, &parts.headers, &parts.uri)?;
    Ok(KeyProof {
        client: keys.check(&key).ok_or(CredentialError::Wrong)?,
        place: KeyPlace::Sources,
    })
}

#[cfg(test)]
mod tests;
