//! Whom a request is for.

use std::sync::Arc;

use egret_config::name::{Host, Port};
use egret_config::resources::ObjectRef;
use egret_config::snapshot::{Alpn, HttpVersion, ResolverId, Scheme, UpstreamTls};

use crate::dial::tls::Expected;
use crate::tls::{Clients, TlsFailure, offered, server_name};

/// Which requests may share connections, limits and what is known of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DestinationKey {
    /// Scheme towards the upstream.
    pub(crate) scheme: Scheme,
    /// Host, canonical.
    pub(crate) host: Host,
    /// Port.
    pub(crate) port: Port,
    /// Who resolved the host: another resolver may know other addresses by the same name.
    pub(crate) resolver: ResolverId,
    /// The Backend, if a BackendConfigPolicy says how it is connected to.
    pub(crate) configured: Option<ObjectRef>,
    /// How TLS is spoken, if that is configured: what was opened under other settings is not shared, not even after a
    /// change of them.
    pub(crate) tls: Option<Arc<UpstreamTls>>,
    /// What HTTP is spoken; `Auto` is only what is agreed on over TLS.
    pub(crate) version: HttpVersion,
}

impl DestinationKey {
    /// What is offered there, if TLS is spoken.
    pub(crate) fn offered(&self) -> &[Alpn] {
        offered(self.tls.as_deref(), self.version)
    }

    /// Whom to expect there, if TLS is spoken.
    pub(crate) fn expected(&self, clients: &Clients) -> Result<Option<Expected>, TlsFailure> {
        if self.scheme == Scheme::Http {
            return Ok(None);
        }
        let expected = || {
            let name = self.tls.as_ref().and_then(|tls| tls.sni.as_ref());
            Ok(Expected {
                client: clients.get(self.tls.as_ref(), self.version)?,
                peer: match name {
                    Some(name) => server_name(&Host::Name(name.clone()))?,
                    None => server_name(&self.host)?,
                },
            })
        };
        expected().map(Some).map_err(TlsFailure::Settings)
    }
}

#[cfg(test)]
impl DestinationKey {
    /// Port 80 of a host, for tests.
    pub(crate) fn example(host: &str) -> Self {
        Self {
            scheme: Scheme::Http,
            host: host.parse().expect("a host"),
            port: Port::HTTP,
            resolver: ResolverId::System,
            configured: None,
            tls: None,
            version: HttpVersion::Http1,
        }
    }
}
