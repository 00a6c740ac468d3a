//! TLS as a client, of DNS servers and of upstreams: whom to trust, whom to ask for, and what went wrong.

use std::sync::Arc;

use egret_config::name::Host;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;

pub(crate) use clients::Clients;
pub use failure::TlsFailure;
pub use roots::Roots;

mod clients;
mod failure;
mod roots;
mod verify;

/// What does the cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A host as certificates name it.
pub(crate) fn server_name(host: &Host) -> Result<ServerName<'static>, Arc<str>> {
    match host {
        Host::Ip(ip) => Ok(ServerName::IpAddress((*ip).into())),
        Host::Name(name) => ServerName::try_from(name.as_str().to_owned())
            .map_err(|error| format!("{}: {error}", name.as_str()).into()),
    }
}
