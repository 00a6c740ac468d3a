//! Connections to servers over each protocol: UDP, TCP, TLS and HTTPS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use egret_config::name::{DnsName, Host};
use egret_config::snapshot::{DnsProtocol, NameServer};
use hickory_net::NetError;
use hickory_net::runtime::iocompat::AsyncIoTokioAsStd;
use hickory_net::runtime::{RuntimeProvider, Spawn, TokioRuntimeProvider};
use hickory_net::tcp::{TcpClientStream, TcpStream};
use hickory_net::udp::UdpClientStream;
use hickory_net::xfer::{BufDnsStreamHandle, DnsExchange, DnsHandle, DnsMultiplexer, FirstAnswer};
use hickory_proto::op::{DnsRequest, Message};
use http::Uri;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::doh::{self, DohConnection};
use super::error::TransportError;
use crate::tls::{self, RootCertificates};

/// The most queries in flight on one connection. It is never reached, because the cache bounds how many queries there are.
const MAX_QUERIES: usize = 8192;

/// The address of a server, and the protocol to query it over.
pub(super) struct ServerEndpoint {
    address: SocketAddr,
    /// The timeout of the protocol layer.
    timeout: Duration,
    transport: DnsTransport,
}

enum DnsTransport {
    Udp,
    Tcp,
    Tls(TlsTarget),
    Https(TlsTarget, Uri),
    /// The settings cannot be used, for this reason.
    Unusable(Arc<str>),
}

struct TlsTarget {
    peer: ServerName<'static>,
    client: Arc<ClientConfig>,
}

/// An open connection. Over UDP, every query has a socket of its own.
pub(super) enum DnsConnection {
    Dns(DnsExchange<TokioRuntimeProvider>),
    Https(DohConnection),
}

impl ServerEndpoint {
    pub(super) fn new(server: &NameServer, timeout: Duration, roots: &RootCertificates) -> Self {
        let transport = match &server.protocol {
            DnsProtocol::Udp => DnsTransport::Udp,
            DnsProtocol::Tcp => DnsTransport::Tcp,
            DnsProtocol::Tls { .. } | DnsProtocol::Https { .. } => {
                encrypted(server, roots).unwrap_or_else(DnsTransport::Unusable)
            }
        };
        Self {
            address: server.address,
            timeout,
            transport,
        }
    }

    /// The endpoint for responses that did not fit into a datagram.
    pub(super) const fn tcp(address: SocketAddr, timeout: Duration) -> Self {
        Self {
            address,
            timeout,
            transport: DnsTransport::Tcp,
        }
    }

    /// Whether the protocol has connections, which can end.
    pub(super) const fn is_stream(&self) -> bool {
        !matches!(self.transport, DnsTransport::Udp)
    }

    pub(super) async fn connect(
        &self,
        provider: &TokioRuntimeProvider,
    ) -> Result<DnsConnection, TransportError> {
        match &self.transport {
            DnsTransport::Udp => Ok(DnsConnection::Dns(
                UdpClientStream::builder(self.address, provider.clone())
                    .with_timeout(Some(self.timeout))
                    .exchange(),
            )),
            DnsTransport::Tcp => {
                let stream = self.connect_tcp(provider).await?;
                Ok(self.multiplex(stream, provider))
            }
            DnsTransport::Tls(tls) => {
                let stream = self.connect_tls(tls, provider).await?;
                Ok(self.multiplex(AsyncIoTokioAsStd(stream), provider))
            }
            DnsTransport::Https(tls, uri) => {
                let stream = self.connect_tls(tls, provider).await?;
                if stream.get_ref().1.alpn_protocol() != Some(doh::ALPN) {
                    return Err(TransportError::Protocol(
                        "the server does not speak HTTP/2".into(),
                    ));
                }
                let connection = DohConnection::connect(stream, uri.clone()).await?;
                Ok(DnsConnection::Https(connection))
            }
            DnsTransport::Unusable(why) => Err(TransportError::Protocol(why.to_string())),
        }
    }

    async fn connect_tcp(
        &self,
        provider: &TokioRuntimeProvider,
    ) -> Result<AsyncIoTokioAsStd<tokio::net::TcpStream>, TransportError> {
        let connecting = provider.connect_tcp(self.address, None, Some(self.timeout));
        connecting
            .await
            .map_err(|error| transport_error("no connection", &error))
    }

    async fn connect_tls(
        &self,
        tls: &TlsTarget,
        provider: &TokioRuntimeProvider,
    ) -> Result<TlsStream<tokio::net::TcpStream>, TransportError> {
        let stream = self.connect_tcp(provider).await?.0;
        TlsConnector::from(Arc::clone(&tls.client))
            .connect(tls.peer.clone(), stream)
            .await
            .map_err(|error| transport_error("no TLS connection", &error))
    }

    /// Runs DNS on a stream, with any number of queries at once (RFC 7766 6.2.1.1). A task drives the connection.
    fn multiplex<S: hickory_net::runtime::DnsTcpStream>(
        &self,
        stream: S,
        provider: &TokioRuntimeProvider,
    ) -> DnsConnection {
        let (handle, outbound) = BufDnsStreamHandle::new(self.address);
        let stream = TcpStream::from_stream_with_receiver(stream, self.address, outbound);
        let stream = TcpClientStream::from_stream(stream);
        let multiplexer = DnsMultiplexer::new(stream, handle)
            .with_timeout(self.timeout)
            .with_max_active_requests(MAX_QUERIES);
        let (exchange, driving) = DnsExchange::from_stream(multiplexer);
        provider.create_handle().spawn_bg(driving);
        DnsConnection::Dns(exchange)
    }
}

fn encrypted(server: &NameServer, roots: &RootCertificates) -> Result<DnsTransport, Arc<str>> {
    let tls = |name: Option<&DnsName>, alpn| {
        Ok::<_, Arc<str>>(TlsTarget {
            peer: tls::server_name(&match name {
                Some(name) => Host::Name(DnsName::clone(name)),
                None => Host::Ip(server.address.ip()),
            })?,
            client: client(roots, alpn)?,
        })
    };
    match &server.protocol {
        DnsProtocol::Udp => Ok(DnsTransport::Udp),
        DnsProtocol::Tcp => Ok(DnsTransport::Tcp),
        DnsProtocol::Tls { server_name } => Ok(DnsTransport::Tls(tls(server_name.as_ref(), None)?)),
        DnsProtocol::Https { server_name, path } => {
            let name = server_name.as_ref();
            let uri = doh::uri(server.address, name, path)
                .map_err(|error| Arc::from(format!("{path}: {error}")))?;
            Ok(DnsTransport::Https(tls(name, Some(doh::ALPN))?, uri))
        }
    }
}

/// A TLS client that trusts these CAs and offers this protocol (RFC 7301), if one is given.
fn client(roots: &RootCertificates, alpn: Option<&[u8]>) -> Result<Arc<ClientConfig>, Arc<str>> {
    let builder = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| Arc::from(error.to_string()))?;
    let mut client = builder
        .with_root_certificates(roots.store()?)
        .with_no_client_auth();
    client.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
    Ok(Arc::new(client))
}

impl DnsConnection {
    pub(super) async fn send(&self, request: DnsRequest) -> Result<Message, TransportError> {
        match self {
            Self::Dns(exchange) => match exchange.send(request).first_answer().await {
                Ok(response) => Ok(response.into_message()),
                Err(NetError::Timeout) => Err(TransportError::Timeout),
                Err(NetError::Proto(error)) => Err(TransportError::Protocol(error.to_string())),
                Err(NetError::Io(error)) => Err(TransportError::Closed(error.to_string())),
                Err(error) => Err(TransportError::Closed(error.to_string())),
            },
            Self::Https(connection) => {
                let protocol =
                    |error: &dyn std::fmt::Display| TransportError::Protocol(error.to_string());
                // The id is 0, so that HTTP caches can answer (RFC 8484 4.1).
                let (mut query, _) = request.into_parts();
                query.metadata.id = 0;
                let query = query.to_vec().map_err(|error| protocol(&error))?;
                // Boxed, so that queries over other protocols pay nothing for it.
                let response = Box::pin(connection.post(query)).await?;
                let response = Message::from_vec(&response).map_err(|error| protocol(&error))?;
                if response.metadata.id != 0 {
                    return Err(protocol(&"the response has another id"));
                }
                Ok(response)
            }
        }
    }
}

/// The error of connecting, with `what` before it. Errors of TLS come as I/O errors with a readable text.
fn transport_error(what: &str, error: &io::Error) -> TransportError {
    match error.kind() {
        io::ErrorKind::TimedOut => TransportError::Timeout,
        // The certificate is not valid, or the server does not speak TLS.
        io::ErrorKind::InvalidData => TransportError::Protocol(format!("{what}: {error}")),
        _ => TransportError::Closed(format!("{what}: {error}")),
    }
}
