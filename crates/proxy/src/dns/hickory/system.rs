//! Reads the DNS servers of the system's configuration.

use std::net::{IpAddr, SocketAddr};

use egret_config::snapshot::{DnsProtocol, NameServer};

use crate::dns::failure::DnsFailure;

const RESOLV_CONF: &str = "/etc/resolv.conf";
const DNS_PORT: u16 = 53;

/// The servers of `resolv.conf`, in its order. Reads the file.
pub(super) fn servers() -> Result<Vec<NameServer>, DnsFailure> {
    let text = std::fs::read(RESOLV_CONF).map_err(|error| failure(&error.to_string()))?;
    let servers = parse(&text);
    if servers.is_empty() {
        return Err(failure("it names no server"));
    }
    Ok(servers)
}

/// Reads the text of the file. Lines that cannot be read are skipped, as the C library does.
fn parse(text: &[u8]) -> Vec<NameServer> {
    let (config, _) = resolv_conf::Config::parse_with_errors(text);
    let addresses = config.nameservers.iter().map(IpAddr::from);
    let servers = addresses.map(|address| NameServer {
        address: SocketAddr::new(address, DNS_PORT),
        protocol: DnsProtocol::Udp,
    });
    servers.collect()
}

fn failure(text: &str) -> DnsFailure {
    DnsFailure::Network(format!("{RESOLV_CONF}: {text}").into())
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
