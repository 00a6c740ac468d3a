//! HTTP/2 on a connection: a task for each stream, each watched for itself.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use egret_config::snapshot::ConnectionLimits;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep, sleep_until};

use super::Connection;
use super::watch::Watched;
use crate::body::ResponseBody;
use crate::clock;
use crate::downstream::unread;
use crate::request;
use crate::stream::ClientStream;
use crate::task;

/// Octets that wait to be written, of each stream.
const SEND_BUFFER: usize = 256 * 1024;
/// Streams that a client may have reset before they were looked at (CVE-2023-44487); more end the connection.
const MAX_PENDING_RESETS: usize = 20;
/// Streams that a client may make us reset by breaking the protocol (CVE-2025-8671); more end the connection.
const MAX_LOCAL_RESETS: usize = 100;
/// How long a connection that is told to end may take to agree.
const GOODBYE: Duration = Duration::from_secs(5);

/// What one stream waits for. Its handler watches the time until the response's head, its bodies that between what comes
/// from the upstream; here it is about a client that does not take what it asked for.
#[derive(Default)]
pub(crate) struct StreamWatch {
    silence: Duration,
    /// Since when a piece of the response waits to be sent.
    blocked: Cell<Option<Instant>>,
    /// When the exchange must be over, if it must.
    deadline: Cell<Option<Instant>>,
    /// The client took nothing for too long.
    stalled: Cell<bool>,
    /// Rung when nothing more can be sent to the client.
    closed: Notify,
}

/// Runs the streams of a connection.
#[derive(Clone)]
struct Streams(Rc<Connection>);

impl StreamWatch {
    /// A piece of the response is there to be sent.
    pub(crate) fn gave(&self) {
        self.blocked.set(Some(clock::now()));
    }

    /// It was sent, and the next is asked for.
    pub(crate) fn asked(&self) {
        self.blocked.set(None);
    }

    /// The exchange must be over by then, even if the client takes nothing.
    pub(crate) fn must_end(&self, deadline: Instant) {
        self.deadline.set(Some(deadline));
    }

    /// Whether the client took nothing for too long.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled.get()
    }

    /// Ends when nothing more can be sent to the client by the tunnel that the stream became: it has ended that, or reset
    /// the stream.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }

    fn end(&self) -> Option<Instant> {
        let stalled = self.blocked.get()? + self.silence;
        let deadline = self.deadline.get();
        Some(deadline.map_or(stalled, |deadline| deadline.min(stalled)))
    }

    /// Ready when the client has taken too long.
    fn poll(&self, timer: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(end) = self.end() else {
                return Poll::Pending;
            };
            if clock::now() >= end {
                self.stalled.set(true);
                return Poll::Ready(());
            }
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(end.into())));
            if timer.is_elapsed() || timer.deadline() > end.into() {
                timer.as_mut().reset(end.into());
            }
            ready!(timer.as_mut().poll(cx));
        }
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        let connection = &self.0;
        if let Some(stream) = connection.opened.take() {
            return task::spawn(watched(future, stream));
        }
        // What writes for a tunnel, which is watched there.
        let stream = connection.tunnelled.take();
        task::spawn(async move {
            future.await;
            if let Some(stream) = stream {
                stream.closed.notify_one();
            }
        });
    }
}

/// Runs a stream to its end. One that is let go before is reset.
async fn watched(future: impl Future<Output = ()>, stream: Rc<StreamWatch>) {
    let mut future = pin!(future);
    let mut timer = None;
    poll_fn(|cx| {
        if future.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        stream.poll(&mut timer, cx)
    })
    .await;
}

/// Serves the connection to its end.
pub(super) async fn serve(stream: ClientStream, connection: &Rc<Connection>) {
    let service = {
        let connection = Rc::clone(connection);
        service_fn(move |request| {
            let stream = Rc::new(StreamWatch {
                silence: connection.silence(),
                ..StreamWatch::default()
            });
            // Whoever runs what is returned here takes it, before anything else happens.
            connection.opened.set(Some(Rc::clone(&stream)));
            answer(request, Rc::clone(&connection), stream)
        })
    };
    let stream = Watched {
        stream: TokioIo::new(stream),
        connection: Rc::clone(connection),
    };
    let limits = &connection.limits;
    let streams = Streams(Rc::clone(connection));
    let mut serving = builder(limits, streams).serve_connection(stream, service);
    let mut told = pin!(async {
        tokio::select! {
            () = connection.worker.shared.draining() => {}
            () = connection.retired.notified() => {}
            () = connection.watch.expired(limits) => {}
        }
    });
    let mut graceful = false;
    let mut goodbye = pin!(async {
        loop {
            sleep(GOODBYE).await;
            if connection.watch.is_quiet() {
                return;
            }
        }
    });
    let served = poll_fn(|cx| {
        if let Poll::Ready(served) = Pin::new(&mut serving).poll(cx) {
            return Poll::Ready(served);
        }
        if !graceful {
            ready!(told.as_mut().poll(cx));
            graceful = true;
            Pin::new(&mut serving).graceful_shutdown();
            if let Poll::Ready(served) = Pin::new(&mut serving).poll(cx) {
                return Poll::Ready(served);
            }
        }
        goodbye.as_mut().poll(cx).map(Ok)
    });
    // The client has been told already, as far as it listens.
    if let Err(error) = served.await {
        unread::tell_http2(connection, &error);
    }
}

async fn answer(
    request: Request<Incoming>,
    connection: Rc<Connection>,
    stream: Rc<StreamWatch>,
) -> Result<Response<ResponseBody>, Infallible> {
    let method = request.method().clone();
    let handled = request::handle(request, Rc::clone(&connection), Some(Rc::clone(&stream)));
    let mut response = handled.await?;
    leave_bodiless(&mut response, method == Method::HEAD);
    if method == Method::CONNECT && response.status().is_success() {
        // What writes for it is started next, before anything else happens.
        connection.tunnelled.set(Some(stream));
    }
    Ok(response)
}

/// Sends nothing after a head that nothing may follow (RFC 9110 6.4.1), where the HTTP library would. Of an upstream's
/// response nothing has come then.
fn leave_bodiless(response: &mut Response<ResponseBody>, is_head: bool) {
    let status = response.status();
    let has_none = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    if !is_head && !has_none {
        return;
    }
    if let Some(text) = response.body_mut().take_text().filter(|_| !has_none) {
        let length = HeaderValue::from(text.len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
}

fn builder(limits: &ConnectionLimits, streams: Streams) -> http2::Builder<Streams> {
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

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SILENCE: Duration = Duration::from_secs(60);

    fn watch() -> Rc<StreamWatch> {
        Rc::new(StreamWatch {
            silence: SILENCE,
            ..StreamWatch::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_loses_its_stream() {
        let stream = watch();
        let begin = clock::now();
        stream.gave();
        watched(std::future::pending(), Rc::clone(&stream)).await;
        assert_eq!(clock::now() - begin, SILENCE);
        assert!(stream.is_stalled());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_slowly_keeps_it() {
        let stream = watch();
        let begin = clock::now();
        let client = async {
            for _ in 0..5 {
                stream.gave();
                advance(SILENCE / 2).await;
                stream.asked();
            }
        };
        watched(client, Rc::clone(&stream)).await;
        assert_eq!(clock::now() - begin, SILENCE * 5 / 2);
        assert!(!stream.is_stalled());
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_it_before() {
        let stream = watch();
        let begin = clock::now();
        stream.gave();
        stream.must_end(begin + SILENCE / 4);
        watched(std::future::pending(), Rc::clone(&stream)).await;
        assert_eq!(clock::now() - begin, SILENCE / 4);
    }
}
