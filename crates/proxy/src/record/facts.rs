//! The facts of an exchange that only configured formats of access logs tell.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use egret_config::certificate::CertificateFacts;

use super::MessageFields;

/// What configured formats tell beyond the default log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FormatFacts<'a> {
    /// What they ask for of the messages.
    pub(crate) messages: Option<&'a MessageFields>,
    /// The client's connection.
    pub(crate) client: Option<&'a ClientFacts>,
    /// The way to the upstream.
    pub(crate) upstream: UpstreamFacts,
    /// Whether its spans are told to a collector.
    pub(crate) is_sampled: bool,
    /// Whether it was a health check, which the listener answered itself.
    pub(crate) is_health_check: bool,
    /// From the head of the request to its end, if that was received.
    pub(crate) whole_request: Option<Duration>,
    /// A refusal in Envoy's words.
    pub(crate) code_details: Option<&'a str>,
    /// Why the connection to the upstream could not be made, likewise.
    pub(crate) transport_failure: Option<&'a str>,
    /// The body of a response of the gateway's own, before it is put into a format.
    pub(crate) local_reply_body: Option<&'a [u8]>,
}

/// The facts of a client's connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientFacts {
    /// A number that no other connection of the process has.
    pub(crate) id: u64,
    /// The other end of the connection, which is a proxy's if there is a PROXY protocol header.
    pub(crate) peer: Option<SocketAddr>,
    /// The gateway's end.
    pub(crate) local: Option<SocketAddr>,
    /// The TLS of the connection, if it is terminated here.
    pub(crate) tls: Option<ClientTlsFacts>,
}

/// The facts of the TLS of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientTlsFacts {
    /// The version, such as `TLSv1.3`.
    pub(crate) version: Option<&'static str>,
    /// The cipher suite, by its name in the IANA registry.
    pub(crate) cipher: Option<&'static str>,
    /// The group of the key exchange.
    pub(crate) group: Option<&'static str>,
    /// The client's certificate, if it was validated.
    pub(crate) certificate: Option<Arc<CertificateFacts>>,
}

/// The facts of the way to the upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UpstreamFacts {
    /// Whether there was a connection to the address.
    pub(crate) is_connected: bool,
    /// The gateway's end of it.
    pub(crate) local: Option<SocketAddr>,
    /// The protocol spoken on it, such as `HTTP/1.1`.
    pub(crate) protocol: Option<&'static str>,
    /// Why the request was not retried once more, although the policy asks for it.
    pub(crate) last_retry: Option<RetryEnd>,
    /// Whether the response is the upstream's.
    pub(crate) has_answered: bool,
}

/// Why a request is not retried once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryEnd {
    /// There were as many retries as the policy allows.
    Exhausted,
    /// Too many retries are in progress.
    Limited,
}
