//! TLS as a client, of DNS servers and of upstreams: whom to trust, whom to ask for, and what went wrong.

use std::net::IpAddr;
use std::sync::Arc;

use egret_config::name::DnsName;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;

pub use roots::Roots;

mod roots;

/// What does the cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Whom the certificate has to be of: a name, or else an address.
pub(crate) fn peer(
    name: Option<&DnsName>,
    address: IpAddr,
) -> Result<ServerName<'static>, Arc<str>> {
    let Some(name) = name else {
        return Ok(ServerName::IpAddress(address.into()));
    };
    ServerName::try_from(name.as_str().to_owned())
        .map_err(|error| format!("{}: {error}", name.as_str()).into())
}
