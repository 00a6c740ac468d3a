//! Serves HTTP/2 on a client's connection, with a task and a timeout of its own for each stream.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use egret_config::snapshot::ConnectionLimits;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::sleep;

use crate::body::ResponseBody;
use crate::client::stream_watch::{StreamWatch, watched};
use crate::client::watch::WatchedStream;
use crate::downstream::{DownstreamConnection, early_refusal};
use crate::message::response_head::has_no_content;
use crate::request;
use crate::stream::ClientStream;
use crate::task;

/// Size of the send buffer of each stream, in bytes.
const SEND_BUFFER: usize = 256 * 1024;
/// Streams that a client may reset before they are accepted (CVE-2023-44487); more end the connection.
const MAX_PENDING_RESETS: usize = 20;
/// Streams that the server may have to reset because of protocol errors of the client (CVE-2025-8671); more end the
/// connection.
const MAX_LOCAL_RESETS: usize = 100;
/// Time after GOAWAY after which a connection without streams is closed, even if the client keeps it open.
const GOAWAY_TIMEOUT: Duration = Duration::from_secs(5);

/// Spawns a task for each stream of a connection.
#[derive(Clone)]
struct StreamExecutor(Rc<DownstreamConnection>);

impl<F: Future<Output = ()> + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, future: F) {
        let connection = &self.0;
        if let Some(stream) = connection.client.opened.take() {
            return task::spawn(watched(future, stream));
        }
        // The task that writes for a tunnel. The tunnel has a timeout of its own.
        let stream = connection.client.tunnelled.take();
        task::spawn(async move {
            future.await;
            if let Some(stream) = stream {
                stream.close();
            }
        });
    }
}

/// Serves the connection until it ends.
pub(super) async fn serve(stream: ClientStream, connection: &Rc<DownstreamConnection>) {
    let service = {
        let connection = Rc::clone(connection);
        service_fn(move |request| {
            let client = &connection.client;
            let stream = StreamWatch::new(client.stream_idle_timeout());
            // The executor takes it when hyper spawns the returned future, before any other stream begins.
            client.opened.set(Some(Rc::clone(&stream)));
            respond(request, Rc::clone(&connection), stream)
        })
    };
    let stream = WatchedStream {
        stream: TokioIo::new(stream),
        connection: Rc::clone(&connection.client),
    };
    let limits = connection.client.limits();
    let streams = StreamExecutor(Rc::clone(connection));
    let mut serving = builder(limits, streams).serve_connection(stream, service);
    let mut shutdown = pin!(async {
        tokio::select! {
            () = connection.context.shared.drain.draining() => {}
            () = connection.client.go_away.notified() => {}
            () = connection.client.watch.expired(limits) => {}
        }
    });
    let mut graceful = false;
    let mut goaway_timeout = pin!(async {
        loop {
            sleep(GOAWAY_TIMEOUT).await;
            if connection.client.watch.is_quiet() {
                return;
            }
        }
    });
    let served = poll_fn(|cx| {
        if let Poll::Ready(served) = Pin::new(&mut serving).poll(cx) {
            return Poll::Ready(served);
        }
        if !graceful {
            ready!(shutdown.as_mut().poll(cx));
            graceful = true;
            Pin::new(&mut serving).graceful_shutdown();
            if let Poll::Ready(served) = Pin::new(&mut serving).poll(cx) {
                return Poll::Ready(served);
            }
        }
        goaway_timeout.as_mut().poll(cx).map(Ok)
    });
    // hyper has already sent the GOAWAY frame with the error.
    if let Err(error) = served.await {
        early_refusal::record_http2_error(connection, &error);
    }
}

async fn respond(
    request: Request<Incoming>,
    connection: Rc<DownstreamConnection>,
    stream: Rc<StreamWatch>,
) -> Result<Response<ResponseBody>, Infallible> {
    let method = request.method().clone();
    let handled = request::handle(request, Rc::clone(&connection), Some(Rc::clone(&stream)));
    let mut response = handled.await?;
    drop_body(&mut response, method == Method::HEAD);
    if method == Method::CONNECT && response.status().is_success() {
        // The executor takes it when hyper spawns the task that writes for the tunnel, which it does next.
        connection.client.tunnelled.set(Some(stream));
    }
    Ok(response)
}

/// Drops the body of a response that must not have one (RFC 9110 6.4.1), which hyper would send. The body of an upstream's
/// response is empty in these cases.
fn drop_body(response: &mut Response<ResponseBody>, is_head: bool) {
    let has_none = has_no_content(response.status());
    if !is_head && !has_none {
        return;
    }
    if let Some(text) = response.body_mut().take_text().filter(|_| !has_none) {
        let length = HeaderValue::from(text.len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
}

fn builder(limits: &ConnectionLimits, streams: StreamExecutor) -> http2::Builder<StreamExecutor> {
    let mut builder = http2::Builder::new(streams);
    let max_head = u32::try_from(limits.max_head).unwrap_or(u32::MAX);
    builder
        .max_concurrent_streams(limits.http2.max_concurrent_streams)
        .initial_stream_window_size(limits.http2.initial_stream_window)
        .initial_connection_window_size(limits.http2.initial_connection_window)
        .max_header_list_size(max_head)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .enable_connect_protocol();
    builder
}
