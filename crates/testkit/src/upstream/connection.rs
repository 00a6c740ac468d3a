//! The connections of a fake HTTP server, from accept to close.

use std::net::TcpListener as StdListener;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;

use super::UpstreamShared;
use super::answer::{AnswerError, RequestContext, answer};
use super::body::BoxBody;
use super::tls::{self, TlsHandshake};

/// The service that answers the requests of a connection.
trait AnswerService:
    Service<
        Request<Incoming>,
        Response = Response<BoxBody>,
        Error = AnswerError,
        Future: Send + 'static,
    > + Send
{
}

impl<A> AnswerService for A where
    A: Service<
            Request<Incoming>,
            Response = Response<BoxBody>,
            Error = AnswerError,
            Future: Send + 'static,
        > + Send
{
}

/// Counts a connection as open until dropped.
struct OpenGuard<'a>(&'a UpstreamShared);

pub(super) async fn accept(
    listener: StdListener,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<UpstreamShared>,
    tasks: Handle,
) {
    let listener = TcpListener::from_std(listener).expect("a listener of the runtime");
    while let Ok((stream, _)) = listener.accept().await {
        let number = shared.watched.update(|state| {
            state.accepted += 1;
            state.open += 1;
            state.accepted
        });
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        let handle = tasks.clone();
        tasks.spawn(async move {
            let _open = OpenGuard(&shared);
            // With Nagle's algorithm, an answer in two writes would wait for the peer's delayed acknowledgement.
            let _ = stream.set_nodelay(true);
            let Some(acceptor) = acceptor else {
                let http2 = shared.http2;
                return serve(stream, http2, number, (&shared, handle)).await;
            };
            if let Some(stream) = tls::accept(&acceptor, stream).await {
                let handshake = TlsHandshake::of(&stream);
                let http2 = handshake.alpn.as_deref() == Some("h2");
                shared
                    .watched
                    .update(|state| state.handshakes.push(handshake));
                serve(stream, http2, number, (&shared, handle)).await;
            }
        });
    }
}

async fn serve<S>(
    stream: S,
    http2: bool,
    number: usize,
    (shared, tasks): (&Arc<UpstreamShared>, Handle),
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let nth = AtomicUsize::new(0);
    let theirs = Arc::clone(shared);
    let service = service_fn(move |request| {
        answer(RequestContext {
            request,
            connection: number,
            nth: nth.fetch_add(1, Ordering::Relaxed) + 1,
            shared: Arc::clone(&theirs),
            tasks: tasks.clone(),
        })
    });
    if http2 {
        serve_http2(stream, service, shared).await;
    } else {
        serve_http1(stream, service, shared).await;
    }
}

async fn serve_http1<S, A>(stream: S, service: A, shared: &UpstreamShared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: AnswerService,
{
    let mut close = shared.close.subscribe();
    let connection = http1::Builder::new()
        .max_headers(1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            // Polled first, so that an answer released after `close_idle` announces that it is the last.
            biased;
            Ok(()) = close.changed() => connection.as_mut().graceful_shutdown(),
            // How the connection ends is checked at the other side.
            _ = connection.as_mut() => break,
        }
    }
}

async fn serve_http2<S, A>(stream: S, service: A, shared: &UpstreamShared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: AnswerService,
{
    let mut close = shared.close.subscribe();
    let http2 = shared.watched.read(|state| state.http2);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.max_concurrent_streams(http2.max_streams);
    if http2.extended_connect {
        builder.enable_connect_protocol();
    }
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            biased;
            Ok(()) = close.changed() => connection.as_mut().graceful_shutdown(),
            _ = connection.as_mut() => break,
        }
    }
}

impl Drop for OpenGuard<'_> {
    fn drop(&mut self) {
        self.0.watched.update(|state| state.open -= 1);
    }
}
