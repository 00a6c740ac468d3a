//! Egret's data plane: listen, route, apply policy, resolve, dial, forward, record.
//!
//! [`Proxy`] is all that the binary needs to know. The path of a request begins in `listen.rs` and is told, step by
//! step, in ARCHITECTURE.md.

pub mod dial;
pub mod dns;
pub mod listen;
pub mod refusal;
pub mod target;
pub mod telemetry;
pub mod tls;
pub mod tunnel;

mod admin;
mod body;
mod clock;
mod credentials;
mod either;
mod forward;
mod local;
mod meter;
mod passthrough;
mod plan;
mod policy;
mod proxy;
mod record;
mod request;
mod serve;
mod shared;
mod status;
mod task;
mod upstream;
mod worker;

pub use listen::{Bind, BindError};
pub use proxy::{Proxy, ProxyOptions};
