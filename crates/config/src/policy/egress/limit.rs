//! `limits` of an EgressPolicy: how many requests that its rules allow may be sent.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use super::{EgressClient, any_or_empty};
use crate::certificate::{AlternativeName, SubjectAttribute};
use crate::name::{Host, HostMatcher};
use crate::policy::limit::{LimitId, TokenBucket};

/// One limit of an EgressPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EgressLimit {
    /// The identity under which its buckets are kept.
    pub id: LimitId,
    /// The `name` of the limit, or `limit-<index>`.
    pub name: Arc<str>,
    /// The destinations that it is for; empty is every one.
    pub hosts: Vec<HostMatcher>,
    /// Whether each host has a bucket of its own.
    pub per_destination: bool,
    /// Whether each client has a bucket of its own.
    pub per_client: bool,
    /// The tokens, of which each request takes one.
    pub bucket: Option<TokenBucket>,
    /// The most requests and tunnels that are open at once.
    pub max_concurrent: Option<u32>,
}

/// The client of a request, as limits tell clients apart: by the user who is proven, else by the certificate, else by the
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitedClient<'a> {
    /// A user, or the owner of an API key.
    User(&'a str),
    /// The names and the subject of a certificate, which stay when it is renewed.
    Certificate(&'a [AlternativeName], &'a [SubjectAttribute]),
    /// An address.
    Address(Option<IpAddr>),
}

/// What has a bucket of its own in a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LimitKey<'a> {
    host: Option<&'a Host>,
    client: Option<LimitedClient<'a>>,
}

impl EgressLimit {
    /// What has a bucket of its own for a request; `None` if the limit is not for its destination.
    #[must_use]
    pub fn key<'a>(&self, host: &'a Host, client: EgressClient<'a>) -> Option<LimitKey<'a>> {
        any_or_empty(&self.hosts, |matcher| matcher.matches(host)).then(|| LimitKey {
            host: self.per_destination.then_some(host),
            client: self.per_client.then(|| LimitedClient::of(client)),
        })
    }
}

impl<'a> LimitedClient<'a> {
    fn of(client: EgressClient<'a>) -> Self {
        let EgressClient {
            user,
            key_owner,
            certificate,
            source,
        } = client;
        if let Some(user) = user.or(key_owner) {
            return Self::User(user);
        }
        match certificate {
            Some(certificate) => Self::Certificate(&certificate.names, &certificate.subject),
            None => Self::Address(source.map(|source| source.to_canonical())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{Kind, ObjectRef};

    fn limit(hosts: &[&str], per_destination: bool, per_client: bool) -> EgressLimit {
        let policy = ObjectRef::new(Kind::EgressPolicy, "edge", "p");
        EgressLimit {
            id: LimitId::new(&policy, "limit-0"),
            name: "limit-0".into(),
            hosts: hosts
                .iter()
                .map(|host| HostMatcher::parse(host).unwrap())
                .collect(),
            per_destination,
            per_client,
            bucket: None,
            max_concurrent: Some(1),
        }
    }

    #[test]
    fn what_has_a_bucket_of_its_own_is_said_by_per() {
        let host = |text: &str| text.parse::<Host>().unwrap();
        let (a, b) = (host("a.example.org"), host("b.example.org"));
        let from = |address: &str, user: Option<&'static str>| EgressClient {
            user,
            source: Some(address.parse().unwrap()),
            ..EgressClient::default()
        };
        let (one, two) = (from("10.0.0.1", None), from("10.0.0.2", None));
        let all = limit(&[], false, false);
        assert_eq!(all.key(&a, one), all.key(&b, two));
        let per_host = limit(&["*.example.org"], true, false);
        assert_eq!(per_host.key(&a, one), per_host.key(&a, two));
        assert_ne!(per_host.key(&a, one), per_host.key(&b, one));
        assert_eq!(per_host.key(&host("example.com"), one), None);
        let per_client = limit(&[], false, true);
        assert_eq!(per_client.key(&a, one), per_client.key(&b, one));
        assert_ne!(per_client.key(&a, one), per_client.key(&a, two));
        assert_eq!(
            per_client.key(&a, one),
            per_client.key(&a, from("::ffff:10.0.0.1", None))
        );
        // Who is proven is one client, wherever the requests come from.
        let (ann, ann_elsewhere) = (from("10.0.0.1", Some("ann")), from("10.0.0.2", Some("ann")));
        assert_eq!(per_client.key(&a, ann), per_client.key(&a, ann_elsewhere));
        assert_ne!(per_client.key(&a, ann), per_client.key(&a, one));
    }
}
