//! TLS: as a client of DNS servers and of upstreams, and as a server that terminates the TLS of clients.
//!
//! This module makes rustls configurations from settings, decides which certificates are trusted and which are shown,
//! and puts errors into words. It opens no connection.

pub(crate) use alpn::{HTTP_2, TlsContent, negotiated_alpn, offered_alpn};
pub(crate) use certificates::server_name;
pub(crate) use clients::TlsClients;
pub use failure::TlsFailure;
pub(crate) use handshakes::{HandshakeMetrics, HandshakeOutcome};
pub(crate) use presented::PresentedCertificate;
pub(crate) use protocol::provider;
pub use roots::RootCertificates;
pub(crate) use servers::TlsServers;
pub(crate) use words::{SessionWords, session_words};

mod alpn;
mod certificates;
mod client_auth;
mod clients;
mod failure;
mod handshakes;
mod presented;
mod protocol;
mod roots;
mod servers;
mod settings_cache;
mod signature_limit;
mod signatures;
mod verify;
mod words;
