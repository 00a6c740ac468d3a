//! The record of an exchange: plain facts about a request and its response, a tunnel, or a connection that was refused.
//!
//! Whoever serves the exchange gathers facts while it runs. When it has ended, one [`Record`] is made of them, which the
//! access log and the metrics read. A record refers to nothing that could still change.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use egret_config::expression::RequestForm;
use egret_config::name::{DnsName, Host, Port};
use egret_config::resources::ObjectRef;
use egret_config::snapshot::{Listener, RouteRule, Scheme};
use http::{HeaderValue, Method, StatusCode};

use crate::dns::AnswerSource;
use crate::refusal::RefusalId;

mod end;
mod facts;
mod message;
mod redirect;
mod trip;
mod verdict;

pub(crate) use end::{ExchangeEnd, TunnelEnd};
pub(crate) use facts::{ClientFacts, ClientTlsFacts, FormatFacts, RetryEnd, UpstreamFacts};
pub(crate) use message::{MessageFields, RequestOrigin, kept};
pub(crate) use redirect::{FollowedRedirect, RedirectResult};
pub(crate) use trip::{Trip, TripPosition};
pub(crate) use verdict::{SniViolation, Verdict, VerdictFacts};

/// The facts about one exchange that has ended.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Record<'a> {
    /// When the head had been read, or had turned out not to be one. Absent if the exchange is not logged.
    pub(crate) started: Option<SystemTime>,
    /// From then to the end.
    pub(crate) duration: Duration,
    /// The client's address.
    pub(crate) client: Option<SocketAddr>,
    /// The server name of the client's ClientHello (RFC 6066 3), canonical: of the one inside the tunnel of a CONNECT, if
    /// there was one, else of the one that the connection began with.
    pub(crate) sni: Option<&'a DnsName>,
    /// Whether the client offered an encrypted ClientHello, so that `sni` may be that of a front.
    pub(crate) ech: bool,
    /// The user or client that the credentials proved.
    pub(crate) user: Option<&'a str>,
    /// The listener that took the request.
    pub(crate) listener: Option<&'a Listener>,
    /// The rule that it fell under.
    pub(crate) rule: Option<&'a RouteRule>,
    /// The backend that it was planned for.
    pub(crate) backend: Option<&'a ObjectRef>,
    /// Whether it was answered by a response, became a tunnel, or is TLS passthrough.
    pub(crate) form: ExchangeForm,
    /// How the request named where it wanted to go; absent if it named nothing.
    pub(crate) asked_by: Option<RequestForm>,
    /// The request's method; absent for TLS passthrough.
    pub(crate) method: Option<&'a Method>,
    /// The scheme towards the upstream; absent for tunnels.
    pub(crate) scheme: Option<Scheme>,
    /// The authority that the request names, canonical.
    pub(crate) authority: Option<&'a str>,
    /// The host and port that the request was sent to, after rewrites and the choice of a backend.
    pub(crate) destination: Option<(&'a Host, Port)>,
    /// The path as it was received, without the query.
    pub(crate) path: &'a str,
    /// The protocol towards the client, such as `HTTP/1.1`.
    pub(crate) protocol: &'static str,
    /// The response's status; absent if the client left before it, or was told nothing.
    pub(crate) status: Option<StatusCode>,
    /// Why the exchange was refused or broken off; absent if it was served to its end.
    pub(crate) end: Option<ExchangeEnd>,
    /// One line for people about a refusal.
    pub(crate) details: Option<Cow<'a, str>>,
    /// The identity of the refusal, if it was refused.
    pub(crate) refusal: Option<RefusalId>,
    /// The generation of the configuration when the exchange began.
    pub(crate) generation: u64,
    /// The trace that the request belongs to (W3C Trace Context).
    pub(crate) trace_id: Option<[u8; 16]>,
    /// The span that the request is here, if it is traced.
    pub(crate) span_id: Option<[u8; 8]>,
    /// The `User-Agent` of the request.
    pub(crate) user_agent: Option<&'a HeaderValue>,
    /// What the policies decided, and which of them.
    pub(crate) verdict: Option<Verdict>,
    /// The upstream's address.
    pub(crate) upstream: Option<SocketAddr>,
    /// Whether the upstream's connection came from the pool.
    pub(crate) reused: bool,
    /// How often the request was retried.
    pub(crate) retries: u32,
    /// The redirects that were followed in place of the client.
    pub(crate) redirects: &'a [FollowedRedirect],
    /// How the name was resolved and how long the request waited for it.
    pub(crate) resolution: Option<(AnswerSource, Duration)>,
    /// How long the request waited for a TCP connection.
    pub(crate) connect: Option<Duration>,
    /// How long it waited for the TLS handshake with the upstream.
    pub(crate) tls: Option<Duration>,
    /// From the request's head to the response's head.
    pub(crate) first_byte: Option<Duration>,
    /// Bytes of the request body that were forwarded, or of the tunnel towards the upstream.
    pub(crate) request_bytes: u64,
    /// Bytes of the response body that were sent, or of the tunnel towards the client.
    pub(crate) response_bytes: u64,
    /// What only configured formats tell.
    pub(crate) facts: FormatFacts<'a>,
}

/// The kind of an exchange, which decides how it is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ExchangeForm {
    /// A request and its response.
    #[default]
    Messages,
    /// A request that made a tunnel, whose bytes are counted there.
    Tunnel,
    /// A TLS connection that is routed by its server name, whose bytes are counted as a tunnel's. It has no response.
    Tls,
}
