//! TLS of a client that ends here.

use std::net::SocketAddr;
use std::sync::Arc;

use egret_config::snapshot::{Listener, ServerTls};
use rustls::HandshakeKind;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::replay::Replay;
use crate::serve::Secured;
use crate::telemetry::clock;
use crate::telemetry::metrics::handshakes::Handshake;
use crate::tls::agreed;
use crate::worker::Worker;

/// Shakes hands with a client. `None` if that fails: the client has been told why, as far as TLS allows.
pub(super) async fn end(
    stream: Replay,
    client: SocketAddr,
    listener: &Arc<Listener>,
    settings: &Arc<ServerTls>,
    worker: &Worker,
) -> Option<(Box<TlsStream<Replay>>, Secured)> {
    let server = match worker.shared.servers.get(settings) {
        Ok(server) => server,
        Err(why) => {
            tracing::error!(listener = listener.name, %why, "TLS cannot be ended");
            return None;
        }
    };
    let begin = clock::now();
    let shaken = TlsAcceptor::from(server).accept(stream).await;
    let took = clock::now() - begin;
    let metrics = &worker.metrics.downstream_tls;
    let stream = match shaken {
        Ok(stream) => stream,
        Err(error) => {
            metrics.ended(Handshake::Failed, took);
            tracing::debug!(%client, listener = listener.name, %error, "a client failed at TLS");
            return None;
        }
    };
    let session = stream.get_ref().1;
    let handshake = match session.handshake_kind() {
        Some(HandshakeKind::Resumed) => Handshake::Resumed,
        _ => Handshake::Full,
    };
    metrics.ended(handshake, took);
    let secured = Secured {
        listener: Arc::clone(listener),
        alpn: agreed(session.alpn_protocol()),
    };
    Some((Box::new(stream), secured))
}
