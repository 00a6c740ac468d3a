//! HTTP on a client's connection: which version it is, and the service of it.

use std::rc::Rc;

use egret_config::snapshot::AlpnProtocol;
use tokio::io::AsyncRead;
use tokio::time::timeout;

use crate::client::watch::HEAD_TIMEOUT;
use crate::client::{ClientConnection, ConnectionOrigin, HttpConnection};
use crate::context::WorkerContext;
use crate::downstream::DownstreamConnection;
use crate::stream::{ClientStream, ReplayStream};
use crate::tunnel::ReadyTunnel;
use preface::ClientPreface;

mod http1;
mod http2;
mod preface;

/// Serves the connection to its end, or until it becomes a tunnel.
pub(crate) async fn connection(
    mut stream: ClientStream,
    origin: ConnectionOrigin,
    context: Rc<WorkerContext>,
) -> Option<ReadyTunnel> {
    let agreed = origin.tls.as_ref().and_then(|tls| tls.alpn);
    let http = match (&mut stream, agreed) {
        (ClientStream::Plain(stream), _) => begun(stream, &context).await?.http(),
        (ClientStream::Tls(stream), Some(AlpnProtocol::H2)) => {
            match begun(stream.as_mut(), &context).await? {
                // Go's net/http agrees to HTTP/2 with a proxy, and then speaks the other to it.
                ClientPreface::Connect => HttpConnection::Http1,
                ClientPreface::Http1 | ClientPreface::Http2 => HttpConnection::Http2,
            }
        }
        // Without a word about it HTTP/1.1 is spoken (RFC 9113 3.2).
        (ClientStream::Tls(_), Some(AlpnProtocol::Http11) | None) => HttpConnection::Http1,
    };
    let client = ClientConnection::new(origin, http);
    let connection = DownstreamConnection::new(client, context);
    match http {
        HttpConnection::Http1 => http1::serve(stream, &connection).await,
        HttpConnection::Http2 => {
            http2::serve(stream, &connection).await;
            None
        }
    }
}

/// What a client has begun with. `None` if it leaves before that is clear.
async fn begun<S>(stream: &mut ReplayStream<S>, context: &WorkerContext) -> Option<ClientPreface>
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
