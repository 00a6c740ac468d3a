//! Writes headers of the PROXY protocol.

use std::net::{IpAddr, SocketAddr};

use egret_config::snapshot::ProxyVersion;

use super::V2;

/// The two ends of a client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddresses {
    /// The address of the client.
    pub(crate) source: SocketAddr,
    /// The address that the client connected to.
    pub(crate) destination: SocketAddr,
}

/// The header that tells the addresses of a client. Without a client the sender speaks for itself.
pub(crate) fn write(version: ProxyVersion, client: Option<ClientAddresses>) -> Vec<u8> {
    let ends = client.map(
        |ClientAddresses {
             source,
             destination,
         }| (canonical(source), canonical(destination)),
    );
    match version {
        ProxyVersion::V1 => write_v1(ends),
        ProxyVersion::V2 => write_v2(ends),
    }
}

/// An IPv4 address that came over a socket for IPv6 is one of IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn write_v1(ends: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    match ends {
        Some((from, to)) if from.is_ipv4() == to.is_ipv4() => {
            let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from_ip, to_ip) = (from.ip(), to.ip());
            let (from_port, to_port) = (from.port(), to.port());
            format!("PROXY {family} {from_ip} {to_ip} {from_port} {to_port}\r\n").into_bytes()
        }
        _ => b"PROXY UNKNOWN\r\n".to_vec(),
    }
}

fn write_v2(ends: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let mut header = V2.to_vec();
    let mut addresses = Vec::new();
    let mut put = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => addresses.extend(ip.octets()),
        IpAddr::V6(ip) => addresses.extend(ip.octets()),
    };
    // The version and PROXY, and the family with STREAM; or LOCAL, of which nothing more is said (2.2).
    let kind: [u8; 2] = match ends {
        Some((from, to)) if from.is_ipv4() == to.is_ipv4() => {
            put(from.ip());
            put(to.ip());
            addresses.extend(from.port().to_be_bytes());
            addresses.extend(to.port().to_be_bytes());
            [0x21, if from.is_ipv4() { 0x11 } else { 0x21 }]
        }
        _ => [0x20, 0x00],
    };
    header.extend(kind);
    let length = u16::try_from(addresses.len()).unwrap_or_default();
    header.extend(length.to_be_bytes());
    header.extend(addresses);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy_protocol::{HeaderProgress, ProxyHeader, read};

    #[test]
    fn what_is_written_can_be_read() {
        let both = |source: &str, destination: &str| ClientAddresses {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        };
        let v4 = both("192.0.2.1:4711", "198.51.100.2:80");
        let v6 = both("[2001:db8::1]:4711", "[2001:db8::2]:80");
        let mapped = both("[::ffff:192.0.2.1]:4711", "198.51.100.2:80");
        let mixed = both("192.0.2.1:4711", "[2001:db8::2]:80");
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            for (client, told) in [
                (Some(v4), Some(v4.source)),
                (Some(v6), Some(v6.source)),
                (Some(mapped), Some(v4.source)),
                // There is no header for ends of two families.
                (Some(mixed), None),
                (None, None),
            ] {
                let header = write(version, client);
                let length = header.len();
                let expected = HeaderProgress::Found(ProxyHeader {
                    source: told,
                    length,
                });
                assert_eq!(read(&header), Ok(expected), "{version:?} {client:?}");
            }
        }
        let line = write(ProxyVersion::V1, Some(v4));
        assert_eq!(line, b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 80\r\n");
    }
}
