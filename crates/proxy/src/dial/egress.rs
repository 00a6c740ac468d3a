//! The check of every address that is dialled. Only what passes here becomes [`Permitted`], and only what is
//! [`Permitted`] can be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use egret_config::policy::egress::{AddressDenied, Egress};

/// An address that may be dialled. Made by [`Guard::permit`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permitted<T>(T);

impl<T: Copy> Permitted<T> {
    /// What may be dialled.
    pub fn get(self) -> T {
        self.0
    }
}

/// The addresses that this process listens on: requests must not come back through them, whatever the policies say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnAddresses(pub Vec<SocketAddr>);

/// The check, for the requests of one rule.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'a> {
    /// The policies.
    pub egress: &'a Egress,
    /// Our own sockets.
    pub own: &'a OwnAddresses,
}

impl Guard<'_> {
    /// Decides one address.
    ///
    /// # Errors
    /// If it is one of our own, or the policies or the built-in list deny it.
    pub fn permit(self, address: SocketAddr) -> Result<Permitted<SocketAddr>, AddressDenied> {
        // The sockets first: no exception opens them.
        if self.own.contains(address) {
            return Err(AddressDenied {
                policy: None,
                class: "this proxy",
            });
        }
        self.egress.check_address(address.ip())?;
        Ok(Permitted(address))
    }

    /// Decides all addresses of a name: those that may be dialled, in their order.
    ///
    /// # Errors
    /// If none may, with the reason of the first.
    pub fn permit_all(
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
    pub fn contains(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let mut same_port = self.0.iter().filter(|own| own.port() == address.port());
        same_port
            .any(|own| own.ip().to_canonical() == ip || (own.ip().is_unspecified() && is_local(ip)))
    }
}

/// Whether packets to `ip` stay on this machine. A local destination is its own source address; connecting a UDP
/// socket makes the kernel choose that one and sends nothing.
fn is_local(ip: IpAddr) -> bool {
    if ip.is_loopback() || ip.is_unspecified() {
        return true;
    }
    let any: IpAddr = if ip.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((ip, 9))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == ip)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use egret_config::policy::egress::{Action, EgressRules, Mode};
    use egret_config::resources::{Kind, ObjectRef};

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn everything_allowed() -> Egress {
        let rules = EgressRules {
            policy: ObjectRef::new(Kind::EgressPolicy, "ns", "open"),
            mode: Mode::Enforce,
            default_action: Action::Allow,
            rules: Vec::new(),
            allow_addresses: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
            deny_addresses: Vec::new(),
        };
        Egress {
            policies: vec![Arc::new(rules)],
        }
    }

    #[test]
    fn own_sockets_are_denied_by_every_spelling_and_no_exception_opens_them() {
        let own = OwnAddresses(["127.0.0.1:19000", "[::]:8080"].map(address).into());
        let egress = everything_allowed();
        let guard = Guard {
            egress: &egress,
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
        for text in ["127.0.0.1:19001", "127.0.0.2:19000", "192.0.2.1:8080"] {
            assert!(guard.permit(address(text)).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_permitted_ones_of_a_mixed_answer_are_kept_in_order() {
        let (egress, own) = (Egress::default(), OwnAddresses::default());
        let guard = Guard {
            egress: &egress,
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
}
