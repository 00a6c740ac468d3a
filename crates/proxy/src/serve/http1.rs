//! Serves HTTP/1.1 and HTTP/1.0 on a client's connection.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use egret_config::snapshot::ConnectionLimits;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::client::discard;
use crate::client::head_stream::HeadStream;
use crate::client::watch::WatchedStream;
use crate::downstream::{DownstreamConnection, early_refusal};
use crate::request;
use crate::side_future::SideFuture;
use crate::stream::ClientStream;
use crate::transfer::ReceivedBody;
use crate::tunnel::{ClientSide, ReadyTunnel};

/// Size of the buffer for each direction of a connection, in bytes.
const BUFFER: usize = 64 * 1024;
/// Number of header fields that hyper parses without a heap allocation; its default limit.
const HYPER_MAX_HEADERS: usize = 100;

/// Serves the connection until it ends or becomes a tunnel.
pub(super) async fn serve(
    stream: ClientStream,
    connection: &Rc<DownstreamConnection>,
) -> Option<ReadyTunnel> {
    let _abandon = AbandonGuard(connection);
    let service = {
        let connection = Rc::clone(connection);
        service_fn(move |request: Request<Incoming>| {
            let request = request.map(ReceivedBody::Http1);
            // As it is: hyper keeps the future in one place, and one around it would have to be copied there.
            request::handle(request, Rc::clone(&connection), None, None)
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
    let mut graceful = false;
    let served = poll_fn(|cx| {
        if let Poll::Ready(served) = Pin::new(&mut serving).poll(cx) {
            return Poll::Ready(Some(served));
        }
        // Only after the first poll, so that a request that has already arrived is served.
        if !graceful && drain.poll(cx).is_ready() {
            graceful = true;
            Pin::new(&mut serving).graceful_shutdown();
            return Pin::new(&mut serving).poll(cx).map(Some);
        }
        expired.poll(cx).map(|()| None)
    });
    match served.await {
        Some(Ok(())) => {
            let Some(tunnel) = connection.pending_tunnel.take() else {
                if connection.client.takes_no_more() {
                    let (stream, _) = serving.into_parts().io.into_inner().stream.into_parts();
                    Box::pin(discard::until_closed(stream)).await;
                }
                return None;
            };
            let parts = serving.into_parts();
            let (stream, unread) = parts.io.into_inner().stream.into_parts();
            let early = if unread.is_empty() {
                parts.read_buf
            } else {
                Bytes::from([parts.read_buf, unread].concat())
            };
            Some(ReadyTunnel {
                tunnel,
                client: ClientSide::Whole(stream),
                early,
                tunnels: Rc::clone(&connection.context.tunnels),
            })
        }
        // The client broke off the connection or sent a malformed head, to which hyper has responded.
        Some(Err(error)) => {
            early_refusal::record_head_error(connection, &error);
            if error.is_parse() {
                let (stream, _) = serving.into_parts().io.into_inner().stream.into_parts();
                Box::pin(discard::until_closed(stream)).await;
            }
            None
        }
        None => None,
    }
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
        .max_buf_size(BUFFER.max(limits.max_head))
        .header_read_timeout(None);
    if limits.max_header_fields != HYPER_MAX_HEADERS {
        builder.max_headers(limits.max_header_fields);
    }
    builder
}
