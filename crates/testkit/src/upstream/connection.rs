//! The server's connections, from accept to close.

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

use super::Shared;
use super::answer::{Exchange, Unanswered, answer};
use super::body::BoxBody;
use super::tls::{self, TlsHandshake};

/// What answers the requests of a connection.
trait Answers:
    Service<
        Request<Incoming>,
        Response = Response<BoxBody>,
        Error = Unanswered,
        Future: Send + 'static,
    > + Send
{
}

impl<A> Answers for A where
    A: Service<
            Request<Incoming>,
            Response = Response<BoxBody>,
            Error = Unanswered,
            Future: Send + 'static,
        > + Send
{
}

/// Counts a connection as open while it lives.
struct Open<'a>(&'a Shared);

pub(super) async fn accept(
    listener: StdListener,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    tasks: Handle,
) {
    let listener = TcpListener::from_std(listener).expect("a listener of the runtime");
    while let Ok((stream, _)) = listener.accept().await {
        let number = shared.board.update(|state| {
            state.accepted += 1;
            state.open += 1;
            state.accepted
        });
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        let handle = tasks.clone();
        tasks.spawn(async move {
            let _open = Open(&shared);
            // An answer in two writes would wait for the other side's delayed acknowledgement.
            let _ = stream.set_nodelay(true);
            let Some(acceptor) = acceptor else {
                let http2 = shared.http2;
                return serve(stream, http2, number, (&shared, handle)).await;
            };
            if let Some(stream) = tls::accept(&acceptor, stream).await {
                let handshake = TlsHandshake::of(&stream);
                let http2 = handshake.alpn.as_deref() == Some("h2");
                shared
                    .board
                    .update(|state| state.handshakes.push(handshake));
                serve(stream, http2, number, (&shared, handle)).await;
            }
        });
    }
}

async fn serve<S>(stream: S, http2: bool, number: usize, (shared, tasks): (&Arc<Shared>, Handle))
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let nth = AtomicUsize::new(0);
    let theirs = Arc::clone(shared);
    let service = service_fn(move |request| {
        answer(Exchange {
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

async fn serve_http1<S, A>(stream: S, service: A, shared: &Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answers,
{
    let mut close = shared.close.subscribe();
    let connection = http1::Builder::new()
        .max_headers(1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            // First, so that an answer released after the bell says that it is the last.
            biased;
            Ok(()) = close.changed() => connection.as_mut().graceful_shutdown(),
            // How it ended is what the other side is tested for.
            _ = connection.as_mut() => break,
        }
    }
}

async fn serve_http2<S, A>(stream: S, service: A, shared: &Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Answers,
{
    let mut close = shared.close.subscribe();
    let http2 = shared.board.read(|state| state.http2);
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

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.board.update(|state| state.open -= 1);
    }
}
