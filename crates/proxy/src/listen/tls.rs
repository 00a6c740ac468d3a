//! TLS of a client that ends here.

use std::io;

use rustls::HandshakeKind;
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::begin::{Tls, stopped};
use super::replay::Replay;
use crate::serve::{Origin, Secured};
use crate::telemetry::clock;
use crate::telemetry::metrics::handshakes::Handshake;
use crate::tls::agreed;
use crate::worker::Worker;

impl Tls {
    /// Shakes hands with the client. `None` if that fails: the client has been told why, as far as TLS allows.
    pub(super) async fn end(self, worker: &Worker) -> Option<(Box<TlsStream<Replay>>, Origin)> {
        let Self {
            stream,
            mut origin,
            listener,
            settings,
            until,
        } = self;
        let server = match worker.shared.servers.get(&settings) {
            Ok(server) => server,
            Err(why) => {
                tracing::error!(listener = listener.name, %why, "TLS cannot be ended");
                return None;
            }
        };
        let begin = clock::now();
        let shaking = TlsAcceptor::from(server).accept(stream);
        let shaken = tokio::select! {
            biased;
            shaken = timeout_at(until.into(), shaking) => shaken.map_err(|_| ()),
            () = stopped(worker) => Err(()),
        };
        let took = clock::now() - begin;
        let metrics = &worker.metrics.downstream_tls;
        let stream = match shaken.unwrap_or_else(|()| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => stream,
            Err(error) => {
                metrics.ended(Handshake::Failed, took);
                let client = origin.client;
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
        origin.tls = Some(Secured {
            alpn: agreed(session.alpn_protocol()),
            listener,
        });
        Some((Box::new(stream), origin))
    }
}
