//! The system's servers.

use std::net::{IpAddr, SocketAddr};

use egret_config::snapshot::{DnsProtocol, NameServer};

use crate::dns::failure::Failure;

const PATH: &str = "/etc/resolv.conf";
const PORT: u16 = 53;

/// Those of `resolv.conf`, in its order. Reads the file.
pub(super) fn servers() -> Result<Vec<NameServer>, Failure> {
    let text = std::fs::read(PATH).map_err(|error| failure(&error.to_string()))?;
    let servers = parse(&text);
    if servers.is_empty() {
        return Err(failure("it names no server"));
    }
    Ok(servers)
}

/// Lines that cannot be read are passed over, as the C library does.
fn parse(text: &[u8]) -> Vec<NameServer> {
    let (config, _) = resolv_conf::Config::parse_with_errors(text);
    let addresses = config.nameservers.iter().map(IpAddr::from);
    let servers = addresses.map(|address| NameServer {
        address: SocketAddr::new(address, PORT),
        protocol: DnsProtocol::Udp,
    });
    servers.collect()
}

fn failure(text: &str) -> Failure {
    Failure::Network(format!("{PATH}: {text}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_in_their_order() {
        let text = b"# by hand\nsearch example.com\nnameserver 192.0.2.2\nnameserver nonsense\n\
            nonsense\nnameserver 2001:db8::1\noptions ndots:5 made-up\nnameserver 192.0.2.1";
        let addresses: Vec<_> = parse(text)
            .into_iter()
            .map(|server| server.address.to_string())
            .collect();
        assert_eq!(
            addresses,
            ["192.0.2.2:53", "[2001:db8::1]:53", "192.0.2.1:53"]
        );
        assert!(parse(b"").is_empty());
    }
}
