//! The protocols: how a connection to a server is made, and how a request is put on it.

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

use super::https::{self, Posting};
use super::link::Trouble;
use crate::tls::{self, RootCertificates};

/// Most questions under way over one connection; the cache bounds how many there are.
const MAX_ACTIVE: usize = 8192;

/// Where a server is, and how it is spoken to.
pub(super) struct Route {
    address: SocketAddr,
    /// After which the protocol itself gives up.
    timeout: Duration,
    speech: Speech,
}

enum Speech {
    Udp,
    Tcp,
    Tls(Tls),
    Https(Tls, Uri),
    /// What is said in place of any answer.
    Impossible(Arc<str>),
}

struct Tls {
    peer: ServerName<'static>,
    client: Arc<ClientConfig>,
}

/// A connection that is open; for UDP, what opens a socket for each packet.
pub(super) enum Connection {
    Dns(DnsExchange<TokioRuntimeProvider>),
    Https(Posting),
}

impl Route {
    pub(super) fn new(server: &NameServer, timeout: Duration, roots: &RootCertificates) -> Self {
        let speech = match &server.protocol {
            DnsProtocol::Udp => Speech::Udp,
            DnsProtocol::Tcp => Speech::Tcp,
            DnsProtocol::Tls { .. } | DnsProtocol::Https { .. } => {
                encrypted(server, roots).unwrap_or_else(Speech::Impossible)
            }
        };
        Self {
            address: server.address,
            timeout,
            speech,
        }
    }

    /// For what did not fit into a datagram.
    pub(super) const fn tcp(address: SocketAddr, timeout: Duration) -> Self {
        Self {
            address,
            timeout,
            speech: Speech::Tcp,
        }
    }

    /// Whether there is a connection that can end.
    pub(super) const fn is_stream(&self) -> bool {
        !matches!(self.speech, Speech::Udp)
    }

    pub(super) async fn connect(
        &self,
        provider: &TokioRuntimeProvider,
    ) -> Result<Connection, Trouble> {
        match &self.speech {
            Speech::Udp => Ok(Connection::Dns(
                UdpClientStream::builder(self.address, provider.clone())
                    .with_timeout(Some(self.timeout))
                    .exchange(),
            )),
            Speech::Tcp => {
                let stream = self.connect_tcp(provider).await?;
                Ok(self.multiplex(stream, provider))
            }
            Speech::Tls(tls) => {
                let stream = self.connect_tls(tls, provider).await?;
                Ok(self.multiplex(AsyncIoTokioAsStd(stream), provider))
            }
            Speech::Https(tls, uri) => {
                let stream = self.connect_tls(tls, provider).await?;
                if stream.get_ref().1.alpn_protocol() != Some(https::ALPN) {
                    return Err(Trouble::Nonsense("the server does not speak HTTP/2".into()));
                }
                let posting = Posting::begin(stream, uri.clone()).await?;
                Ok(Connection::Https(posting))
            }
            Speech::Impossible(why) => Err(Trouble::Nonsense(why.to_string())),
        }
    }

    async fn connect_tcp(
        &self,
        provider: &TokioRuntimeProvider,
    ) -> Result<AsyncIoTokioAsStd<tokio::net::TcpStream>, Trouble> {
        let connecting = provider.connect_tcp(self.address, None, Some(self.timeout));
        connecting
            .await
            .map_err(|error| trouble("no connection", &error))
    }

    async fn connect_tls(
        &self,
        tls: &Tls,
        provider: &TokioRuntimeProvider,
    ) -> Result<TlsStream<tokio::net::TcpStream>, Trouble> {
        let stream = self.connect_tcp(provider).await?.0;
        TlsConnector::from(Arc::clone(&tls.client))
            .connect(tls.peer.clone(), stream)
            .await
            .map_err(|error| trouble("no TLS connection", &error))
    }

    /// Runs DNS on a stream, any number of questions at once (RFC 7766 6.2.1.1); a task drives it.
    fn multiplex<S: hickory_net::runtime::DnsTcpStream>(
        &self,
        stream: S,
        provider: &TokioRuntimeProvider,
    ) -> Connection {
        let (handle, outbound) = BufDnsStreamHandle::new(self.address);
        let stream = TcpStream::from_stream_with_receiver(stream, self.address, outbound);
        let stream = TcpClientStream::from_stream(stream);
        let multiplexer = DnsMultiplexer::new(stream, handle)
            .with_timeout(self.timeout)
            .with_max_active_requests(MAX_ACTIVE);
        let (exchange, driving) = DnsExchange::from_stream(multiplexer);
        provider.create_handle().spawn_bg(driving);
        Connection::Dns(exchange)
    }
}

fn encrypted(server: &NameServer, roots: &RootCertificates) -> Result<Speech, Arc<str>> {
    let tls = |name: Option<&DnsName>, alpn| {
        Ok::<_, Arc<str>>(Tls {
            peer: tls::server_name(&match name {
                Some(name) => Host::Name(DnsName::clone(name)),
                None => Host::Ip(server.address.ip()),
            })?,
            client: client(roots, alpn)?,
        })
    };
    match &server.protocol {
        DnsProtocol::Udp => Ok(Speech::Udp),
        DnsProtocol::Tcp => Ok(Speech::Tcp),
        DnsProtocol::Tls { server_name } => Ok(Speech::Tls(tls(server_name.as_ref(), None)?)),
        DnsProtocol::Https { server_name, path } => {
            let name = server_name.as_ref();
            let uri = https::uri(server.address, name, path)
                .map_err(|error| Arc::from(format!("{path}: {error}")))?;
            Ok(Speech::Https(tls(name, Some(https::ALPN))?, uri))
        }
    }
}

/// A client that trusts these CAs and offers this protocol (RFC 7301), if one is given.
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

impl Connection {
    pub(super) async fn send(&self, request: DnsRequest) -> Result<Message, Trouble> {
        match self {
            Self::Dns(exchange) => match exchange.send(request).first_answer().await {
                Ok(response) => Ok(response.into_message()),
                Err(NetError::Timeout) => Err(Trouble::Timeout),
                Err(NetError::Proto(error)) => Err(Trouble::Nonsense(error.to_string())),
                Err(NetError::Io(error)) => Err(Trouble::Closed(error.to_string())),
                Err(error) => Err(Trouble::Closed(error.to_string())),
            },
            Self::Https(posting) => {
                let nonsense = |error: &dyn std::fmt::Display| Trouble::Nonsense(error.to_string());
                // The id is 0, so that caches between may answer (RFC 8484 4.1).
                let (mut query, _) = request.into_parts();
                query.metadata.id = 0;
                let query = query.to_vec().map_err(|error| nonsense(&error))?;
                let response = posting.post(query).await?;
                let response = Message::from_vec(&response).map_err(|error| nonsense(&error))?;
                if response.metadata.id != 0 {
                    return Err(nonsense(&"the response has another id"));
                }
                Ok(response)
            }
        }
    }
}

/// Errors of TLS are told in words already, and come as errors of I/O.
fn trouble(what: &str, error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::TimedOut => Trouble::Timeout,
        // The certificate is not right, or it is not TLS that is spoken.
        io::ErrorKind::InvalidData => Trouble::Nonsense(format!("{what}: {error}")),
        _ => Trouble::Closed(format!("{what}: {error}")),
    }
}
