//! Serves HTTP on a client's connection, in the version that ALPN or the client's first bytes select.

use std::rc::Rc;

use egret_config::snapshot::AlpnProtocol;
use tokio::io::AsyncRead;
use tokio::time::timeout;

use crate::client::watch::HEAD_TIMEOUT;
use crate::client::{ClientConnection, ConnectionOrigin, ConnectionProtocol, HttpConnection};
use crate::context::WorkerContext;
use crate::downstream::DownstreamConnection;
use crate::stream::{ClientStream, ReplayStream};
use crate::tunnel::ReadyTunnel;
use preface::ClientPreface;

mod foreign;
mod http1;
mod http2;
mod preface;

/// A connection with which HTTP begins.
pub(crate) struct HttpService {
    stream: ClientStream,
    connection: Rc<DownstreamConnection>,
    http: HttpConnection,
}

impl HttpService {
    /// Finds out the version of HTTP. `None` if the connection ends, or is refused, before.
    pub(crate) async fn begin(
        mut stream: ClientStream,
        origin: ConnectionOrigin,
        context: Rc<WorkerContext>,
    ) -> Option<Self> {
        let agreed = origin.tls.as_ref().and_then(|tls| tls.alpn);
        let http = match (&mut stream, agreed) {
            (ClientStream::Plain(stream), _) => {
                match read_preface(stream, &context).await?.http() {
                    Ok(http) => http,
                    Err(protocol) => {
                        foreign::refuse(stream, protocol, &origin, &context).await;
                        return None;
                    }
                }
            }
            (ClientStream::Tls(stream), Some(AlpnProtocol::H2)) => {
                match read_preface(stream.as_mut(), &context).await? {
                    // Go's net/http agrees on HTTP/2 with a proxy, and then sends a CONNECT of HTTP/1.1.
                    ClientPreface::Connect => HttpConnection::Http1,
                    ClientPreface::Http1 | ClientPreface::Http2 | ClientPreface::Foreign(_) => {
                        HttpConnection::Http2
                    }
                }
            }
            // Without ALPN the protocol is HTTP/1.1 (RFC 9113 3.2).
            (ClientStream::Tls(_), Some(AlpnProtocol::Http11) | None) => HttpConnection::Http1,
        };
        let client = ClientConnection::new(origin, http);
        let protocol = match http {
            HttpConnection::Http1 => ConnectionProtocol::Http1,
            HttpConnection::Http2 => ConnectionProtocol::Http2,
        };
        context.open_connections.register(&client, protocol);
        Some(Self {
            stream,
            connection: DownstreamConnection::new(client, context),
            http,
        })
    }

    /// Serves the connection until it ends or becomes a tunnel.
    pub(crate) async fn run(self) -> Option<ReadyTunnel> {
        let Self {
            stream,
            connection,
            http,
        } = self;
        match http {
            HttpConnection::Http1 => http1::serve(stream, &connection).await,
            HttpConnection::Http2 => {
                // Boxed, so that connections over HTTP/1.1 do not pay for its size.
                Box::pin(http2::serve(stream, &connection)).await;
                None
            }
        }
    }
}

/// Reads the client's first bytes. `None` if the connection ends, or times out, before they tell the HTTP version.
async fn read_preface<S>(
    stream: &mut ReplayStream<S>,
    context: &WorkerContext,
) -> Option<ClientPreface>
where
    S: AsyncRead + Unpin,
{
    let read = tokio::select! {
        biased;
        read = timeout(HEAD_TIMEOUT, preface::read(stream)) => read,
        () = context.shared.drain.draining() => return None,
    };
    let (begun, read) = read.ok()?.ok()?;
    if read.is_empty() {
        return None;
    }
    stream.unread(read);
    Some(begun)
}
