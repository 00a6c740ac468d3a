//! `Forwarded` and the `X-Forwarded-*` fields, which tell an upstream about the client of a request.

use std::net::IpAddr;

use egret_config::snapshot::Scheme;
use http::HeaderMap;
use http::header::{FORWARDED, HeaderName, HeaderValue};

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_CLIENT_CERT: HeaderName =
    HeaderName::from_static("x-forwarded-client-cert");
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What a listener makes of what a request says in `X-Forwarded-*` fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForwardedFields {
    /// `X-Forwarded-For`.
    pub(crate) addresses: ForwardedAddresses,
    /// `X-Forwarded-Proto` of a proxy that is trusted.
    pub(crate) scheme: Option<HeaderValue>,
    /// `X-Forwarded-Client-Cert`.
    pub(crate) certificate: Option<HeaderValue>,
}

/// What `X-Forwarded-For` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ForwardedAddresses {
    /// The client's address.
    #[default]
    Client,
    /// This, or nothing.
    Told(Option<HeaderValue>),
}

/// The facts about a client's request that a static backend gets in `X-Forwarded-*` fields.
pub(crate) struct ForwardedClient<'a> {
    /// The client's address.
    pub(crate) client: IpAddr,
    /// The scheme by which the client reached the gateway.
    pub(crate) scheme: Scheme,
    /// The `Host` field of the client's request.
    pub(crate) host: Option<&'a HeaderValue>,
    /// What the listener makes of what the request says.
    pub(crate) fields: &'a ForwardedFields,
}

/// Removes `Forwarded` and `X-Forwarded-*` as the client sent them: they are not trustworthy, and would disclose internal
/// networks to external hosts.
pub(super) fn remove_forwarded(headers: &mut HeaderMap) {
    let names = headers
        .keys()
        .filter(|name| **name == FORWARDED || name.as_str().starts_with("x-forwarded-"));
    let names: Vec<_> = names.cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Sets the `X-Forwarded-*` fields for an upstream that trusts this gateway.
pub(super) fn add_forwarded(headers: &mut HeaderMap, from: &ForwardedClient<'_>) {
    let client = || {
        let client = from.client.to_canonical().to_string();
        HeaderValue::try_from(client).expect("an address is visible ASCII")
    };
    let addresses = match &from.fields.addresses {
        ForwardedAddresses::Client => Some(client()),
        ForwardedAddresses::Told(told) => told.clone(),
    };
    headers.extend(addresses.map(|addresses| (X_FORWARDED_FOR, addresses)));
    let scheme = from.fields.scheme.clone();
    let own = || HeaderValue::from_static(from.scheme.as_str());
    headers.insert(X_FORWARDED_PROTO, scheme.unwrap_or_else(own));
    let certificate = from.fields.certificate.clone();
    headers.extend(certificate.map(|certificate| (X_FORWARDED_CLIENT_CERT, certificate)));
    if let Some(host) = from.host {
        headers.insert(X_FORWARDED_HOST, host.clone());
    }
}
