//! The places of API keys in a request that is routed by its host.

use egret_config::policy::api_key_auth::KeySource;
use egret_config::route::{query_values, without_parameter};
use http::header::{COOKIE, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};

use super::basic::after_scheme;
use super::only;
use crate::refusal::CredentialError;

/// The key in the first place that has one; a place that has several has none that could be told.
pub(super) fn find(
    sources: &[KeySource],
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Vec<u8>, CredentialError> {
    for source in sources {
        match at(source, headers, uri) {
            Ok(key) if key.is_empty() => {}
            Err(CredentialError::Missing) => {}
            found => return found,
        }
    }
    Err(CredentialError::Missing)
}

fn at(source: &KeySource, headers: &HeaderMap, uri: &Uri) -> Result<Vec<u8>, CredentialError> {
    match source {
        KeySource::Header(name) => {
            let field = only(headers.get_all(name).iter())?.as_bytes();
            Ok(after_scheme(field, "bearer").unwrap_or(field).to_vec())
        }
        KeySource::Query(name) => only(query_values(uri.query(), name)),
        KeySource::Cookie(name) => {
            let fields = headers.get_all(COOKIE).iter();
            let crumbs = fields.flat_map(|field| crumbs(field.as_bytes()));
            let named = crumbs.filter(|crumb| name_of(crumb) == name.as_bytes());
            only(named).map(|crumb| value_of(crumb).to_vec())
        }
    }
}

/// Takes the fields and cookies of these names off, whichever had the key.
pub(super) fn take_off_fields(sources: &[KeySource], headers: &mut HeaderMap) {
    for source in sources {
        match source {
            KeySource::Header(name) => {
                headers.remove(name);
            }
            KeySource::Cookie(name) => take_off_cookie(name, headers),
            KeySource::Query(_) => {}
        }
    }
}

/// Takes the parameters of these names off.
pub(super) fn take_off_query(sources: &[KeySource], uri: &mut Uri) {
    for source in sources {
        if let KeySource::Query(name) = source
            && let Some(query) = uri.query()
            && let Some(rest) = without_parameter(query, name)
        {
            let mark = if rest.is_empty() { "" } else { "?" };
            let path = format!("{}{mark}{rest}", uri.path());
            let mut parts = uri.clone().into_parts();
            parts.path_and_query = PathAndQuery::try_from(path).ok();
            // What is left of a target is one.
            *uri = Uri::from_parts(parts).unwrap_or_default();
        }
    }
}

fn take_off_cookie(name: &str, headers: &mut HeaderMap) {
    let is_meant = |crumb: &&[u8]| name_of(crumb) == name.as_bytes();
    let fields: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for field in fields {
        if !crumbs(field.as_bytes()).any(|crumb| is_meant(&crumb)) {
            headers.append(COOKIE, field);
            continue;
        }
        let others = crumbs(field.as_bytes()).filter(|crumb| !is_meant(crumb));
        let others = others.collect::<Vec<_>>().join(&b"; "[..]);
        match HeaderValue::from_bytes(&others) {
            Ok(field) if !others.is_empty() => {
                headers.append(COOKIE, field);
            }
            _ => {}
        }
    }
}

/// The cookies of a field (RFC 6265 4.2.1).
fn crumbs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let crumbs = field.split(|octet| *octet == b';').map(<[u8]>::trim_ascii);
    crumbs.filter(|crumb| !crumb.is_empty())
}

fn name_of(crumb: &[u8]) -> &[u8] {
    let end = crumb.iter().position(|octet| *octet == b'=');
    crumb[..end.unwrap_or(crumb.len())].trim_ascii()
}

fn value_of(crumb: &[u8]) -> &[u8] {
    let start = crumb.iter().position(|octet| *octet == b'=');
    let value = start.map_or(&b""[..], |at| &crumb[at + 1..]).trim_ascii();
    let inner = value.strip_prefix(b"\"");
    inner
        .and_then(|inner| inner.strip_suffix(b"\""))
        .unwrap_or(value)
}
