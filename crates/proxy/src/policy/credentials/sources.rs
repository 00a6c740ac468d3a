//! The sources of API keys in a request: header fields, query parameters and cookies.

use egret_config::policy::api_key_auth::KeySource;
use egret_config::route::{query_values, without_parameter};
use http::header::{COOKIE, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};

use super::basic::after_scheme;
use super::exactly_one;
use crate::message::cookie::{self, cookies, name_of};
use crate::refusal::CredentialError;

/// The key in the first source that has one.
///
/// # Errors
/// [`CredentialError::Missing`] if no source has a key, and [`CredentialError::Malformed`] if a source has several.
pub(super) fn find_key(
    sources: &[KeySource],
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Vec<u8>, CredentialError> {
    for source in sources {
        match key_at(source, headers, uri) {
            Ok(key) if key.is_empty() => {}
            Err(CredentialError::Missing) => {}
            found => return found,
        }
    }
    Err(CredentialError::Missing)
}

fn key_at(source: &KeySource, headers: &HeaderMap, uri: &Uri) -> Result<Vec<u8>, CredentialError> {
    match source {
        KeySource::Header(name) => {
            let field = exactly_one(headers.get_all(name).iter())?.as_bytes();
            Ok(after_scheme(field, "bearer").unwrap_or(field).to_vec())
        }
        KeySource::Query(name) => exactly_one(query_values(uri.query(), name)),
        KeySource::Cookie(name) => exactly_one(cookie::values(headers, name)).map(<[u8]>::to_vec),
    }
}

/// Removes the header fields and cookies of all sources, whichever had the key.
pub(super) fn remove_headers(sources: &[KeySource], headers: &mut HeaderMap) {
    for source in sources {
        match source {
            KeySource::Header(name) => {
                headers.remove(name);
            }
            KeySource::Cookie(name) => remove_cookie(name, headers),
            KeySource::Query(_) => {}
        }
    }
}

/// Removes the query parameters of all sources.
pub(super) fn remove_query_parameters(sources: &[KeySource], uri: &mut Uri) {
    for source in sources {
        if let KeySource::Query(name) = source {
            remove_parameter(name, uri);
        }
    }
}

/// Removes the query parameters of a name.
pub(in crate::policy) fn remove_parameter(name: &str, uri: &mut Uri) {
    if let Some(query) = uri.query()
        && let Some(rest) = without_parameter(query, name)
    {
        let mark = if rest.is_empty() { "" } else { "?" };
        let path = format!("{}{mark}{rest}", uri.path());
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(path).ok();
        // The rest of a valid target is valid.
        *uri = Uri::from_parts(parts).unwrap_or_default();
    }
}

fn remove_cookie(name: &str, headers: &mut HeaderMap) {
    let is_meant = |cookie: &&[u8]| name_of(cookie) == name.as_bytes();
    let fields: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for field in fields {
        if !cookies(field.as_bytes()).any(|cookie| is_meant(&cookie)) {
            headers.append(COOKIE, field);
            continue;
        }
        let others = cookies(field.as_bytes()).filter(|cookie| !is_meant(cookie));
        let others = others.collect::<Vec<_>>().join(&b"; "[..]);
        match HeaderValue::from_bytes(&others) {
            Ok(field) if !others.is_empty() => {
                headers.append(COOKIE, field);
            }
            _ => {}
        }
    }
}
