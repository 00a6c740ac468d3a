//! Finds out from the kernel which addresses are local to this machine. In doubt an address counts as local.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use nix::ifaddrs::getifaddrs;

/// An address that no machine has (RFC 5737).
const UNASSIGNED_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77));
/// An address that no machine has (RFC 3849).
const UNASSIGNED_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x77));

/// Whether packets to `ip`, which is canonical, stay on this machine.
pub(super) fn is_local(ip: IpAddr) -> bool {
    let unassigned = if ip.is_ipv4() {
        UNASSIGNED_V4
    } else {
        UNASSIGNED_V6
    };
    ip.is_loopback() || decide(bind(ip), || bind(unassigned).is_ok(), || has_interface(ip))
}

/// Decides from whether a socket could be bound to the address. Only local addresses can be bound to, be they the first
/// of their interface, another, or of a whole network routed to this machine. Where the node lets processes bind to any
/// address (`ip_nonlocal_bind`), that says nothing, and the addresses of the interfaces are searched.
fn decide(
    bound: io::Result<()>,
    anything_binds: impl FnOnce() -> bool,
    has_interface: impl FnOnce() -> nix::Result<bool>,
) -> bool {
    match bound {
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => false,
        Err(_) => true,
        Ok(()) => !anything_binds() || has_interface().unwrap_or(true),
    }
}

/// Binds a socket to a free port, and closes it.
fn bind(ip: IpAddr) -> io::Result<()> {
    UdpSocket::bind((ip, 0)).map(drop)
}

fn has_interface(ip: IpAddr) -> nix::Result<bool> {
    Ok(getifaddrs()?.any(|interface| {
        let Some(address) = interface.address else {
            return false;
        };
        let v4 = address.as_sockaddr_in().map(|at| IpAddr::V4(at.ip()));
        let v6 = address.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip()));
        v4.or(v6) == Some(ip)
    }))
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn doubt_counts_as_our_own() {
        let bound = || Ok(());
        let absent = || Err(ErrorKind::AddrNotAvailable.into());
        let failed = || Err(io::Error::from_raw_os_error(24));
        let cases: [(io::Result<()>, bool, nix::Result<bool>, bool); 7] = [
            (bound(), false, Ok(false), true),
            (absent(), false, Ok(true), false),
            (failed(), false, Ok(false), true),
            (Err(ErrorKind::InvalidInput.into()), false, Ok(false), true),
            (bound(), true, Ok(false), false),
            (bound(), true, Ok(true), true),
            (bound(), true, Err(Errno::EMFILE), true),
        ];
        for (index, (bound, anything_binds, interface, expected)) in cases.into_iter().enumerate() {
            let local = decide(bound, || anything_binds, || interface);
            assert_eq!(local, expected, "{index}");
        }
    }

    /// Every address of an interface is local, not only the first.
    #[test]
    fn the_addresses_of_the_interfaces_are_local() {
        for interface in getifaddrs().unwrap() {
            let Some(address) = interface.address else {
                continue;
            };
            let ip = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
                (Some(at), _) => IpAddr::V4(at.ip()),
                (_, Some(at)) => IpAddr::V6(at.ip()),
                _ => continue,
            };
            assert!(is_local(ip), "{ip}");
            assert_eq!(has_interface(ip), Ok(true));
        }
        for unassigned in [UNASSIGNED_V4, UNASSIGNED_V6] {
            assert!(!is_local(unassigned), "{unassigned}");
        }
    }
}
