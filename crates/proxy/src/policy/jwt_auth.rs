//! `jwtAuth` of a TrafficPolicy: finds the token of a request, and has it verified. A request to a forward proxy has it in
//! `Proxy-Authorization`, unless the policy says where else; its `Authorization` is the origin's.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use egret_config::policy::jwt_auth::{
    JwtAuth, JwtProvider, KeySet, ProviderKeys, TokenError, TokenSource, UnverifiedToken,
};
use egret_config::resources::ObjectRef;
use egret_config::route::query_values;
use http::header::{AUTHORIZATION, HOST, PROXY_AUTHENTICATE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::context::PolicyContext;
use super::credentials::after_scheme;
use crate::clock;
use crate::refusal::{CredentialAudience, DenyingField, PolicyDenial, Refusal};

mod signed;
mod store;

pub(crate) use signed::SignedTokens;
pub(crate) use store::{FetchTurn, KeyStore};

use signed::SignedToken;

/// The query parameter that is looked at where the policy does not say where the token is.
const USUAL_PARAMETER: &str = "access_token";

/// A token that was verified, and where it was.
pub(crate) struct VerifiedToken<'a> {
    provider: &'a JwtProvider,
    signed: Arc<SignedToken>,
    place: TokenPlace<'a>,
}

/// Where a token was.
enum TokenPlace<'a> {
    /// In `Proxy-Authorization`, which never leaves.
    Proxy,
    Header(HeaderName),
    Query(&'a str),
}

/// Verifies the token of a request. `None` if it has none and needs none.
///
/// # Errors
/// [`Refusal::Denied`] with what is wrong.
pub(super) fn verify<'a>(
    policy: &ObjectRef,
    jwt: &'a JwtAuth,
    audience: CredentialAudience,
    context: &PolicyContext<'a, '_>,
) -> Result<Option<Box<VerifiedToken<'a>>>, Refusal> {
    let mut error = TokenError::Missing;
    for provider in &jwt.providers {
        match by_provider(provider, audience, context) {
            Ok(token) => return Ok(Some(Box::new(token))),
            Err(other) if other.rank() >= error.rank() => error = other,
            Err(_) => {}
        }
    }
    if error == TokenError::Missing && jwt.allows_missing {
        return Ok(None);
    }
    Err(Refusal::Denied(Box::new(denial(
        policy, error, audience, context,
    ))))
}

fn by_provider<'a>(
    provider: &'a JwtProvider,
    audience: CredentialAudience,
    context: &PolicyContext<'a, '_>,
) -> Result<VerifiedToken<'a>, TokenError> {
    let (text, place) = find(&provider.source, audience, context.request)?;
    Ok(VerifiedToken {
        provider,
        signed: verify_text(provider, &text, context)?,
        place,
    })
}

/// Verifies the text of a token. Its signature is verified once for each set of keys, and everything else each time.
fn verify_text(
    provider: &JwtProvider,
    text: &str,
    context: &PolicyContext<'_, '_>,
) -> Result<Arc<SignedToken>, TokenError> {
    // The time was right when the tunnel was opened.
    let now = (!context.asked_before).then(|| {
        let since = clock::wall().duration_since(UNIX_EPOCH);
        since.map_or(0.0, |since| since.as_secs_f64())
    });
    let signed = &context.credentials.signed_tokens;
    if let Some(known) = signed.find(text) {
        provider.check(&known.claims, now)?;
        if known.keys == current_keys(provider, context)? {
            return Ok(known);
        }
    }
    let token = UnverifiedToken::parse(text)?;
    provider.check(&token.claims, now)?;
    let keys = current_keys(provider, context)?;
    keys.verify(&token)?;
    Ok(signed.remember(text, token.claims, keys))
}

fn current_keys(
    provider: &JwtProvider,
    context: &PolicyContext<'_, '_>,
) -> Result<Arc<KeySet>, TokenError> {
    match &provider.keys {
        ProviderKeys::Local(keys) => Ok(Arc::clone(keys)),
        ProviderKeys::Remote(remote) => {
            let keys = context.credentials.keys.get(remote, clock::now());
            keys.ok_or(TokenError::NoKeys)
        }
    }
}

/// The token where its source says.
fn find<'a, 'r>(
    source: &'a TokenSource,
    audience: CredentialAudience,
    request: &'r Parts,
) -> Result<(Cow<'r, str>, TokenPlace<'a>), TokenError> {
    match source {
        TokenSource::Usual if audience == CredentialAudience::Proxy => {
            let field = only_field(&request.headers, &audience.field())?;
            let token = after_scheme(field.ok_or(TokenError::Missing)?, "bearer");
            let token = token.ok_or(TokenError::Missing)?;
            Ok((Cow::Borrowed(text(token)?), TokenPlace::Proxy))
        }
        TokenSource::Usual => match in_header(&request.headers, &AUTHORIZATION, "Bearer ") {
            Err(TokenError::Missing) => in_query(request, USUAL_PARAMETER),
            Err(other) => Err(other),
            Ok(token) => Ok((Cow::Borrowed(token), TokenPlace::Header(AUTHORIZATION))),
        },
        TokenSource::Header { name, prefix } => {
            let token = in_header(&request.headers, name, prefix)?;
            Ok((Cow::Borrowed(token), TokenPlace::Header(name.clone())))
        }
        TokenSource::Query(name) => in_query(request, name),
    }
}

/// The only value of a field. Of several another server may choose another one.
fn only_field<'r>(
    headers: &'r HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'r [u8]>, TokenError> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (first, None) => Ok(first.map(HeaderValue::as_bytes)),
        (_, Some(_)) => Err(TokenError::Format),
    }
}

fn in_header<'r>(
    headers: &'r HeaderMap,
    name: &HeaderName,
    prefix: &str,
) -> Result<&'r str, TokenError> {
    let field = only_field(headers, name)?.ok_or(TokenError::Missing)?;
    let rest = field.strip_prefix(prefix.as_bytes());
    let token = rest.ok_or(TokenError::Missing)?.trim_ascii();
    if token.is_empty() {
        return Err(TokenError::Missing);
    }
    text(token)
}

fn in_query<'a, 'r>(
    request: &'r Parts,
    name: &'a str,
) -> Result<(Cow<'r, str>, TokenPlace<'a>), TokenError> {
    let mut values = query_values(request.uri.query(), name);
    let token = match (values.next(), values.next()) {
        (Some(token), None) if !token.is_empty() => token,
        (None | Some(_), None) => return Err(TokenError::Missing),
        (_, Some(_)) => return Err(TokenError::Format),
    };
    let token = String::from_utf8(token).map_err(|_| TokenError::Format)?;
    Ok((Cow::Owned(token), TokenPlace::Query(name)))
}

fn text(token: &[u8]) -> Result<&str, TokenError> {
    str::from_utf8(token).map_err(|_| TokenError::Format)
}

fn denial(
    policy: &ObjectRef,
    error: TokenError,
    audience: CredentialAudience,
    context: &PolicyContext<'_, '_>,
) -> PolicyDenial {
    let (status, field) = match (audience, error.status()) {
        (CredentialAudience::Proxy, StatusCode::UNAUTHORIZED) => (
            StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            Some(PROXY_AUTHENTICATE),
        ),
        (CredentialAudience::Proxy, status) => (status, None),
        (CredentialAudience::Origin, status) => (status, Some(WWW_AUTHENTICATE)),
    };
    let realm = match audience {
        CredentialAudience::Proxy => "egret".to_owned(),
        CredentialAudience::Origin => realm(context),
    };
    let what = match error {
        TokenError::Missing => "",
        _ => ", error=\"invalid_token\"",
    };
    let challenge = HeaderValue::from_str(&format!("Bearer realm=\"{realm}\"{what}"));
    let challenge = challenge.unwrap_or(HeaderValue::from_static("Bearer"));
    PolicyDenial {
        policy: policy.clone(),
        by: match error {
            TokenError::NoKeys => DenyingField::Jwks,
            TokenError::UnknownKey => DenyingField::JwtKey,
            _ => DenyingField::Jwt,
        },
        rule: None,
        status,
        details: format!("jwtAuth of {policy}: {}", error.text()),
        body: Some(error.text().into()),
        headers: field.map(|field| (field, challenge)).into_iter().collect(),
    }
}

/// The URL of a request, as a quoted string has it (RFC 9110 5.6.4).
fn realm(context: &PolicyContext<'_, '_>) -> String {
    let PolicyContext {
        request, client, ..
    } = context;
    let host = request.headers.get(HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = request.uri.path_and_query();
    let path = path.map_or("/", |path| path.as_str());
    let url = format!("{}://{host}{path}", client.scheme.as_str());
    url.replace('\\', "\\\\").replace('"', "\\\"")
}

impl VerifiedToken<'_> {
    /// What the token says.
    pub(super) fn claims(&self) -> &Arc<serde_json::Map<String, serde_json::Value>> {
        self.signed.claims.all()
    }

    /// Whom the token is about.
    pub(super) fn subject(&self) -> Option<&Arc<str>> {
        self.signed.subject.as_ref()
    }

    /// The header field and the query parameter that the token was in, if it is not to be forwarded.
    pub(super) fn remove_header(&self, headers: &mut HeaderMap) {
        if let TokenPlace::Header(name) = &self.place
            && !self.provider.forwards
        {
            headers.remove(name);
        }
    }

    /// The query parameter that the token was in, if it is not to be forwarded.
    pub(super) fn consumed_parameter(&self) -> Option<&str> {
        match self.place {
            TokenPlace::Query(name) if !self.provider.forwards => Some(name),
            TokenPlace::Query(_) | TokenPlace::Header(_) | TokenPlace::Proxy => None,
        }
    }

    /// Tells the upstream what the token says.
    pub(super) fn set_headers(&self, headers: &mut HeaderMap) {
        for claim in &self.provider.claims_to_headers {
            let value = self.signed.claims.header_value(&claim.claim);
            if let Some(Ok(value)) = value.map(|value| HeaderValue::from_bytes(value.as_bytes())) {
                headers.insert(&claim.header, value);
            }
        }
    }
}

/// Removes the headers that only a verified token may set.
pub(super) fn remove_claims(jwt: &JwtAuth, headers: &mut HeaderMap) {
    for claim in jwt.providers.iter().flat_map(|it| &it.claims_to_headers) {
        headers.remove(&claim.header);
    }
}
