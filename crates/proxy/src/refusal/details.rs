//! The words of a refusal: one line for people that names what was judged, and by what.

use std::fmt;

use egret_config::name::Host;
use egret_config::policy::egress::{AddressDenied, DecidingRule};

use http::StatusCode;

use super::{CircuitBreakerLimit, ForeignProtocol, Refusal, RefusalSubject};
use crate::dns::DnsFailure;

impl Refusal {
    /// Describes the refusal in one line for people. Of the request itself it contains at most the host and port.
    #[must_use]
    pub(crate) fn details(&self, about: &RefusalSubject) -> String {
        match self {
            Self::Policy(by) => denied(about, by),
            Self::Address(by) => address_denied(about, by),
            Self::Dns(failure) => format!("{}: {failure}", about.host()),
            Self::NoEndpoints => format!("{} has no endpoint that is ready", about.destination()),
            Self::Limit(limit) => format!("{} has too many {limit}", about.destination()),
            Self::Connect(failure) => format!("{}: {}", about.endpoint(), failure.details()),
            Self::Proxy(status) => by_proxy(about, *status),
            Self::Tls(failure) => format!("{}: {}", about.endpoint(), failure.details()),
            Self::Terminated
            | Self::UpstreamProtocol
            | Self::ResponseHeadTooLarge
            | Self::NoExtendedConnect
            | Self::ResponseTimeout => format!("{}: {}", about.endpoint(), self.fault()),
            Self::Misconfigured(at) => format!("{}: {}", at.object, at.message),
            Self::ProxyHeader(error) => error.to_string(),
            Self::Hello(error) => error.to_string(),
            Self::Target(error) => error.to_string(),
            Self::ClientTls(error) => format!("TLS with the client failed: {error}"),
            Self::ClientHttp2(error) => format!("the client violated HTTP/2: {error}"),
            Self::Unauthenticated(client) => client.details(),
            Self::Denied(denial) => denial.details.clone(),
            _ => self.fault().to_owned(),
        }
    }

    /// Describes the refusal for the client. Unlike [`Refusal::details`] it discloses nothing about the DNS servers.
    pub(super) fn client_message(&self, about: &RefusalSubject) -> String {
        match self {
            Self::Dns(DnsFailure::Network(_)) => {
                format!("{}: no DNS server could be asked", about.host())
            }
            other => other.details(about),
        }
    }

    /// What is wrong, where that is always the same.
    const fn fault(&self) -> &'static str {
        match self {
            Self::MalformedHead => "the request head is malformed",
            Self::HeadTooLarge => "the request head has too many bytes or fields",
            Self::NoServerName => "the client sent no SNI",
            Self::HandshakeTimeout => "timed out during the TLS handshake or PROXY header",
            Self::TooManyConnections => "the listener has too many connections",
            Self::Overload => "the gateway has more to do than it can, and requests wait too long",
            Self::Framing(what) | Self::NoTunnel(what) => what,
            Self::NotHttp(ForeignProtocol::Tls) => {
                "this port speaks HTTP in the clear, and the client began with TLS"
            }
            Self::NotHttp(ForeignProtocol::Socks4 | ForeignProtocol::Socks5) => {
                "this port is an HTTP proxy, and the client began with SOCKS"
            }
            Self::NoListener => "no listener serves this host",
            Self::Misdirected => {
                "this connection was made for another listener than the one that serves the host"
            }
            Self::NoRoute => "no route matches the request",
            Self::DnsOverload => "too many names are being resolved",
            Self::Terminated => "the upstream closed the connection before it answered",
            Self::UpstreamProtocol => {
                "the upstream's response is not valid HTTP, or its head is too large"
            }
            Self::ResponseHeadTooLarge => {
                "the head of the upstream's response has more than 60 KiB or more than 100 fields"
            }
            Self::NoExtendedConnect => "the upstream speaks HTTP/2 and takes no upgrades on it",
            Self::ResponseTimeout => "the upstream did not answer in time",
            Self::RequestBody => "the request body was broken off",
            Self::Loop => "the request came back to this proxy",
            _ => "the request is refused",
        }
    }
}

fn by_proxy(about: &RefusalSubject, status: Option<StatusCode>) -> String {
    let what = about.destination();
    match status {
        Some(status) => {
            let status = status.as_u16();
            format!("the proxy makes no connection to {what}: it answered {status}")
        }
        None => format!("the proxy makes no connection to {what}: it does not speak HTTP/1.1"),
    }
}

fn denied(about: &RefusalSubject, by: &DecidingRule) -> String {
    let DecidingRule {
        policy,
        rule,
        reason,
        error,
    } = by;
    let what = about.destination();
    let mut text = match (policy, rule) {
        (Some(policy), Some(rule)) => format!("{what} is denied by rule {rule} of {policy}"),
        (Some(policy), None) => format!("{what} is denied: no rule of {policy} allows it"),
        (None, _) => format!("{what} is denied"),
    };
    if let Some(error) = error {
        text.push_str(&format!(", whose expression cannot be evaluated: {error}"));
    }
    if let Some(reason) = reason {
        text.push_str(&format!(" ({reason})"));
    }
    text
}

fn address_denied(about: &RefusalSubject, by: &AddressDenied) -> String {
    let what = about.judged_address();
    match &by.policy {
        Some(policy) => format!("{what} is denied by the addresses of {policy}"),
        // Who opens the proxy's own address in a browser is told what it wants.
        None if by.class == AddressDenied::OWN => {
            format!("{what} is this proxy itself: a request names the host that it is for")
        }
        None if by.class == AddressDenied::NO_ENDPOINT => format!("{what} is {}", by.class),
        None => {
            let class = by.class;
            // The addresses of rules are exceptions for names.
            let opens = match &about.destination {
                Some((Host::Name(_), _)) => "addresses of a rule",
                _ => "addresses.allow",
            };
            format!("{what} is {class}: {opens} of an EgressPolicy on the Gateway may open it")
        }
    }
}

impl fmt::Display for CircuitBreakerLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connections => "connections, all in use",
            Self::Pending => "requests waiting for a connection",
            Self::Requests => "requests in progress",
            Self::Retries => "requests being sent again",
        })
    }
}

#[cfg(test)]
mod tests {
    use egret_config::expression::EvaluationError;
    use egret_config::name::Port;
    use egret_config::resources::{Kind, ObjectRef};

    use super::*;
    use crate::dial::failure::ConnectFailure;

    fn about(host: &str, port: u16, address: Option<&str>) -> RefusalSubject {
        RefusalSubject {
            destination: Some((host.parse().unwrap(), Port::new(port).unwrap())),
            address: address.map(|address| address.parse().unwrap()),
            id: None,
        }
    }

    fn policy() -> ObjectRef {
        ObjectRef::new(Kind::EgressPolicy, "edge", "partners")
    }

    fn by_name(rule: Option<&str>) -> Refusal {
        Refusal::Policy(DecidingRule {
            policy: Some(policy()),
            rule: rule.map(Into::into),
            ..DecidingRule::default()
        })
    }

    #[test]
    fn a_denial_tells_why_its_rule_is_there_and_failed() {
        let refusal = Refusal::Policy(DecidingRule {
            policy: Some(policy()),
            rule: Some("no-mail".into()),
            reason: Some("OPS-12".into()),
            error: Some(Box::new(EvaluationError::NotNumber)),
        });
        assert_eq!(
            refusal.details(&about("ledger.example", 80, None)),
            "ledger.example:80 is denied by rule no-mail of EgressPolicy edge/partners, whose expression \
             cannot be evaluated: a value is not a number (OPS-12)"
        );
    }

    #[test]
    fn what_was_judged_is_named() {
        let (by_rule, by_default) = (by_name(Some("no-mail")), by_name(None));
        let by_address = Refusal::Address(AddressDenied {
            policy: Some(policy()),
            class: "denied by policy",
        });
        let built_in = |class| {
            Refusal::Address(AddressDenied {
                policy: None,
                class,
            })
        };
        let refused = Refusal::Connect(ConnectFailure::Refused);
        let name = about("ledger.example", 80, Some("10.1.2.3:80"));
        let literal = about("10.1.2.3", 80, Some("10.1.2.3:80"));
        let unresolved = about("nx.test", 80, None);
        for (refusal, about, expected) in [
            (
                &by_rule,
                &name,
                "ledger.example:80 is denied by rule no-mail of EgressPolicy edge/partners",
            ),
            (
                &by_default,
                &name,
                "ledger.example:80 is denied: no rule of EgressPolicy edge/partners allows it",
            ),
            (
                &by_address,
                &name,
                "10.1.2.3 (ledger.example) is denied by the addresses of EgressPolicy edge/partners",
            ),
            (
                &built_in("private"),
                &name,
                "10.1.2.3 (ledger.example) is private: addresses of a rule of an EgressPolicy on the Gateway may open it",
            ),
            (
                &built_in("private"),
                &literal,
                "10.1.2.3 is private: addresses.allow of an EgressPolicy on the Gateway may open it",
            ),
            (
                &built_in(AddressDenied::OWN),
                &literal,
                "10.1.2.3 is this proxy itself: a request names the host that it is for",
            ),
            (
                &Refusal::Dns(DnsFailure::NxDomain),
                &unresolved,
                "nx.test: the name does not exist (NXDOMAIN)",
            ),
            (
                &refused,
                &name,
                "10.1.2.3:80 (ledger.example): the upstream refused the connection",
            ),
            (
                &refused,
                &literal,
                "10.1.2.3:80: the upstream refused the connection",
            ),
            (
                &Refusal::Limit(CircuitBreakerLimit::Pending),
                &name,
                "ledger.example:80 has too many requests waiting for a connection",
            ),
            (
                &Refusal::NoRoute,
                &RefusalSubject::default(),
                "no route matches the request",
            ),
        ] {
            assert_eq!(refusal.details(about), expected);
        }
    }

    #[test]
    fn dns_servers_are_not_told_to_clients() {
        let about = about("a.test", 80, None);
        let refusal = Refusal::Dns(DnsFailure::Network("10.0.0.53: refused".into()));
        assert_eq!(
            refusal.client_message(&about),
            "a.test: no DNS server could be asked"
        );
        assert!(refusal.details(&about).contains("10.0.0.53"));
    }
}
