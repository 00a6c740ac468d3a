//! Who sends a request, and what upstreams are told of that: `useRemoteAddress` and its neighbours in a ListenerPolicy.

use std::net::SocketAddr;

use egret_config::snapshot::{CertificateForwarding, ListenerHttp, SpokenFor};
use http::{HeaderMap, HeaderValue};

use crate::message::forwarded::{
    ForwardedAddresses, ForwardedFields, X_FORWARDED_CLIENT_CERT, X_FORWARDED_PROTO,
};
use crate::policy::ClientIdentity;
use crate::tls::PresentedCertificate;

/// Who sends a request with these fields on a connection of `peer`; `None` if nothing is said beyond that.
pub(super) fn sender(
    http: &ListenerHttp,
    peer: &ClientIdentity,
    presented: Option<&PresentedCertificate>,
    headers: &HeaderMap,
) -> Option<ClientIdentity> {
    if http.forwarded_for.is_none() && http.certificate.is_none() {
        return None;
    }
    let mut sender = peer.clone();
    let mut fields = ForwardedFields::default();
    if let Some(forwarded) = &http.forwarded_for {
        let address = peer.address.ip();
        let SpokenFor { client, is_trusted } = forwarded.of(address, headers);
        if let Some(client) = client {
            // The port that it had is not told.
            sender.address = SocketAddr::new(client, 0);
        }
        fields.addresses = ForwardedAddresses::Told(forwarded.told(address, headers));
        let scheme = headers.get(X_FORWARDED_PROTO);
        fields.scheme = scheme.filter(|_| is_trusted).cloned();
    }
    if let Some(mode) = http.certificate {
        let has_proof = peer.certificate.is_some();
        fields.certificate = certificate(mode, has_proof, presented, headers);
    }
    sender.forwarded = fields;
    Some(sender)
}

/// `X-Forwarded-Client-Cert` for upstreams. Without a certificate that was proven nothing is told, unless whatever is said is
/// to be passed on.
fn certificate(
    mode: CertificateForwarding,
    has_proof: bool,
    presented: Option<&PresentedCertificate>,
    headers: &HeaderMap,
) -> Option<HeaderValue> {
    let came = || {
        headers
            .get_all(X_FORWARDED_CLIENT_CERT)
            .iter()
            .map(HeaderValue::as_bytes)
    };
    let elements: Vec<Vec<u8>> = match mode {
        CertificateForwarding::Always => came().map(<[u8]>::to_vec).collect(),
        _ if !has_proof => return None,
        CertificateForwarding::Proven => came().map(<[u8]>::to_vec).collect(),
        CertificateForwarding::Appended(details) => {
            let own = presented.map(|presented| presented.element(details).into_bytes());
            came().map(<[u8]>::to_vec).chain(own).collect()
        }
        CertificateForwarding::Set(details) => {
            let own = presented.map(|presented| presented.element(details).into_bytes());
            own.into_iter().collect()
        }
    };
    let value = HeaderValue::from_bytes(&elements.join(&b','));
    value.ok().filter(|value| !value.is_empty())
}
