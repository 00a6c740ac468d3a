//! Serves HTTP/2 on a client's connection, with a task and a timeout of its own for each stream.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use egret_config::snapshot::ConnectionLimits;
use h2::server::Builder;
use tokio::time::sleep;

use crate::client::watch::WatchedStream;
use crate::downstream::{DownstreamConnection, early_refusal};
use crate::side_future::SideFuture;
use crate::stream::ClientStream;
use refused_streams::{LedgerStream, StreamLedger};

mod date;
mod refused_streams;
mod response;
mod stream;

/// The largest frame that a client may send, in bytes; the default of HTTP/2.
const MAX_FRAME: u32 = 16 * 1024;
/// Size of the send buffer of each stream, in bytes.
const SEND_BUFFER: usize = 256 * 1024;
/// Streams that a client may reset before they are accepted (CVE-2023-44487); more end the connection.
const MAX_PENDING_RESETS: usize = 20;
/// Streams that the server may have to reset because of protocol errors of the client (CVE-2025-8671); more end the
/// connection.
const MAX_LOCAL_RESETS: usize = 100;
/// Time after GOAWAY after which a connection without streams is closed, even if the client keeps it open.
const GOAWAY_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves the connection until it ends.
pub(super) async fn serve(stream: ClientStream, connection: &Rc<DownstreamConnection>) {
    let client = &connection.client;
    let limits = client.limits();
    let (ledger, gate) = (Rc::new(StreamLedger::default()), Rc::default());
    let stream = WatchedStream {
        stream: LedgerStream::new(stream, Rc::clone(&ledger), Rc::clone(&gate)),
        connection: Rc::clone(client),
    };
    let begun = tokio::select! {
        begun = builder(limits).handshake(stream) => begun,
        () = client.watch.expired(limits) => return,
    };
    let mut serving = match begun {
        Ok(serving) => serving,
        Err(error) => return early_refusal::record_http2_error(connection, &error),
    };
    let shutdown = pin!(async {
        tokio::select! {
            () = connection.context.shared.drain.draining() => {}
            () = client.go_away.notified() => {}
            () = client.watch.expired(limits) => {}
        }
    });
    let mut shutdown = SideFuture::new(shutdown);
    let mut graceful = false;
    let mut goaway_timeout = pin!(async {
        loop {
            sleep(GOAWAY_TIMEOUT).await;
            if client.watch.is_quiet() {
                return;
            }
        }
    });
    let served = poll_fn(|cx| {
        loop {
            match serving.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, responder)))) => {
                    ledger.accepted(responder.stream_id().as_u32());
                    stream::begin(request, responder, connection, &gate);
                    continue;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => {}
            }
            for refused in ledger.refused() {
                let (refusal, status) = refused.told();
                early_refusal::record_head(connection, &refusal, status);
            }
            if graceful {
                return goaway_timeout.as_mut().poll(cx).map(Ok);
            }
            ready!(shutdown.poll(cx));
            graceful = true;
            serving.graceful_shutdown();
        }
    });
    // The GOAWAY frame with the error has been sent.
    if let Err(error) = served.await {
        early_refusal::record_http2_error(connection, &error);
    }
}

fn builder(limits: &ConnectionLimits) -> Builder {
    let mut builder = Builder::new();
    let max_head = u32::try_from(limits.max_head).unwrap_or(u32::MAX);
    builder
        .max_concurrent_streams(limits.http2.max_concurrent_streams)
        .initial_window_size(limits.http2.initial_stream_window)
        .initial_connection_window_size(limits.http2.initial_connection_window)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(max_head)
        .max_send_buffer_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(Some(MAX_LOCAL_RESETS))
        .enable_connect_protocol();
    builder
}
