use std::collections::BTreeSet;

use egret_config::policy::egress::{AddressDenied, DecidingRule};
use egret_config::resources::{Kind, ObjectRef};
use egret_config::snapshot::Misconfiguration;

use super::super::{
    AuthenticationFailure, CircuitBreakerLimit, CredentialAudience, CredentialError, DenyingField,
    ForeignProtocol, PolicyDenial,
};
use super::*;
use crate::dns::DnsFailure;
use crate::message::target::TargetError;
use crate::proxy_protocol::HeaderError;

fn policy() -> ObjectRef {
    ObjectRef::new(Kind::TrafficPolicy, "apps", "p")
}

fn misconfiguration() -> Misconfiguration {
    Misconfiguration {
        object: policy(),
        message: "x".into(),
    }
}

fn unauthenticated() -> AuthenticationFailure {
    let audience = CredentialAudience::Proxy;
    AuthenticationFailure::by_basic(audience, CredentialError::Missing, &policy())
}

fn denied() -> Box<PolicyDenial> {
    Box::new(PolicyDenial {
        policy: policy(),
        by: DenyingField::Acl,
        rule: Some("r".into()),
        status: StatusCode::FORBIDDEN,
        details: "x".to_owned(),
        body: Some("y".into()),
        headers: Vec::new(),
    })
}

/// Refusals by the host that was tried, which another host of the backend may not share.
fn of_one_host() -> Vec<Refusal> {
    let denied = AddressDenied {
        policy: None,
        class: "loopback",
    };
    vec![
        Refusal::Address(denied),
        Refusal::Dns(DnsFailure::NxDomain),
        Refusal::Dns(DnsFailure::Timeout),
        Refusal::Connect(ConnectFailure::Refused),
        Refusal::Connect(ConnectFailure::Terminated),
        Refusal::Connect(ConnectFailure::Unreachable),
        Refusal::Connect(ConnectFailure::Timeout),
        Refusal::Connect(ConnectFailure::NoDescriptors),
        Refusal::Proxy(None),
        Refusal::Tls(TlsFailure::Protocol("x")),
        Refusal::Tls(TlsFailure::Certificate("x".to_owned())),
    ]
}

/// Refusals that are the same for every host, or come when the request may have been sent.
fn of_every_host() -> Vec<Refusal> {
    vec![
        Refusal::MalformedHead,
        Refusal::HeadTooLarge,
        Refusal::ProxyHeader(HeaderError::Missing),
        Refusal::Hello(HelloError::NotTls),
        Refusal::NoServerName,
        Refusal::HandshakeTimeout,
        Refusal::NotHttp(ForeignProtocol::Tls),
        Refusal::TooManyConnections,
        Refusal::Overload,
        Refusal::ClientTls("x".to_owned()),
        Refusal::ClientHttp2("x".to_owned()),
        Refusal::Target(TargetError::Missing),
        Refusal::Framing("x"),
        Refusal::NoTunnel("x"),
        Refusal::NoListener,
        Refusal::Misdirected,
        Refusal::NoRoute,
        Refusal::Misconfigured(misconfiguration()),
        Refusal::Unauthenticated(unauthenticated()),
        Refusal::Denied(denied()),
        Refusal::Policy(DecidingRule::default()),
        Refusal::DnsOverload,
        Refusal::NoEndpoints,
        Refusal::Limit(CircuitBreakerLimit::Connections),
        Refusal::Tls(TlsFailure::Settings("x".into())),
        Refusal::Terminated,
        Refusal::UpstreamProtocol,
        Refusal::ResponseHeadTooLarge,
        Refusal::NoExtendedConnect,
        Refusal::ResponseTimeout,
        Refusal::RequestBody,
        Refusal::Loop,
    ]
}

/// The position of a variant. A new variant does not compile until it has one, and then the test below fails until the
/// variant is in a list above.
fn position(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::MalformedHead => 0,
        Refusal::HeadTooLarge => 1,
        Refusal::ProxyHeader(_) => 2,
        Refusal::Hello(_) => 3,
        Refusal::NoServerName => 4,
        Refusal::HandshakeTimeout => 5,
        Refusal::TooManyConnections => 6,
        Refusal::ClientTls(_) => 7,
        Refusal::ClientHttp2(_) => 8,
        Refusal::Target(_) => 9,
        Refusal::Framing(_) => 10,
        Refusal::NoTunnel(_) => 11,
        Refusal::NoListener => 12,
        Refusal::Misdirected => 13,
        Refusal::NoRoute => 14,
        Refusal::Misconfigured(_) => 15,
        Refusal::Unauthenticated(_) => 16,
        Refusal::Policy(_) => 17,
        Refusal::Address(_) => 18,
        Refusal::Dns(_) => 19,
        Refusal::DnsOverload => 20,
        Refusal::Limit(_) => 21,
        Refusal::Connect(_) => 22,
        Refusal::Tls(_) => 23,
        Refusal::Terminated => 24,
        Refusal::UpstreamProtocol => 25,
        Refusal::NoExtendedConnect => 26,
        Refusal::ResponseTimeout => 27,
        Refusal::RequestBody => 28,
        Refusal::Loop => 29,
        Refusal::NotHttp(_) => 30,
        Refusal::ResponseHeadTooLarge => 31,
        Refusal::NoEndpoints => 32,
        Refusal::Denied(_) => 33,
        Refusal::Proxy(_) => 34,
        Refusal::Overload => 35,
    }
}

#[test]
fn another_host_is_tried_only_for_failures_of_one_host() {
    let (one, every) = (of_one_host(), of_every_host());
    for refusal in &one {
        assert!(refusal.elsewhere(), "{refusal:?}");
    }
    for refusal in &every {
        assert!(!refusal.elsewhere(), "{refusal:?}");
    }
    let positions: BTreeSet<_> = one.iter().chain(&every).map(position).collect();
    assert!(positions.into_iter().eq(0..36), "a variant is in no list");
}
