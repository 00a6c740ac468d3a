//! `Forwarded` and the `X-Forwarded-*` fields, which tell an upstream who sent a request.

use std::net::IpAddr;

use egret_config::snapshot::Scheme;
use http::HeaderMap;
use http::header::{FORWARDED, HeaderName, HeaderValue};

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Who sent the request, and what an upstream that belongs to us may know of it.
pub(crate) struct Forwarded<'a> {
    pub(crate) client: IpAddr,
    /// How it came.
    pub(crate) scheme: Scheme,
    pub(crate) host: Option<&'a HeaderValue>,
}

/// Takes off what the client says of where the request comes from: nobody could rely on it, and it tells a stranger
/// about the networks behind us.
pub(super) fn remove_forwarded(headers: &mut HeaderMap) {
    headers.remove(FORWARDED);
    let names = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-forwarded-"));
    let names: Vec<_> = names.cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Puts on what an upstream of our own may rely on.
pub(super) fn add_forwarded(headers: &mut HeaderMap, from: &Forwarded<'_>) {
    let client = from.client.to_canonical().to_string();
    let client = HeaderValue::try_from(client).expect("an address is visible ASCII");
    headers.insert(X_FORWARDED_FOR, client);
    let scheme = HeaderValue::from_static(from.scheme.as_str());
    headers.insert(X_FORWARDED_PROTO, scheme);
    if let Some(host) = from.host {
        headers.insert(X_FORWARDED_HOST, host.clone());
    }
}
