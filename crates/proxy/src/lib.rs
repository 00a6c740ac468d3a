//! Egret's data plane: listen, route, apply policy, resolve, dial, forward, record.
//!
//! [`Proxy`] is all that the binary needs to know. The path of a request begins in `listen.rs` and is told, step by
//! step, in ARCHITECTURE.md.

// Printing panics when it fails; what is to be said goes to `tracing` or the access log.
#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod client_hello;
pub mod dns;
pub mod message;
pub mod proxy_protocol;
pub mod tls;

mod accept;
mod admin;
mod body;
mod client;
mod clock;
mod configuration;
mod context;
mod dial;
mod downstream;
mod drain;
mod exchange;
mod export;
mod listen;
mod meter;
mod metrics;
mod plan;
mod policy;
mod proxy;
mod record;
mod refusal;
mod request;
mod serve;
mod side_future;
mod status;
mod stream;
mod task;
mod telemetry;
mod transfer;
mod tunnel;
mod upstream;
mod worker;

pub use admin::AdminToken;
pub use listen::{Bind, BindError};
pub use message::trace::TracePropagation;
pub use metrics::ProcessCounters;
pub use proxy::{Proxy, ProxyOptions};
pub use request::explain::{
    ExplainedAddress, ExplainedField, ExplainedPolicy, Explanation, Outcome, PARAMETERS,
    QuestionForm, QuestionUrl, RequestQuestion, UrlError, explain,
};
pub use status::SourceState;
pub use task::unless_panicking;
