//! The servers that a ResolverPolicy asks.

use std::net::{IpAddr, SocketAddr};

use crate::api::egret::{ResolverProtocol, ResolverServer};
use crate::compile::log::Fault;
use crate::snapshot::{DnsProtocol, NameServer};

/// The port of DNS.
const DNS_PORT: u16 = 53;

pub(super) fn name_servers(servers: &[ResolverServer], faults: &mut Vec<Fault>) -> Vec<NameServer> {
    let mut parsed = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        let ResolverServer {
            address,
            protocol,
            server_name,
            path,
        } = server;
        let mut fault = |name: &str, message: &str| {
            faults.push(Fault::new(format!("spec.servers[{index}].{name}"), message));
        };
        let protocol = match protocol.unwrap_or_default() {
            ResolverProtocol::Udp => Some(DnsProtocol::Udp),
            ResolverProtocol::Tcp => Some(DnsProtocol::Tcp),
            ResolverProtocol::Tls | ResolverProtocol::Https => {
                fault("protocol", "not supported yet; UDP and TCP are");
                None
            }
        };
        for (name, text) in [("serverName", server_name), ("path", path)] {
            if text.is_some() {
                fault(name, "not supported yet");
            }
        }
        let address = server_address(address);
        if address.is_none() {
            fault(
                "address",
                "not an IP address with or without a port, such as 9.9.9.9:53 or [2620:fe::fe]:53",
            );
        }
        if let (Some(address), Some(protocol)) = (address, protocol) {
            parsed.push(NameServer { address, protocol });
        }
    }
    parsed
}

fn server_address(text: &str) -> Option<SocketAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = text.parse().ok().or_else(|| {
        let address: IpAddr = bare.unwrap_or(text).parse().ok()?;
        Some(SocketAddr::new(address, DNS_PORT))
    });
    address.filter(|address| address.port() != 0)
}
