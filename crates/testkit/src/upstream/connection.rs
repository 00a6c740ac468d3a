//! The server's connections, from accept to close.

use std::net::TcpListener as StdListener;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;

use super::Shared;
use super::answer::{Exchange, answer};
use super::tls::{self, TlsHandshake};

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
                return serve(stream, number, &shared, handle).await;
            };
            if let Some(stream) = tls::accept(&acceptor, stream).await {
                let handshake = TlsHandshake::of(&stream);
                shared
                    .board
                    .update(|state| state.handshakes.push(handshake));
                serve(stream, number, &shared, handle).await;
            }
        });
    }
}

async fn serve<S>(stream: S, number: usize, shared: &Arc<Shared>, tasks: Handle)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut close = shared.close.subscribe();
    let nth = AtomicUsize::new(0);
    let service = service_fn(|request| {
        answer(Exchange {
            request,
            connection: number,
            nth: nth.fetch_add(1, Ordering::Relaxed) + 1,
            shared: Arc::clone(shared),
            tasks: tasks.clone(),
        })
    });
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

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.board.update(|state| state.open -= 1);
    }
}
