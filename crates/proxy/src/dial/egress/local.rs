//! Which addresses are this machine's own, as the kernel sees it. What cannot be found out counts as our own.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use nix::ifaddrs::getifaddrs;

/// Addresses that no machine has (RFC 5737, RFC 3849).
const NOBODYS_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77));
const NOBODYS_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x77));

/// Whether packets to `ip`, which is canonical, stay on this machine.
pub(super) fn is_local(ip: IpAddr) -> bool {
    let nobodys = if ip.is_ipv4() { NOBODYS_V4 } else { NOBODYS_V6 };
    ip.is_loopback() || judge(bind(ip), || bind(nobodys).is_ok(), || has_interface(ip))
}

/// A socket can be bound to local addresses only, be they the first of their interface, another, or of a whole network
/// routed to this machine. Where the node lets processes bind to any (`ip_nonlocal_bind`) that says nothing, and the
/// interfaces are asked.
fn judge(
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

/// Binds to a free port, and lets go of it.
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
            let local = judge(bound, || anything_binds, || interface);
            assert_eq!(local, expected, "{index}");
        }
    }

    /// Every address of this machine is its own, not only the first of each interface.
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
        for nobodys in [NOBODYS_V4, NOBODYS_V6] {
            assert!(!is_local(nobodys), "{nobodys}");
        }
    }
}
