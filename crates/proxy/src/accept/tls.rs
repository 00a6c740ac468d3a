//! TLS of a client that ends here.

use std::io;
use std::rc::Rc;

use rustls::HandshakeKind;
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::begin::{Tls, stopped};
use crate::clock;
use crate::downstream::unread;
use crate::refusal::Refusal;
use crate::serve::{Origin, Secured};
use crate::stream::ReplayStream;
use crate::telemetry::metrics::handshakes::Handshake;
use crate::tls::negotiated_alpn;
use crate::worker::Worker;

impl Tls {
    /// Shakes hands with the client. `None` if that fails: the client has been told why, as far as TLS allows.
    pub(super) async fn end(
        self,
        worker: &Rc<Worker>,
    ) -> Option<(TlsStream<ReplayStream>, Origin)> {
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
            shaken = timeout_at(until.into(), shaking) => match shaken {
                Ok(shaken) => shaken.map_err(|error| refusal(&error)),
                Err(_) => Err(Some(Refusal::HandshakeTimeout)),
            },
            () = stopped(worker) => Err(None),
        };
        let took = clock::now() - begin;
        let metrics = &worker.metrics.downstream_tls;
        let stream = match shaken {
            Ok(stream) => stream,
            Err(refusal) => {
                metrics.ended(Handshake::Failed, took);
                if let Some(refusal) = refusal {
                    unread::refused(&origin, &refusal, worker);
                }
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
            alpn: negotiated_alpn(session.alpn_protocol()),
            listener,
        });
        Some((stream, origin))
    }
}

/// What is told of a handshake that failed. A client that has left, as it may, is none.
fn refusal(error: &io::Error) -> Option<Refusal> {
    (error.kind() == io::ErrorKind::InvalidData).then(|| Refusal::ClientTls(error.to_string()))
}
