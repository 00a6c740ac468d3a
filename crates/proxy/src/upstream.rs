//! Requests to upstreams: a worker's connection pool, and the path of a cleared request to the head of its response.
//!
//! Nothing here knows the client: requests of clients and requests of the gateway's own take the same path, through the
//! same limits, DNS, egress check and TLS.

mod attempt;
mod attempt_outcome;
mod balance;
mod call;
mod carrier;
mod checkout;
mod client_memo;
mod connection;
mod connection_permit;
mod converse;
mod deferred_write_errors;
mod destination_state;
mod direct;
mod endpoint;
mod enquiry;
mod families;
mod health;
pub(crate) mod health_check;
mod host_pool;
mod http1;
mod http2;
mod idle_count;
mod incoming;
mod keys;
mod lease;
mod limits;
mod metrics;
mod open;
mod outgoing;
mod pool;
mod request;
mod request_body;
mod response_body;
mod retry;
mod retry_budget;
mod service;
mod stream;
mod through_proxy;
mod timeouts;
mod upgraded;
mod upstreams;
mod warm;

pub(crate) use client_memo::ClientMemo;
pub(crate) use connection_permit::ConnectionPermit;
pub(crate) use destination_state::AddressState;
pub(crate) use direct::{DirectConnection, PermitGuard};
pub(crate) use enquiry::CallError;
pub(crate) use lease::LeasedConnection;
pub(crate) use metrics::{MirrorResult, UpstreamMetrics};
pub(crate) use outgoing::OutgoingRequest;
pub(crate) use request::{SendOptions, UpstreamReply};
pub(crate) use request_body::{BodyBeginning, RequestBody, WholeBodyFault};
pub(crate) use response_body::{UpstreamBody, UpstreamBodyError};
pub(crate) use stream::UpstreamStream;
pub(crate) use upgraded::UpgradedStream;
pub(crate) use upstreams::{NeighbourPool, SharedUpstreams, Upstreams};
