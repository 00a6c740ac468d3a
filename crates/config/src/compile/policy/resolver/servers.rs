//! Compiles the DNS servers of a ResolverPolicy.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use egret_api::egret::{ResolverProtocol, ResolverServer};
use http::uri::PathAndQuery;

use super::names::one_name;
use crate::compile::log::FieldFault;
use crate::compile::value::SpecFields;
use crate::name::DnsName;
use crate::snapshot::{DnsProtocol, NameServer};

/// The default path of DNS over HTTPS, which is that of RFC 8484's examples and of most servers.
const DEFAULT_PATH: &str = "/dns-query";

pub(super) fn name_servers(
    servers: &[ResolverServer],
    faults: &mut Vec<FieldFault>,
) -> Vec<NameServer> {
    let mut parsed = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        let at = format!("spec.servers[{index}]");
        parsed.extend(name_server(server, &mut SpecFields::new(&at, faults)));
    }
    parsed
}

fn name_server(server: &ResolverServer, fields: &mut SpecFields<'_>) -> Option<NameServer> {
    let ResolverServer {
        address,
        protocol,
        server_name,
        path,
    } = server;
    let protocol = protocol.unwrap_or_default();
    let encrypted = matches!(protocol, ResolverProtocol::Tls | ResolverProtocol::Https);
    if server_name.is_some() && !encrypted {
        fields.fault("serverName", "only TLS and HTTPS have certificates");
    }
    if path.is_some() && protocol != ResolverProtocol::Https {
        fields.fault("path", "only HTTPS has a path");
    }
    let server_name = server_name
        .as_deref()
        .and_then(|text| certificate_name(text, fields));
    let address = server_address(address, default_port(protocol));
    if address.is_none() {
        fields.fault(
            "address",
            "not an IP address with or without a port, such as 9.9.9.9:53 or [2620:fe::fe]:53",
        );
    }
    let protocol = match protocol {
        ResolverProtocol::Udp => DnsProtocol::Udp,
        ResolverProtocol::Tcp => DnsProtocol::Tcp,
        ResolverProtocol::Tls => DnsProtocol::Tls { server_name },
        ResolverProtocol::Https => DnsProtocol::Https {
            server_name,
            path: query_path(path.as_deref().unwrap_or(DEFAULT_PATH), fields),
        },
    };
    Some(NameServer {
        address: address?,
        protocol,
    })
}

fn default_port(protocol: ResolverProtocol) -> u16 {
    match protocol {
        ResolverProtocol::Udp | ResolverProtocol::Tcp => 53,
        ResolverProtocol::Tls => 853,
        ResolverProtocol::Https => 443,
    }
}

fn certificate_name(text: &str, fields: &mut SpecFields<'_>) -> Option<DnsName> {
    one_name(text)
        .map_err(|message| fields.fault("serverName", message))
        .ok()
}

/// Parses the path of DNS over HTTPS. Servers publish templates such as `/dns-query{?dns}` (RFC 8484 4.1); the part in
/// braces stands for a query parameter and is not part of the path.
fn query_path(text: &str, fields: &mut SpecFields<'_>) -> Arc<str> {
    let is_path = text.starts_with('/')
        && !text.contains(['{', '}', '?', '#'])
        && text.parse::<PathAndQuery>().is_ok();
    if !is_path {
        fields.fault("path", "not a path such as /dns-query");
    }
    text.into()
}

fn server_address(text: &str, default_port: u16) -> Option<SocketAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = text.parse().ok().or_else(|| {
        let address: IpAddr = bare.unwrap_or(text).parse().ok()?;
        Some(SocketAddr::new(address, default_port))
    });
    address.filter(|address| address.port() != 0)
}
