//! From a connected socket to a connection that takes requests: TLS, if the destination is reached over it, and HTTP.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use egret_config::snapshot::{BackendSettings, HttpVersion, UpstreamProxy};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

use super::carrier::Carrier;
use super::connection::UpstreamConnection;
use super::connection_permit::ConnectionPermit;
use super::health::ObservedOutcome;
use super::host_pool::{HostPool, SharedDial};
use super::http1::Http1Socket;
use super::http2::{EndpointOrigin, Http2Connection, Http2Stream};
use super::limits::LimitPermit;
use super::stream::UpstreamStream;
use super::through_proxy;
use super::upstreams::Upstreams;
use crate::clock;
use crate::dial::failure::ConnectFailure;
use crate::dial::tls::{Expected, Secured, secure};
use crate::plan::destination::DestinationKey;
use crate::record::Trip;
use crate::refusal::Refusal;
use crate::task;
use crate::tls::HandshakeOutcome;

/// The setup of a connection on a connected socket.
pub(super) struct ConnectionSetup<'a> {
    pub(super) host_pool: &'a Rc<HostPool>,
    pub(super) settings: &'a BackendSettings,
    pub(super) upstreams: &'a Rc<Upstreams>,
    /// The trip of the request that waits for the connection, if one does.
    pub(super) trip: Option<&'a Trip>,
    /// Deadline for the setup.
    pub(super) until: Instant,
    /// Held until it is known whether the connection can be shared.
    pub(super) dialing: Option<Rc<SharedDial>>,
}

/// Both ends of a connection.
struct ConnectionEnds {
    peer: SocketAddr,
    local: Option<SocketAddr>,
}

impl ConnectionSetup<'_> {
    /// Sets up TLS and HTTP on a socket.
    ///
    /// # Errors
    /// [`Refusal::Tls`], [`Refusal::Connect`] and [`Refusal::Proxy`]. None is about the route to the address, which was connected to.
    pub(super) async fn open(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        expected: Option<Expected>,
        permit: LimitPermit,
    ) -> Result<UpstreamConnection, Refusal> {
        let carrier = self.announce(stream, peer).await?;
        let Some(expected) = expected else {
            let http2 = self.host_pool.state.destination.version == HttpVersion::Http2;
            return self.speak(carrier.into(), http2, peer, permit).await;
        };
        let (stream, http2) = self.secure(carrier, peer, expected).await?;
        self.host_pool.negotiated(http2);
        self.speak(stream, http2, peer, permit).await
    }

    /// Sends what connections to the destination begin with: a PROXY protocol header, or a CONNECT to a proxy.
    ///
    /// # Errors
    /// [`Refusal::Connect`]; [`Refusal::Proxy`] if the proxy makes no connection; [`Refusal::Tls`] of a proxy that is
    /// reached over TLS.
    pub(super) async fn announce(
        &self,
        mut stream: TcpStream,
        peer: SocketAddr,
    ) -> Result<Carrier, Refusal> {
        self.send_proxy_header(&mut stream).await?;
        match &self.host_pool.state.destination.proxy {
            None => Ok(Carrier::Socket(stream)),
            // Boxed, so that others do not pay for its size.
            Some(proxy) => Box::pin(self.go_through(proxy, stream, peer)).await,
        }
    }

    /// Asks a proxy for the connection to the destination.
    async fn go_through(
        &self,
        proxy: &UpstreamProxy,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Result<Carrier, Refusal> {
        let expected = DestinationKey::expected_proxy(proxy, &self.upstreams.shared.tls);
        let mut carrier = match expected.map_err(Refusal::Tls)? {
            None => Carrier::Socket(stream),
            Some(expected) => {
                let secured = self.shake_hands(stream, peer, expected).await?;
                Carrier::ProxyTls(Box::new(secured.stream))
            }
        };
        let destination = &self.host_pool.state.destination;
        let asked = through_proxy::ask(&mut carrier, proxy, destination);
        match timeout_at(self.until.into(), asked).await {
            Ok(asked) => asked.map(|()| carrier),
            Err(_) => Err(Refusal::Connect(ConnectFailure::Timeout)),
        }
    }

    async fn send_proxy_header(&self, stream: &mut TcpStream) -> Result<(), Refusal> {
        let Some(header) = self.host_pool.proxy_header() else {
            return Ok(());
        };
        let failure = match timeout_at(self.until.into(), stream.write_all(&header)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(_)) => ConnectFailure::Terminated,
            Err(_) => ConnectFailure::Timeout,
        };
        Err(Refusal::Connect(failure))
    }

    /// Sets up TLS with the destination. The second value is whether the two ends agreed on HTTP/2.
    ///
    /// # Errors
    /// [`Refusal::Tls`] and [`Refusal::Connect`], as of [`ConnectionSetup::open`].
    pub(super) async fn secure(
        &self,
        carrier: Carrier,
        peer: SocketAddr,
        expected: Expected,
    ) -> Result<(UpstreamStream, bool), Refusal> {
        match carrier {
            Carrier::Socket(stream) => {
                let Secured { stream, http2, .. } =
                    self.shake_hands(stream, peer, expected).await?;
                Ok((UpstreamStream::Tls(Box::new(stream)), http2))
            }
            Carrier::ProxyTls(stream) => {
                // Boxed, so that others do not pay for its size.
                let secured = Box::pin(self.shake_hands(stream, peer, expected)).await?;
                let Secured { stream, http2, .. } = secured;
                Ok((UpstreamStream::Nested(Box::new(stream)), http2))
            }
        }
    }

    /// Shakes hands at the other end of a stream.
    async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        peer: SocketAddr,
        expected: Expected,
    ) -> Result<Secured<S>, Refusal> {
        let begin = clock::now();
        let until = self.until.min(begin + self.settings.connect_timeout);
        let secured = secure(stream, expected, until).await;
        let took = clock::now() - begin;
        let metrics = &self.upstreams.metrics;
        let handshake = match &secured {
            Ok(secured) if secured.resumed => HandshakeOutcome::Resumed,
            Ok(_) => HandshakeOutcome::Full,
            Err(_) => HandshakeOutcome::Failed,
        };
        metrics.tls.ended(handshake, took);
        if let Some(trip) = self.trip {
            trip.secured(took);
        }
        secured.map_err(|failure| {
            if let Some(trip) = self.trip {
                trip.turned_away_from(peer);
            }
            let Self {
                host_pool,
                settings,
                ..
            } = self;
            let health = host_pool.health(peer, clock::now());
            let observed = ObservedOutcome::LocalFailure;
            host_pool
                .state
                .observe(&health, observed, settings, metrics);
            failure.into()
        })
    }

    /// Sets up HTTP.
    async fn speak(
        &self,
        stream: UpstreamStream,
        http2: bool,
        peer: SocketAddr,
        permit: LimitPermit,
    ) -> Result<UpstreamConnection, Refusal> {
        let open = ConnectionPermit::new(&self.upstreams.metrics, permit);
        let ends = ConnectionEnds {
            peer,
            local: stream.local_address(),
        };
        let spoken = if http2 {
            let stream = self.speak_http2(stream, ends, open).await;
            stream.map(UpstreamConnection::Http2).ok()
        } else {
            let socket = Http1Socket {
                stream,
                permit: open,
                peer,
                local: ends.local,
                health: self.host_pool.health(peer, clock::now()),
                served: 0,
            };
            let connection = socket.begin(self.settings.max_header_fields);
            Some(UpstreamConnection::Http1(connection))
        };
        spoken.ok_or(Refusal::Connect(ConnectFailure::Terminated))
    }

    /// Sets up HTTP/2, and shares the connection as soon as the peer's settings are known.
    async fn speak_http2(
        &self,
        stream: UpstreamStream,
        ConnectionEnds { peer, local }: ConnectionEnds,
        open: ConnectionPermit,
    ) -> Result<Http2Stream, h2::Error> {
        let place = EndpointOrigin {
            peer,
            local,
            health: self.host_pool.health(peer, clock::now()),
            host_pool: self.host_pool,
        };
        let shared = Http2Connection::begin(stream, open, &self.settings.http2, place).await?;
        let first = Http2Stream::new(Rc::clone(&shared));
        let (host_pool, dialing) = (Rc::clone(self.host_pool), self.dialing.clone());
        let limit = self.settings.connect_timeout;
        task::spawn(async move {
            if matches!(timeout(limit, shared.settings_received()).await, Ok(true)) {
                host_pool.share(shared);
            }
            drop(dialing);
        });
        Ok(first)
    }
}
