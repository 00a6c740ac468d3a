//! Egret's data plane: listen, route, apply policy, resolve, dial, forward, record.
//!
//! [`Proxy`] is all that the binary needs to know. The path of a request begins in `listen.rs` and is told, step by
//! step, in ARCHITECTURE.md.

pub mod client_hello;
pub mod dial;
pub mod dns;
pub mod listen;
pub mod message;
pub mod proxy_protocol;
pub mod refusal;
pub mod telemetry;
pub mod tls;
pub mod tunnel;

mod accept;
mod admin;
mod body;
mod clock;
mod downstream;
mod meter;
mod plan;
mod policy;
mod proxy;
mod record;
mod request;
mod serve;
mod shared;
mod status;
mod stream;
mod task;
mod upstream;
mod worker;

pub use listen::{Bind, BindError};
pub use proxy::{Proxy, ProxyOptions};
