//! Converts names and certificates of the configuration into the types of rustls.

use std::sync::Arc;

use egret_config::name::Host;
use egret_config::resources::ObjectRef;
use egret_config::snapshot::Certificate;
use rustls::pki_types::ServerName;
use rustls::{Error, RootCertStore};

/// A host as certificates name it.
///
/// # Errors
/// If certificates cannot name the host, with the reason.
pub(crate) fn server_name(host: &Host) -> Result<ServerName<'static>, Arc<str>> {
    match host {
        Host::Ip(ip) => Ok(ServerName::IpAddress((*ip).into())),
        Host::Name(name) => ServerName::try_from(name.as_str().to_owned())
            .map_err(|error| format!("{}: {error}", name.as_str()).into()),
    }
}

/// The CA certificates of the configuration as a store.
pub(super) fn ca_store(certificates: &[Certificate]) -> Result<Arc<RootCertStore>, Arc<str>> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store
            .add(certificate.0.clone())
            .map_err(|_| "ca.crt holds what is not a certificate of a CA")?;
    }
    Ok(Arc::new(store))
}

/// The text of the error that a certificate and its key caused.
pub(super) fn identity_error(secret: &ObjectRef, error: &Error) -> Arc<str> {
    let what = match error {
        Error::InconsistentKeys(_) => "tls.key is not the key of tls.crt",
        _ => "tls.crt or tls.key cannot be used",
    };
    format!("{secret}: {what}").into()
}
