//! HTTP/1.1 on a connection, until it ends or becomes a tunnel.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use egret_config::snapshot::ConnectionLimits;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::client::watch::WatchedStream;
use crate::downstream::{DownstreamConnection, early_refusal};
use crate::request;
use crate::stream::ClientStream;
use crate::tunnel::{ClientSide, ReadyTunnel};

/// Bytes that are buffered of one direction of a connection.
const BUFFER: usize = 64 * 1024;
/// How many header fields are read without a list on the heap.
const USUAL_FIELDS: usize = 100;

/// Serves the connection to its end, or until it becomes a tunnel.
pub(super) async fn serve(
    stream: ClientStream,
    connection: &Rc<DownstreamConnection>,
) -> Option<ReadyTunnel> {
    let _abandon = AbandonGuard(connection);
    let service = {
        let connection = Rc::clone(connection);
        service_fn(move |request| request::handle(request, Rc::clone(&connection), None))
    };
    let stream = WatchedStream {
        stream: TokioIo::new(stream),
        connection: Rc::clone(&connection.client),
    };
    let limits = connection.client.limits();
    let mut serving = builder(limits).serve_connection(stream, service);
    let mut expired = pin!(connection.client.watch.expired(limits));
    let mut drain = pin!(connection.context.shared.drain.draining());
    let mut graceful = false;
    let served = poll_fn(|cx| {
        if let Poll::Ready(served) = Pin::new(&mut serving).poll(cx) {
            return Poll::Ready(Some(served));
        }
        // After the first poll: a request that is there already is served.
        if !graceful && drain.as_mut().poll(cx).is_ready() {
            graceful = true;
            Pin::new(&mut serving).graceful_shutdown();
            return Pin::new(&mut serving).poll(cx).map(Some);
        }
        expired.as_mut().poll(cx).map(|()| None)
    });
    match served.await {
        Some(Ok(())) => {
            let tunnel = connection.then.take()?;
            let parts = serving.into_parts();
            Some(ReadyTunnel {
                tunnel,
                client: ClientSide::Whole(parts.io.stream.into_inner()),
                early: parts.read_buf,
                tunnels: Rc::clone(&connection.context.tunnels),
            })
        }
        // An error is the client's: it broke off, or sent what is not HTTP, and hyper has answered that.
        Some(Err(error)) => {
            early_refusal::head_refused(connection, &error);
            None
        }
        None => None,
    }
}

/// A tunnel refers to the exchange and so to the connection: one that is never run must not stay there.
struct AbandonGuard<'a>(&'a DownstreamConnection);

impl Drop for AbandonGuard<'_> {
    fn drop(&mut self) {
        if let Some(tunnel) = self.0.then.take() {
            tunnel.abandon();
        }
    }
}

fn builder(limits: &ConnectionLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Not `pipeline_flush`: with it, an answer is lost if the connection ends while bytes of a next request are there.
    builder
        .max_header_size(limits.max_head)
        .max_buf_size(BUFFER.max(limits.max_head))
        .header_read_timeout(None);
    if limits.max_header_fields != USUAL_FIELDS {
        builder.max_headers(limits.max_header_fields);
    }
    builder
}
