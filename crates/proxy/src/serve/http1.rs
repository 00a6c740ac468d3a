//! Serves HTTP/1.1 and HTTP/1.0 on a client's connection.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use egret_config::snapshot::ConnectionLimits;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;

use crate::body::ResponseBody;
use crate::client::discard;
use crate::client::head_stream::HeadStream;
use crate::client::watch::WatchedStream;
use crate::downstream::{DownstreamConnection, early_refusal};
use crate::request;
use crate::side_future::SideFuture;
use crate::stream::ClientStream;
use crate::transfer::{HTTP1_BUFFER, ReceivedBody};
use crate::tunnel::{ClientSide, ReadyTunnel};

/// Number of header fields that hyper parses without a heap allocation; its default limit.
const HYPER_MAX_HEADERS: usize = 100;

/// Why HTTP is not served any more.
enum ServedHttp {
    /// The connection has ended, or becomes a tunnel.
    Ended(Option<ReadyTunnel>),
    /// The client has been quiet since the response to its last request.
    Quiet(ClientStream),
}

/// Serves the connection until it ends or becomes a tunnel.
pub(super) async fn serve(
    mut stream: ClientStream,
    connection: &Rc<DownstreamConnection>,
) -> Option<ReadyTunnel> {
    let _abandon = AbandonGuard(connection);
    loop {
        // Boxed, so that nothing of it is left while the connection dozes: neither hyper's buffers nor the future of the
        // last request.
        match Box::pin(serve_http(stream, connection)).await {
            ServedHttp::Ended(tunnel) => return tunnel,
            ServedHttp::Quiet(quiet) => stream = quiet,
        }
        if !doze(&stream, connection).await {
            return None;
        }
    }
}

/// Waits until the client sends more, or its connection is to end in order. Returns false if it timed out or broke.
async fn doze(stream: &ClientStream, connection: &DownstreamConnection) -> bool {
    let DownstreamConnection {
        client, context, ..
    } = connection;
    connection.memo.rest();
    let _counted = context.clients.dozing.hold();
    tokio::select! {
        biased;
        readable = stream.readable() => readable.is_ok(),
        () = context.shared.drain.draining() => true,
        () = client.watch.expired(client.limits()) => false,
    }
}

/// Serves HTTP on the connection until it ends, becomes a tunnel, or has been quiet for a while.
async fn serve_http(stream: ClientStream, connection: &Rc<DownstreamConnection>) -> ServedHttp {
    let service = {
        let connection = Rc::clone(connection);
        service_fn(move |request: Request<Incoming>| {
            let request = request.map(ReceivedBody::Http1);
            let (request, client) = request::begin(request, Rc::clone(&connection), None, None);
            // As it is: hyper keeps the future in one place, and one around it would have to be copied there.
            request::handle(request, client)
        })
    };
    let stream = TokioIo::new(WatchedStream {
        stream: HeadStream::new(stream, Rc::clone(&connection.client)),
        connection: Rc::clone(&connection.client),
    });
    let limits = connection.client.limits();
    let mut serving = builder(limits).serve_connection(stream, service);
    let expired = pin!(connection.client.watch.expired(limits));
    let mut expired = SideFuture::new(expired);
    let drain = pin!(connection.context.shared.drain.draining());
    let mut drain = SideFuture::new(drain);
    let quiet = pin!(connection.client.watch.quiet());
    let mut quiet = SideFuture::new(quiet);
    let mut graceful = false;
    let served = poll_fn(|cx| {
        if let Poll::Ready(served) = Pin::new(&mut serving).poll(cx) {
            return Poll::Ready(HttpEnd::Over(served));
        }
        // Only after the first poll, so that a request that has already arrived is served.
        if !graceful && drain.poll(cx).is_ready() {
            graceful = true;
            Pin::new(&mut serving).graceful_shutdown();
            return Pin::new(&mut serving).poll(cx).map(HttpEnd::Over);
        }
        if !graceful && quiet.poll(cx).is_ready() {
            return Poll::Ready(HttpEnd::Quiet);
        }
        expired.poll(cx).map(|()| HttpEnd::Expired)
    });
    match served.await {
        HttpEnd::Over(Ok(())) => ServedHttp::Ended(match connection.pending_tunnel.take() {
            Some(tunnel) => {
                let (stream, early) = taken_apart(serving);
                Some(ReadyTunnel {
                    tunnel,
                    client: ClientSide::Whole(stream),
                    early,
                    tunnels: Rc::clone(&connection.context.tunnels),
                })
            }
            None => {
                if connection.client.takes_no_more() {
                    let (stream, _) = taken_apart(serving);
                    Box::pin(discard::until_closed(stream)).await;
                }
                None
            }
        }),
        // The client broke off the connection or sent a malformed head, to which hyper has responded.
        HttpEnd::Over(Err(error)) => {
            early_refusal::record_head_error(connection, &error);
            if error.is_parse() {
                let (stream, _) = taken_apart(serving);
                Box::pin(discard::until_closed(stream)).await;
            }
            ServedHttp::Ended(None)
        }
        HttpEnd::Expired => ServedHttp::Ended(None),
        HttpEnd::Quiet => {
            let (mut stream, begun) = taken_apart(serving);
            // The beginning of a request may have come together with the one before.
            stream.unread(begun);
            ServedHttp::Quiet(stream)
        }
    }
}

/// Why hyper is not polled any more.
enum HttpEnd {
    /// It is done with the connection.
    Over(hyper::Result<()>),
    /// A timeout of the connection expired.
    Expired,
    /// The client is quiet.
    Quiet,
}

/// The stream of a connection, and what was read of it and not yet served.
fn taken_apart<S>(
    serving: http1::Connection<TokioIo<WatchedStream<HeadStream>>, S>,
) -> (ClientStream, Bytes)
where
    S: HttpService<Incoming, ResBody = ResponseBody, Error = Infallible>,
{
    let parts = serving.into_parts();
    let (stream, unread) = parts.io.into_inner().stream.into_parts();
    let unread = if unread.is_empty() {
        parts.read_buf
    } else {
        Bytes::from([parts.read_buf, unread].concat())
    };
    (stream, unread)
}

/// Drops a tunnel that is never run. The tunnel refers to the exchange, which refers to the connection, so that the
/// cycle would leak.
struct AbandonGuard<'a>(&'a DownstreamConnection);

impl Drop for AbandonGuard<'_> {
    fn drop(&mut self) {
        if let Some(tunnel) = self.0.pending_tunnel.take() {
            tunnel.abandon();
        }
    }
}

fn builder(limits: &ConnectionLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Without `pipeline_flush`: with it, a response is lost if the connection ends while bytes of a next request are
    // buffered.
    builder
        // A client may close its direction and read the answer; `client/presence.rs` looks whether it is gone.
        .half_close(true)
        .max_header_size(limits.max_head)
        .max_buf_size(HTTP1_BUFFER.max(limits.max_head))
        .header_read_timeout(None);
    if limits.max_header_fields != HYPER_MAX_HEADERS {
        builder.max_headers(limits.max_header_fields);
    }
    builder
}
