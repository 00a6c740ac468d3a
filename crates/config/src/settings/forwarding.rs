//! What proxies before the gateway may say of clients, and what upstreams are told of that, as Envoy does it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use serde::Serialize;

/// The field that proxies add the addresses of their clients to.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who may say for whom a request is sent: `useRemoteAddress`, `xffNumTrustedHops`, `xffTrustedCIDRs`, `skipXFFAppend`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForwardedFor {
    /// Whose word is taken.
    pub trust: ForwardedTrust,
    /// Whether the address of the peer is added to what upstreams are told.
    pub appends: bool,
}

/// Whose word about clients is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ForwardedTrust {
    /// Nobody's: the client is the other end of its connection.
    Peer,
    /// That of whoever is there: the client is the entry of `X-Forwarded-For` before so many at its end.
    Entry(u32),
    /// That of these networks: the client is the last entry that is in none of them.
    Networks(Vec<IpNet>),
}

/// For whom a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpokenFor {
    /// The address of the client, if it is not that of the connection.
    pub client: Option<IpAddr>,
    /// Whether the other end of the connection is trusted to say how its own client came.
    pub is_trusted: bool,
}

impl ForwardedFor {
    /// Who sends a request with these fields, on a connection from `peer`.
    #[must_use]
    pub fn of(&self, peer: IpAddr, headers: &HeaderMap) -> SpokenFor {
        match &self.trust {
            ForwardedTrust::Peer => SpokenFor {
                client: None,
                is_trusted: false,
            },
            ForwardedTrust::Entry(from_end) => SpokenFor {
                client: entry(headers, *from_end),
                is_trusted: true,
            },
            ForwardedTrust::Networks(networks) => {
                let is_trusted = contains(networks, peer);
                SpokenFor {
                    client: first_stranger(headers, networks).filter(|_| is_trusted),
                    is_trusted,
                }
            }
        }
    }

    /// `X-Forwarded-For` as upstreams get it, if they get it: what came, and the address of the peer.
    #[must_use]
    pub fn told(&self, peer: IpAddr, headers: &HeaderMap) -> Option<HeaderValue> {
        let came = headers.get_all(X_FORWARDED_FOR).iter();
        let mut told = came.map(HeaderValue::as_bytes).collect::<Vec<_>>();
        let peer = peer.to_canonical().to_string();
        if self.appends {
            told.push(peer.as_bytes());
        }
        if told.is_empty() {
            return None;
        }
        HeaderValue::from_bytes(&told.join(&b','))
            .ok()
            .filter(|told| !told.is_empty())
    }
}

/// The entries of `X-Forwarded-For`, the last first. Several fields are one list (RFC 9110 5.3).
fn entries(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
}

/// The entry before so many at the end. Without one, or if it is no address, nobody is named.
fn entry(headers: &HeaderMap, from_end: u32) -> Option<IpAddr> {
    let from_end = usize::try_from(from_end).ok()?;
    address(entries(headers).nth(from_end)?)
}

/// The last entry that is in none of the networks, or the first of all if every entry is. What is no address ends the
/// search: nobody knows who wrote what is before it.
fn first_stranger(headers: &HeaderMap, networks: &[IpNet]) -> Option<IpAddr> {
    let mut last = None;
    for entry in entries(headers) {
        let entry = address(entry)?;
        last = Some(entry);
        if !contains(networks, entry) {
            break;
        }
    }
    last
}

fn address(entry: &[u8]) -> Option<IpAddr> {
    str::from_utf8(entry.trim_ascii()).ok()?.parse().ok()
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// What becomes of `X-Forwarded-Client-Cert`: `forwardClientCertDetails`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum CertificateForwarding {
    /// It is passed on, whoever says it.
    Always,
    /// It is passed on if the client has proven its own certificate.
    Proven,
    /// Likewise, and the client's certificate is added.
    Appended(CertificateDetails),
    /// It says the client's certificate alone, if there is one.
    Set(CertificateDetails),
}

/// What is told of a certificate, beside its hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CertificateDetails {
    /// The certificate itself.
    pub certificate: bool,
    /// It and those that signed it.
    pub chain: bool,
    /// Its subject.
    pub subject: bool,
    /// Its URIs.
    pub uri: bool,
    /// Its DNS names.
    pub dns: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        let values = lines.iter().map(|line| HeaderValue::from_static(line));
        values.map(|value| (X_FORWARDED_FOR, value)).collect()
    }

    fn client(trust: &ForwardedTrust, peer: &str, lines: &[&'static str]) -> Option<String> {
        let forwarded = ForwardedFor {
            trust: trust.clone(),
            appends: true,
        };
        let spoken = forwarded.of(peer.parse().unwrap(), &headers(lines));
        spoken.client.map(|client| client.to_string())
    }

    #[test]
    fn nobody_speaks_for_others_unless_trusted() {
        let lines = ["9.9.9.9"];
        assert_eq!(client(&ForwardedTrust::Peer, "10.0.0.1", &lines), None);
    }

    #[test]
    fn hops_are_counted_from_the_end() {
        for (from_end, lines, expected) in [
            (0, &["9.9.9.9, 8.8.8.8"][..], Some("8.8.8.8")),
            (1, &["9.9.9.9, 8.8.8.8"], Some("9.9.9.9")),
            (1, &["9.9.9.9", " 8.8.8.8 "], Some("9.9.9.9")),
            (2, &["9.9.9.9, 8.8.8.8"], None),
            (0, &[], None),
            (0, &["9.9.9.9, unknown"], None),
            (0, &["9.9.9.9:1234"], None),
            (0, &["2001:db8::1"], Some("2001:db8::1")),
            (0, &["9.9.9.9,"], None),
        ] {
            let trust = ForwardedTrust::Entry(from_end);
            let found = client(&trust, "10.0.0.1", lines);
            assert_eq!(found.as_deref(), expected, "{from_end} {lines:?}");
        }
    }

    #[test]
    fn trusted_networks_are_passed_over() {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|net| net.parse().unwrap());
        let trust = ForwardedTrust::Networks(networks.to_vec());
        for (peer, lines, expected) in [
            (
                "10.0.0.1",
                &["9.9.9.9, 8.8.8.8, 10.1.1.1"][..],
                Some("8.8.8.8"),
            ),
            ("::ffff:10.0.0.1", &["9.9.9.9,2001:db8::7"], Some("9.9.9.9")),
            ("10.0.0.1", &["10.2.2.2, 10.1.1.1"], Some("10.2.2.2")),
            ("10.0.0.1", &["9.9.9.9, x, 10.1.1.1"], None),
            ("10.0.0.1", &[], None),
            ("192.0.2.1", &["9.9.9.9"], None),
        ] {
            let found = client(&trust, peer, lines);
            assert_eq!(found.as_deref(), expected, "{peer} {lines:?}");
        }
        let forwarded = ForwardedFor {
            trust,
            appends: true,
        };
        let trusts = |peer: &str| forwarded.of(peer.parse().unwrap(), &HeaderMap::new());
        assert!(trusts("10.0.0.1").is_trusted && !trusts("192.0.2.1").is_trusted);
    }

    #[test]
    fn the_peer_is_added_at_the_end() {
        let told = |appends, lines: &[&'static str]| {
            let trust = ForwardedTrust::Peer;
            let forwarded = ForwardedFor { trust, appends };
            let peer = "::ffff:203.0.113.5".parse().unwrap();
            forwarded.told(peer, &headers(lines))
        };
        for (appends, lines, expected) in [
            (
                true,
                &["9.9.9.9, 8.8.8.8"][..],
                Some("9.9.9.9, 8.8.8.8,203.0.113.5"),
            ),
            (
                true,
                &["9.9.9.9", "8.8.8.8"],
                Some("9.9.9.9,8.8.8.8,203.0.113.5"),
            ),
            (true, &[], Some("203.0.113.5")),
            (false, &["9.9.9.9"], Some("9.9.9.9")),
            (false, &[], None),
        ] {
            let expected = expected.map(HeaderValue::from_static);
            assert_eq!(told(appends, lines), expected, "{lines:?}");
        }
    }
}
