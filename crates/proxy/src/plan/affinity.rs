//! Which host a request is to go to because earlier ones of its kind did: by rendezvous hashing, of which each worker and
//! each process makes the same. A host that comes or goes changes nothing for the requests of the others.
//!
//! Pure: the random number for a new cookie is an argument.

use std::net::{IpAddr, SocketAddr};

use egret_config::name::{Host, Port};
use egret_config::snapshot::{HashCookie, HashKey, HashPolicy};
use http::HeaderMap;
use http::header::HeaderValue;

use super::session::SessionPlace;
use crate::message::cookie;

/// What the hash policies make of a request.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct RequestAffinity {
    /// The hash of what it has in common with others; `None` if it has nothing, so that any host will do.
    pub(crate) key: Option<AffinityKey>,
    /// The cookie that the client is given, by which its next requests are recognised.
    pub(crate) cookie: Option<HeaderValue>,
}

/// The hash of what requests to one host have in common, and where the requests of a session go before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AffinityKey {
    hash: u64,
    /// The identities of the address and of the host that the session began with.
    session: Option<[u64; 2]>,
}

impl RequestAffinity {
    /// Reads a request of a client at this address; `draw` draws the value of a new cookie.
    pub(crate) fn of(
        policies: &[HashPolicy],
        headers: &HeaderMap,
        client: Option<IpAddr>,
        draw: impl Fn() -> u64,
    ) -> Self {
        let mut affinity = Self::default();
        for HashPolicy { key, terminal } in policies {
            let Some(found) = affinity.hash(key, headers, client, &draw) else {
                continue;
            };
            let before = affinity.key.map_or(0, |key| key.hash.rotate_left(1));
            affinity.key = Some(AffinityKey {
                hash: before ^ found,
                session: None,
            });
            if *terminal {
                break;
            }
        }
        affinity
    }

    /// The request belongs to a session, which goes on where it was, and to wherever `draw` says if that is gone.
    pub(crate) fn stay(&mut self, place: &SessionPlace, draw: impl Fn() -> u64) {
        let address = identity(place.address.ip(), place.address.port());
        let host = identity_of_host(&place.host, place.port);
        self.key = Some(AffinityKey {
            hash: self.key.map_or_else(draw, |key| key.hash),
            session: Some([address, host]),
        });
    }

    fn hash(
        &mut self,
        key: &HashKey,
        headers: &HeaderMap,
        client: Option<IpAddr>,
        draw: impl Fn() -> u64,
    ) -> Option<u64> {
        match key {
            HashKey::Header(name) => {
                let values = headers.get_all(name).iter();
                let hashes = values.map(|value| hash(value.as_bytes()));
                // The order of fields of one name is that in which they came.
                hashes.reduce(|all, next| all.rotate_left(1) ^ next)
            }
            HashKey::Cookie(cookie) => {
                let value = cookie::values(headers, &cookie.name).next();
                value.map(hash).or_else(|| self.give(cookie, draw))
            }
            HashKey::SourceIp => client.map(of_ip),
        }
    }

    /// Gives the client a cookie, if it is to have one. One is enough.
    fn give(&mut self, cookie: &HashCookie, draw: impl Fn() -> u64) -> Option<u64> {
        let ttl = cookie.ttl.filter(|_| self.cookie.is_none())?;
        let value = format!("{:016x}", draw());
        let mut field = format!("{}={value}", cookie.name);
        if !ttl.is_zero() {
            field += &format!("; Max-Age={}", ttl.as_secs());
        }
        field += &cookie.attributes;
        self.cookie = Some(HeaderValue::try_from(field).ok()?);
        Some(hash(value.as_bytes()))
    }
}

impl AffinityKey {
    /// The score of where a session goes.
    pub(crate) const OF_SESSION: u64 = u64::MAX;

    /// How well an address suits the key; the highest is the one to choose.
    pub(crate) fn score_of_address(self, address: SocketAddr) -> u64 {
        let identity = identity(address.ip(), address.port());
        self.score(identity, self.session.map(|[address, _]| address))
    }

    /// How well a host suits the key.
    pub(crate) fn score_of_host(self, host: &Host, port: Port) -> u64 {
        let identity = identity_of_host(host, port);
        self.score(identity, self.session.map(|[_, host]| host))
    }

    fn score(self, identity: u64, of_session: Option<u64>) -> u64 {
        if of_session == Some(identity) {
            return Self::OF_SESSION;
        }
        mixed(self.hash ^ mixed(identity)).min(Self::OF_SESSION - 1)
    }
}

fn identity(ip: IpAddr, port: u16) -> u64 {
    of_ip(ip) ^ u64::from(port)
}

fn identity_of_host(host: &Host, port: Port) -> u64 {
    match host {
        Host::Ip(ip) => identity(*ip, port.get()),
        Host::Name(name) => hash(name.as_str().as_bytes()) ^ u64::from(port.get()),
    }
}

fn of_ip(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => hash(&ip.octets()),
        IpAddr::V6(ip) => hash(&ip.octets()),
    }
}

/// FNV-1a, mixed. It is the same everywhere and at all times, which the standard library's hashes do not promise.
fn hash(bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mixed(bytes.iter().fold(start, step))
}

/// The finaliser of SplitMix64, by which every bit of the result depends on every bit of the argument.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::HeaderName;

    use super::*;

    fn header(name: &'static str, terminal: bool) -> HashPolicy {
        let key = HashKey::Header(HeaderName::from_static(name));
        HashPolicy { key, terminal }
    }

    fn cookie(ttl: Option<u64>) -> HashPolicy {
        let key = HashKey::Cookie(HashCookie {
            name: Arc::from("sid"),
            ttl: ttl.map(Duration::from_secs),
            attributes: "; Path=/; HttpOnly".into(),
        });
        HashPolicy {
            key,
            terminal: false,
        }
    }

    fn of(policies: &[HashPolicy], fields: &[(&'static str, &str)], client: u8) -> RequestAffinity {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let client = IpAddr::from([192, 0, 2, client]);
        RequestAffinity::of(policies, &headers, Some(client), || 7)
    }

    #[test]
    fn what_a_request_has_decides_and_nothing_else() {
        let policies = [header("x-user", true), header("x-team", false)];
        let key = |fields: &[_]| of(&policies, fields, 1).key;
        assert_eq!(key(&[("x-other", "a")]), None);
        let user = key(&[("x-user", "a")]);
        assert!(user.is_some());
        // The first is the last that is looked at.
        assert_eq!(key(&[("x-user", "a"), ("x-team", "t")]), user);
        assert_ne!(key(&[("x-user", "b")]), user);
        assert_ne!(
            key(&[("x-team", "a"), ("x-team", "b")]),
            key(&[("x-team", "b"), ("x-team", "a")])
        );
        let all = [
            header("x-user", false),
            HashPolicy {
                key: HashKey::SourceIp,
                terminal: false,
            },
        ];
        assert_ne!(
            of(&all, &[("x-user", "a")], 1),
            of(&all, &[("x-user", "a")], 2)
        );
        assert_eq!(of(&all, &[], 1), of(&all, &[("x", "y")], 1));
    }

    #[test]
    fn a_client_without_the_cookie_is_given_one_that_leads_to_the_same_host() {
        let given = of(&[cookie(Some(600))], &[], 1);
        let field = given.cookie.as_ref().unwrap().to_str().unwrap();
        assert_eq!(field, "sid=0000000000000007; Max-Age=600; Path=/; HttpOnly");
        let again = of(
            &[cookie(Some(600))],
            &[("cookie", "a=b; sid=0000000000000007")],
            1,
        );
        assert_eq!((again.key, again.cookie), (given.key, None));
        assert_eq!(of(&[cookie(None)], &[], 1), RequestAffinity::default());
        let session = of(&[cookie(Some(0))], &[], 1).cookie.unwrap();
        assert!(!session.to_str().unwrap().contains("Max-Age"));
    }

    #[test]
    fn a_session_stays_and_goes_anywhere_once_its_place_is_gone() {
        let address = |last| SocketAddr::from(([192, 0, 2, last], 80));
        let host: Host = "a.example".parse().unwrap();
        let place = SessionPlace {
            address: address(3),
            host: host.clone(),
            port: Port::HTTP,
        };
        let of_others = (0..64).map(|draw| {
            let mut affinity = RequestAffinity::default();
            affinity.stay(&place, || draw);
            let key = affinity.key.unwrap();
            assert_eq!(key.score_of_address(address(3)), AffinityKey::OF_SESSION);
            assert_eq!(
                key.score_of_host(&host, Port::HTTP),
                AffinityKey::OF_SESSION
            );
            let [one, other] = [1, 2].map(|last| key.score_of_address(address(last)));
            assert!(one.max(other) < AffinityKey::OF_SESSION);
            one > other
        });
        let first = of_others.filter(|is_first| *is_first).count();
        assert!((16..48).contains(&first), "{first}");
    }

    /// Every key has the same host wherever it is asked for, hosts have about as many keys, and a host that goes takes only
    /// its own keys along.
    #[test]
    fn keys_are_spread_and_stay() {
        let address = |last| SocketAddr::from(([192, 0, 2, last], 80));
        let best = |key: AffinityKey, hosts: &[u8]| {
            let hosts = hosts.iter().copied();
            hosts
                .max_by_key(|last| key.score_of_address(address(*last)))
                .unwrap()
        };
        let keys: Vec<_> = (0..3000)
            .map(|number: u32| AffinityKey {
                hash: hash(&number.to_be_bytes()),
                session: None,
            })
            .collect();
        let of_three: Vec<_> = keys.iter().map(|key| best(*key, &[1, 2, 3])).collect();
        for host in [1, 2, 3] {
            let count = of_three.iter().filter(|chosen| **chosen == host).count();
            assert!((900..1100).contains(&count), "{host}: {count}");
        }
        for (key, before) in keys.iter().zip(of_three) {
            let after = best(*key, &[1, 3]);
            assert!(after == before || before == 2);
        }
    }
}
