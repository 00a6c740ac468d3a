//! Socket addresses of a destination by its HTTPS record (RFC 9460).

use std::net::{IpAddr, SocketAddr};

use egret_config::name::Port;
use egret_config::snapshot::{AlpnProtocol, LookupFamily};

use crate::dns::family::{AddressFamily, queried_families};
use crate::dns::query::HttpsRecord;

/// The socket addresses of a host without its record: its addresses, and the port of the request.
pub(crate) fn plain(addresses: &[IpAddr], port: Port) -> Vec<SocketAddr> {
    let socket = |ip: &IpAddr| SocketAddr::new(*ip, port.get());
    addresses.iter().map(socket).collect()
}

/// Whether a record is for a server that speaks a protocol that is offered (RFC 9460 7.1.2).
pub(crate) fn is_for(service: &HttpsRecord, offered: &[AlpnProtocol]) -> bool {
    let spoken = |one: &AlpnProtocol| {
        service
            .alpn
            .iter()
            .any(|id| **id == *one.as_str().as_bytes())
    };
    offered.iter().any(spoken)
}

/// The socket addresses of a host by its record: at the record's port, with the hints before the other addresses of
/// their family; only the hints if the record is of another name. `None` if the record adds nothing.
pub(crate) fn by_record(
    service: &HttpsRecord,
    addresses: &[IpAddr],
    family: LookupFamily,
    port: Port,
) -> Option<Vec<SocketAddr>> {
    let hints = service.hints.iter().filter(|hint| {
        let is_wanted = queried_families(family).contains(&AddressFamily::of(hint));
        is_wanted && (service.other_target || !addresses.contains(hint))
    });
    let hints: Vec<IpAddr> = hints.copied().collect();
    let own = if service.other_target { &[] } else { addresses };
    let first = own
        .first()
        .or_else(|| hints.first())
        .map(AddressFamily::of)?;
    let at = service.port.unwrap_or(port);
    let mut all = Vec::with_capacity(hints.len() + own.len());
    for family in [first, first.other()] {
        let of_it = |ip: &&IpAddr| AddressFamily::of(ip) == family;
        all.extend(hints.iter().filter(of_it));
        all.extend(own.iter().filter(of_it));
    }
    (at != port || all != addresses).then(|| plain(&all, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(alpn: &[&str], port: Option<u16>, hints: &[&str]) -> HttpsRecord {
        HttpsRecord {
            alpn: alpn.iter().map(|id| id.as_bytes().into()).collect(),
            port: port.and_then(Port::new),
            hints: hints.iter().map(|ip| ip.parse().unwrap()).collect(),
            other_target: false,
        }
    }

    fn found(service: &HttpsRecord, addresses: &[&str]) -> String {
        let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        let found = by_record(service, &addresses, LookupFamily::Auto, Port::HTTPS);
        let found: Vec<_> = found.iter().flatten().map(ToString::to_string).collect();
        found.join(" ")
    }

    #[test]
    fn port_and_hints_go_before_what_the_name_says() {
        let both = &["h2", "http/1.1"][..];
        let own = &["192.0.2.1"][..];
        for (service, expected) in [
            (service(both, None, &[]), ""),
            (service(both, Some(443), &["192.0.2.1"]), ""),
            (service(both, Some(8443), &[]), "192.0.2.1:8443"),
            (
                service(both, None, &["2001:db8::2", "192.0.2.2"]),
                "192.0.2.2:443 192.0.2.1:443 [2001:db8::2]:443",
            ),
        ] {
            assert_eq!(found(&service, own), expected, "{service:?}");
        }
    }

    #[test]
    fn a_record_is_for_who_speaks_what_it_says() {
        let of =
            |alpn: &[&str], offered: &[AlpnProtocol]| is_for(&service(alpn, None, &[]), offered);
        assert!(of(&["h3", "h2"], &AlpnProtocol::BOTH) && of(&["http/1.1"], &AlpnProtocol::BOTH));
        assert!(!of(&["h2"], &[AlpnProtocol::Http11]) && !of(&["h3"], &AlpnProtocol::BOTH));
    }

    #[test]
    fn a_record_of_another_name_has_its_hints_alone() {
        let elsewhere = HttpsRecord {
            other_target: true,
            ..service(&["http/1.1"], None, &["192.0.2.2", "192.0.2.1"])
        };
        assert_eq!(
            found(&elsewhere, &["192.0.2.1"]),
            "192.0.2.2:443 192.0.2.1:443"
        );
        let silent = HttpsRecord {
            hints: Vec::new(),
            ..elsewhere
        };
        assert_eq!(found(&silent, &["192.0.2.1"]), "");
    }

    #[test]
    fn hints_of_a_family_that_is_not_wanted_are_none() {
        let service = service(&["http/1.1"], Some(8443), &["2001:db8::2"]);
        let addresses = ["192.0.2.1".parse().unwrap()];
        let found = by_record(&service, &addresses, LookupFamily::V4Only, Port::HTTPS);
        assert_eq!(found, Some(vec!["192.0.2.1:8443".parse().unwrap()]));
    }
}
