//! TLS termination: the handshake with a client.

use std::io;
use std::sync::Arc;

use egret_config::certificate::CertificateFacts;
use egret_config::snapshot::{
    CertificateForwarding, Listener, ListenerProtocol, ServerTls, ValidationMode,
};
use rustls::{HandshakeKind, ServerConnection};
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::preamble::{TlsConnection, drain_grace_elapsed};
use crate::client::{ConnectionOrigin, TerminatedTls};
use crate::clock;
use crate::context::WorkerContext;
use crate::downstream::early_refusal;
use crate::record::ClientTlsFacts;
use crate::refusal::Refusal;
use crate::stream::ReplayStream;
use crate::tls::{
    HandshakeOutcome, PresentedCertificate, SessionWords, negotiated_alpn, session_words,
};

impl TlsConnection {
    /// Whether what the client sends is relayed, and not served as HTTP.
    pub(super) fn is_tunnel(&self) -> bool {
        matches!(self.listener.protocol, ListenerProtocol::Terminate(_))
    }

    /// Performs the TLS handshake with the client. `None` if it fails; rustls has then sent the alert, if there is one.
    pub(super) async fn terminate(
        self,
        context: &WorkerContext,
    ) -> Option<(TlsStream<ReplayStream>, ConnectionOrigin)> {
        let Self {
            stream,
            mut origin,
            listener,
            settings,
            deadline,
        } = self;
        let server = match context.shared.tls_servers.get(&settings) {
            Ok(server) => server,
            Err(why) => {
                tracing::error!(listener = listener.name, %why, "TLS cannot be terminated");
                return None;
            }
        };
        let begin = clock::now();
        let accepting = TlsAcceptor::from(server).accept(stream);
        let accepted = tokio::select! {
            biased;
            accepted = timeout_at(deadline.into(), accepting) => match accepted {
                Ok(accepted) => accepted.map_err(|error| refusal(&error)),
                Err(_) => Err(Some(Refusal::HandshakeTimeout)),
            },
            () = drain_grace_elapsed(context) => Err(None),
        };
        let took = clock::now() - begin;
        let metrics = &context.clients.tls;
        let stream = match accepted {
            Ok(stream) => stream,
            Err(refusal) => {
                metrics.ended(HandshakeOutcome::Failed, took);
                if let Some(refusal) = refusal {
                    early_refusal::record(&origin, &refusal, context);
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
        let certificate = validated_certificate(&settings, session);
        let presented = certificate
            .as_ref()
            .filter(|_| tells_certificates(&listener));
        let presented = presented.and_then(|facts| {
            let chain = session.peer_certificates()?;
            let presented = PresentedCertificate::new(chain, Arc::clone(facts), &settings);
            Some(Arc::new(presented))
        });
        origin.facts.tls = Some(ClientTlsFacts {
            certificate: certificate.clone(),
            ..session_facts(session)
        });
        origin.tls = Some(TerminatedTls {
            alpn: negotiated_alpn(session.alpn_protocol()),
            certificate,
            presented,
            listener,
        });
        Some((stream, origin))
    }
}

/// Whether upstreams of the listener are told what the certificates of clients say.
fn tells_certificates(listener: &Listener) -> bool {
    let http = listener.http.as_ref();
    let told = http.and_then(|http| http.certificate);
    matches!(
        told,
        Some(CertificateForwarding::Appended(_) | CertificateForwarding::Set(_))
    )
}

/// What was agreed on.
fn session_facts(session: &ServerConnection) -> ClientTlsFacts {
    let SessionWords {
        version,
        cipher,
        group,
    } = session_words(session);
    ClientTlsFacts {
        version,
        cipher,
        group,
        certificate: None,
    }
}

/// The client's certificate, if it sent one and the listener validates certificates. One that is accepted unvalidated
/// proves nothing.
fn validated_certificate(
    settings: &ServerTls,
    session: &ServerConnection,
) -> Option<Arc<CertificateFacts>> {
    let validation = settings.clients.as_ref()?;
    if validation.mode == ValidationMode::Unverified {
        return None;
    }
    let certificate = session.peer_certificates()?.first()?;
    CertificateFacts::read(certificate).map(Arc::new)
}

/// The refusal for a failed handshake. `None` if the client closed the connection, which is no failure.
fn refusal(error: &io::Error) -> Option<Refusal> {
    (error.kind() == io::ErrorKind::InvalidData).then(|| Refusal::ClientTls(error.to_string()))
}
