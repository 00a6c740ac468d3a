//! TLS of a client that ends here.

use std::io;

use rustls::HandshakeKind;
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::preamble::{TlsConnection, stopped};
use crate::client::{ConnectionOrigin, TerminatedTls};
use crate::clock;
use crate::context::WorkerContext;
use crate::downstream::early_refusal;
use crate::refusal::Refusal;
use crate::stream::Replay;
use crate::tls::{HandshakeOutcome, agreed};

impl TlsConnection {
    /// Shakes hands with the client. `None` if that fails: the client has been told why, as far as TLS allows.
    pub(super) async fn terminate(
        self,
        context: &WorkerContext,
    ) -> Option<(TlsStream<Replay>, ConnectionOrigin)> {
        let Self {
            stream,
            mut origin,
            listener,
            settings,
            until,
        } = self;
        let server = match context.shared.tls_servers.get(&settings) {
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
            () = stopped(context) => Err(None),
        };
        let took = clock::now() - begin;
        let metrics = &context.clients.tls;
        let stream = match shaken {
            Ok(stream) => stream,
            Err(refusal) => {
                metrics.ended(HandshakeOutcome::Failed, took);
                if let Some(refusal) = refusal {
                    early_refusal::refused(&origin, &refusal, context);
                }
                return None;
            }
        };
        let session = stream.get_ref().1;
        let handshake = match session.handshake_kind() {
            Some(HandshakeKind::Resumed) => HandshakeOutcome::Resumed,
            _ => HandshakeOutcome::Full,
        };
        metrics.ended(handshake, took);
        origin.tls = Some(TerminatedTls {
            alpn: agreed(session.alpn_protocol()),
            listener,
        });
        Some((stream, origin))
    }
}

/// What is told of a handshake that failed. A client that has left, as it may, is none.
fn refusal(error: &io::Error) -> Option<Refusal> {
    (error.kind() == io::ErrorKind::InvalidData).then(|| Refusal::ClientTls(error.to_string()))
}
