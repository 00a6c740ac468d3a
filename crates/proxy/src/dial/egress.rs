//! The egress check of every address that is dialled. Only an address that passes it becomes [`Permitted`], and only a
//! [`Permitted`] address can be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use egret_config::name::Port;
use egret_config::policy::egress::{AddressDenied, EgressPolicySet, EgressRequest};

mod local;

/// An address that may be dialled. Only [`EgressGuard::permit`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permitted<T>(T);

impl<T: Copy> Permitted<T> {
    /// The address.
    pub(crate) fn get(self) -> T {
        self.0
    }
}

/// The addresses that this process listens on. Requests must not be sent to them, whatever the policies say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnAddresses(pub(crate) Vec<SocketAddr>);

/// The egress check for one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EgressGuard<'a> {
    /// The egress policies.
    pub(crate) egress: &'a EgressPolicySet,
    /// The request whose host has the addresses.
    pub(crate) request: EgressRequest<'a>,
    /// The endpoints of the Service that the request goes to, sorted: they alone may be dialled, and the built-in list does
    /// not hold for them. `None` if the request goes to a host that has addresses by DNS, or that is one.
    pub(crate) endpoints: Option<&'a [SocketAddr]>,
    /// Whether the request is the gateway's own, to a service that the configuration names: the built-in list does not hold
    /// for it.
    pub(crate) is_own: bool,
    /// The addresses that this process listens on.
    pub(crate) own: &'a OwnAddresses,
}

impl EgressGuard<'_> {
    /// Checks one address.
    ///
    /// # Errors
    /// If this process listens on the address, or the policies or the built-in list deny it.
    pub(crate) fn permit(
        self,
        address: SocketAddr,
    ) -> Result<Permitted<SocketAddr>, AddressDenied> {
        // Own addresses come first, because no exception may permit them.
        if self.own.contains(address) {
            return Err(AddressDenied {
                policy: None,
                class: AddressDenied::OWN,
            });
        }
        if let Some(endpoints) = self.endpoints {
            if endpoints.binary_search(&address).is_err() {
                return Err(AddressDenied {
                    policy: None,
                    class: AddressDenied::NO_ENDPOINT,
                });
            }
            self.egress.check_endpoint(address.ip(), self.request)?;
            return Ok(Permitted(address));
        }
        if self.is_own {
            self.egress.check_endpoint(address.ip(), self.request)?;
            return Ok(Permitted(address));
        }
        // The HTTPS record of the host may name another port than the request.
        let port = Port::new(address.port()).unwrap_or(self.request.port);
        let request = EgressRequest {
            port,
            ..self.request
        };
        self.egress.check_address(address.ip(), request)?;
        Ok(Permitted(address))
    }

    /// Checks all addresses of a name, and returns those that may be dialled, in their order.
    ///
    /// # Errors
    /// If none may be dialled, with the reason for the first.
    pub(crate) fn permit_all(
        self,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Vec<Permitted<SocketAddr>>, AddressDenied> {
        let mut denied = None;
        let mut permitted = Vec::new();
        for address in addresses {
            match self.permit(address) {
                Ok(address) => permitted.push(address),
                Err(reason) => _ = denied.get_or_insert(reason),
            }
        }
        match denied {
            Some(reason) if permitted.is_empty() => Err(reason),
            _ => Ok(permitted),
        }
    }
}

impl OwnAddresses {
    /// Whether connecting to `address` would reach one of these sockets.
    #[must_use]
    pub(crate) fn contains(&self, address: SocketAddr) -> bool {
        self.reached_by(address, local::is_local)
    }

    fn reached_by(&self, address: SocketAddr, is_local: impl Fn(IpAddr) -> bool) -> bool {
        let mut same_port = self.0.iter().filter(|own| own.port() == address.port());
        same_port.any(|own| {
            let own = own.ip().to_canonical();
            reached(address.ip()).any(|ip| own == ip || (own.is_unspecified() && is_local(ip)))
        })
    }
}

/// The addresses that packets to `ip` reach. The kernel takes an unspecified address for loopback; `::` counts as
/// loopback of both families, because a socket for both may be meant by it.
fn reached(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let (first, second) = match ip.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => (Ipv4Addr::LOCALHOST.into(), None),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            (Ipv6Addr::LOCALHOST.into(), Some(Ipv4Addr::LOCALHOST.into()))
        }
        ip => (ip, None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use egret_config::name::Host;
    use egret_config::policy::egress::{
        AddressException, EgressAction, EgressClient, EgressMode, EgressRule, EgressRules,
        EgressSni, PortRange,
    };
    use egret_config::resources::{Kind, ObjectRef};
    use ipnet::IpNet;

    use super::*;

    fn request(host: &Host) -> EgressRequest<'_> {
        EgressRequest {
            host,
            port: Port::HTTP,
            request: None,
            client: EgressClient::default(),
            is_open: false,
            asked: None,
            now: 0,
        }
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn exception(text: &str) -> AddressException {
        let net: IpNet = text.parse().unwrap();
        net.into()
    }

    fn everything_allowed() -> EgressPolicySet {
        let rules = EgressRules {
            policy: ObjectRef::new(Kind::EgressPolicy, "ns", "open"),
            mode: EgressMode::Enforce,
            default_action: EgressAction::Allow,
            rules: Vec::new(),
            allow_addresses: ["0.0.0.0/0", "::/0"].map(exception).into(),
            deny_addresses: Vec::new(),
            limits: Vec::new(),
            keeps_tunnels: false,
            sni: EgressSni::Log,
        };
        EgressPolicySet::new(vec![Arc::new(rules)])
    }

    #[test]
    fn own_sockets_are_denied_by_every_spelling_and_no_exception_opens_them() {
        let own = OwnAddresses(["127.0.0.1:19000", "[::]:8080"].map(address).into());
        let egress = everything_allowed();
        let host = "a.example".parse().unwrap();
        let guard = EgressGuard {
            egress: &egress,
            request: request(&host),
            endpoints: None,
            is_own: false,
            own: &own,
        };
        for text in [
            "127.0.0.1:19000",
            "[::ffff:127.0.0.1]:19000",
            "127.0.0.1:8080",
            "127.9.9.9:8080",
            "0.0.0.0:8080",
            "[::]:8080",
            "[::1]:8080",
        ] {
            assert_eq!(
                guard.permit(address(text)).unwrap_err().class,
                "this proxy",
                "{text}"
            );
        }
        for text in ["127.0.0.1:19001", "127.0.0.2:19000", "198.51.100.1:8080"] {
            assert!(guard.permit(address(text)).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_unspecified_address_is_loopback() {
        let own = OwnAddresses(["127.0.0.1:19000", "[::1]:19001"].map(address).into());
        for (text, expected) in [
            ("0.0.0.0:19000", true),
            ("[::ffff:0.0.0.0]:19000", true),
            ("[::]:19000", true),
            ("[::]:19001", true),
            ("0.0.0.0:19001", false),
            ("0.0.0.0:19002", false),
        ] {
            assert_eq!(own.contains(address(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_socket_on_every_address_is_reached_by_each_that_is_local() {
        let own = OwnAddresses(["[::]:8080", "192.0.2.1:9090"].map(address).into());
        let secondary: [IpAddr; 2] = ["192.0.2.7", "2001:db8::7"].map(|ip| ip.parse().unwrap());
        let is_local = |ip| secondary.contains(&ip);
        for (text, expected) in [
            ("192.0.2.7:8080", true),
            ("[::ffff:192.0.2.7]:8080", true),
            ("[2001:db8::7]:8080", true),
            ("192.0.2.8:8080", false),
            ("192.0.2.7:9090", false),
            ("192.0.2.1:9090", true),
        ] {
            let reached = own.reached_by(address(text), is_local);
            assert_eq!(reached, expected, "{text}");
        }
    }

    #[test]
    fn the_permitted_ones_of_a_mixed_answer_are_kept_in_order() {
        let (egress, own) = (EgressPolicySet::default(), OwnAddresses::default());
        let host = "a.example".parse().unwrap();
        let guard = EgressGuard {
            egress: &egress,
            request: request(&host),
            endpoints: None,
            is_own: false,
            own: &own,
        };
        let mixed = ["10.0.0.1:80", "8.8.8.8:80", "127.0.0.1:80", "1.1.1.1:80"].map(address);
        let permitted = guard.permit_all(mixed).unwrap();
        assert_eq!(
            permitted
                .into_iter()
                .map(Permitted::get)
                .collect::<Vec<_>>(),
            [mixed[1], mixed[3]]
        );
        let denied = guard
            .permit_all(["10.0.0.1:80", "127.0.0.1:80"].map(address))
            .unwrap_err();
        assert_eq!(denied.class, "private");
    }

    /// The HTTPS record of a name may lead to a port that another rule allows, or none.
    #[test]
    fn the_exception_of_a_rule_is_for_its_ports_and_never_for_own_sockets() {
        let only = |port| PortRange {
            first: port,
            last: port,
        };
        let ledger = EgressRule {
            name: "ledger".into(),
            action: EgressAction::Allow,
            hosts: Vec::new(),
            ports: vec![only(Port::HTTP)],
            methods: Vec::new(),
            paths: Vec::new(),
            clients: Vec::new(),
            allow_addresses: vec!["10.1.2.0/24".parse().unwrap()],
            when: None,
            expires: None,
            reason: None,
        };
        let mut policies = everything_allowed();
        let rules = Arc::make_mut(&mut policies.policies[0]);
        rules.allow_addresses.clear();
        rules.rules = vec![ledger];
        let own = OwnAddresses(vec![address("10.1.2.9:80")]);
        let host = "a.example".parse().unwrap();
        let guard = EgressGuard {
            egress: &policies,
            request: request(&host),
            endpoints: None,
            is_own: false,
            own: &own,
        };
        for (text, expected) in [
            ("10.1.2.3:80", true),
            ("10.1.2.3:8443", false),
            ("10.1.3.3:80", false),
            ("10.1.2.9:80", false),
        ] {
            assert_eq!(guard.permit(address(text)).is_ok(), expected, "{text}");
        }
        // Of a name with an address inside and one outside, the one inside is used.
        let both = ["10.9.9.9:80", "10.1.2.3:80"].map(address);
        let permitted = guard.permit_all(both).unwrap();
        assert_eq!(permitted.len(), 1);
        assert_eq!(permitted[0].get(), both[1]);
    }

    #[test]
    fn the_endpoints_of_a_service_and_no_others_are_an_exception() {
        let endpoints = ["10.0.0.1:8080", "10.0.0.2:8081", "127.0.0.1:9000"].map(address);
        let own = OwnAddresses(vec![address("127.0.0.1:9000")]);
        let host = "shop.apps.svc.cluster.local".parse().unwrap();
        let guard = |egress, endpoints| EgressGuard {
            egress,
            request: request(&host),
            endpoints,
            is_own: false,
            own: &own,
        };
        let mut egress = everything_allowed();
        let rules = Arc::make_mut(&mut egress.policies[0]);
        rules.deny_addresses = vec!["10.0.0.2/32".parse().unwrap()];
        let none = EgressPolicySet::default();
        let own_request = |egress| EgressGuard {
            is_own: true,
            ..guard(egress, None)
        };
        for (text, permitted) in [
            ("10.0.0.3:8080", true),
            ("8.8.8.8:80", true),
            ("127.0.0.1:8080", true),
            // Neither past a policy, nor to the gateway itself.
            ("10.0.0.2:8081", false),
            ("127.0.0.1:9000", false),
        ] {
            let outcome = own_request(&egress).permit(address(text));
            assert_eq!(outcome.is_ok(), permitted, "{text}");
        }
        for (text, to_service, under_policy, by_name) in [
            ("10.0.0.1:8080", true, true, false),
            ("10.0.0.1:80", false, false, false),
            // A policy may deny an endpoint.
            ("10.0.0.2:8081", true, false, false),
            ("10.0.0.3:8080", false, false, false),
            // No Service leads to the gateway itself.
            ("127.0.0.1:9000", false, false, false),
            // Nor does one lead to what is not its endpoint.
            ("8.8.8.8:80", false, false, true),
        ] {
            let address = address(text);
            let permits = |egress, endpoints| guard(egress, endpoints).permit(address).is_ok();
            assert_eq!(permits(&none, Some(&endpoints)), to_service, "{text}");
            assert_eq!(permits(&egress, Some(&endpoints)), under_policy, "{text}");
            assert_eq!(permits(&none, None), by_name, "{text}");
        }
    }
}
