//! The key of a destination: what has to be equal for two requests to share connections.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use egret_config::name::{Host, Port};
use egret_config::resources::{Kind, ObjectRef};
use egret_config::snapshot::{
    AlpnProtocol, BackendSettings, HttpVersion, ProxyVersion, ResolverId, Scheme, UpstreamProxy,
    UpstreamTls,
};

use crate::dial::tls::Expected;
use crate::proxy_protocol::ClientAddresses;
use crate::tls::{TlsClients, TlsContent, TlsFailure, offered_alpn, server_name};

/// The key under which connections, limits and the state of addresses are shared between requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DestinationKey {
    /// Scheme towards the upstream.
    pub(crate) scheme: Scheme,
    /// The host, in canonical form.
    pub(crate) host: Host,
    /// The port.
    pub(crate) port: Port,
    /// The resolver of the host. Another resolver may know other addresses for the same name.
    pub(crate) resolver: ResolverId,
    /// The Backend, if a BackendConfigPolicy configures its connections; a Service always.
    pub(crate) configured: Option<ObjectRef>,
    /// The TLS settings, if configured. A connection that was made under other settings is not shared, not even after a
    /// change of the settings.
    pub(crate) tls: Option<Arc<UpstreamTls>>,
    /// The HTTP version. `Auto` means that ALPN negotiates it.
    pub(crate) version: HttpVersion,
    /// The proxy that connections go through.
    pub(crate) proxy: Option<Arc<UpstreamProxy>>,
    /// What connections tell about the client (`upstreamProxyProtocol`). They are for this client alone. Boxed, because few
    /// destinations have it, and each request has a destination.
    pub(crate) announced: Option<Box<AnnouncedClient>>,
}

/// What the connections to a destination tell about the client in their PROXY protocol header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AnnouncedClient {
    pub(crate) version: ProxyVersion,
    /// `None` if the gateway sends requests of its own.
    pub(crate) client: Option<ClientAddresses>,
}

impl AnnouncedClient {
    /// What is told by these settings about this client; `None` if they tell nothing.
    pub(super) fn of(
        settings: &BackendSettings,
        client: Option<ClientAddresses>,
    ) -> Option<Box<Self>> {
        let version = settings.proxy_protocol?;
        Some(Box::new(Self { version, client }))
    }
}

/// Only what clients choose: of one host and port there are as many keys as the configuration has ways to reach it.
impl Hash for DestinationKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.host.hash(state);
        self.port.hash(state);
        self.announced.hash(state);
    }
}

impl DestinationKey {
    /// The destination for all clients, which share its limits and the health of its addresses.
    pub(crate) fn for_all_clients(&self) -> Cow<'_, Self> {
        match &self.announced {
            None => Cow::Borrowed(self),
            Some(_) => Cow::Owned(Self {
                announced: None,
                ..self.clone()
            }),
        }
    }

    /// Whether the host that is connected to is resolved. That of a Service is not: its endpoints are configured.
    pub(crate) fn is_resolved(&self) -> bool {
        if let Some(proxy) = &self.proxy {
            return !proxy.is_service;
        }
        let configured = self.configured.as_ref();
        configured.is_none_or(|object| object.kind != Kind::Service)
    }

    /// The host and port that are connected to: those of the proxy, if connections go through one.
    pub(crate) fn dialled(&self) -> (&Host, Port) {
        match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&self.host, self.port),
        }
    }

    /// The scheme by which the host that is connected to is looked up.
    pub(crate) fn dialled_scheme(&self) -> Scheme {
        match &self.proxy {
            Some(_) => Scheme::Http,
            None => self.scheme,
        }
    }

    /// The ALPN protocols to offer if the destination is reached over TLS.
    pub(crate) fn offered(&self) -> &[AlpnProtocol] {
        offered_alpn(self.tls.as_deref(), self.version)
    }

    /// The TLS client for HTTP and the peer's name, or `None` if the scheme is `http`.
    ///
    /// # Errors
    /// If the TLS settings cannot be used, or the name cannot be a server name.
    pub(crate) fn expected(&self, clients: &TlsClients) -> Result<Option<Expected>, TlsFailure> {
        self.expected_for(TlsContent::Http(self.version), clients)
    }

    /// The TLS client for a tunnel and the peer's name, or `None` if the scheme is `http`.
    ///
    /// # Errors
    /// As of [`DestinationKey::expected`].
    pub(crate) fn expected_by_tunnel(
        &self,
        clients: &TlsClients,
    ) -> Result<Option<Expected>, TlsFailure> {
        self.expected_for(TlsContent::Tunnel, clients)
    }

    /// The TLS client for the proxy and its name, or `None` if connections to it are plain ones.
    ///
    /// # Errors
    /// As of [`DestinationKey::expected`].
    pub(crate) fn expected_proxy(
        proxy: &UpstreamProxy,
        clients: &TlsClients,
    ) -> Result<Option<Expected>, TlsFailure> {
        let Some(tls) = &proxy.tls else {
            return Ok(None);
        };
        let content = TlsContent::Http(HttpVersion::Http1);
        let expected = expected(Some(tls), content, &proxy.host, clients);
        expected.map(Some).map_err(TlsFailure::Settings)
    }

    fn expected_for(
        &self,
        content: TlsContent,
        clients: &TlsClients,
    ) -> Result<Option<Expected>, TlsFailure> {
        if self.scheme == Scheme::Http {
            return Ok(None);
        }
        let expected = expected(self.tls.as_ref(), content, &self.host, clients);
        expected.map(Some).map_err(TlsFailure::Settings)
    }
}

fn expected(
    settings: Option<&Arc<UpstreamTls>>,
    content: TlsContent,
    host: &Host,
    clients: &TlsClients,
) -> Result<Expected, Arc<str>> {
    let name = settings.and_then(|tls| tls.sni.as_ref());
    Ok(Expected {
        client: clients.get(settings, content)?,
        peer: match name {
            Some(name) => server_name(&Host::Name(name.clone()))?,
            None => server_name(host)?,
        },
    })
}

#[cfg(test)]
impl DestinationKey {
    /// Builds the key of port 80 of a host, for tests.
    pub(crate) fn example(host: &str) -> Self {
        Self {
            scheme: Scheme::Http,
            host: host.parse().expect("a host"),
            port: Port::HTTP,
            resolver: ResolverId::System,
            configured: None,
            tls: None,
            version: HttpVersion::Http1,
            proxy: None,
            announced: None,
        }
    }
}
