//! Scripted DNS, fake upstreams, a raw client and a gateway harness for Egret's tests.
//!
//! Every fake lives on loopback, on a thread of its own, and stops when dropped. The calls are
//! blocking, so that a plain `#[test]` can use them; those named `until_*` wait without blocking
//! the caller's runtime. A fake that cannot do as told panics with a message: this crate is a
//! dev-dependency only. Nothing here waits by sleeping; waits have a generous deadline.

mod background;
mod board;
mod ca;
pub mod client;
pub mod dns;
pub mod gateway;
pub mod pattern;
pub mod port;
pub mod upstream;
mod wait;

pub use ca::{Ca, Issued};
pub use client::http2::Http2Client;
pub use client::tls::TlsClient;
pub use client::{Client, Response};
pub use dns::DnsServer;
pub use gateway::Gateway;
pub use port::SharedPort;
pub use upstream::Upstream;
pub use upstream::raw::RawServer;
pub use upstream::unreachable::{Blackhole, Refused};
pub use wait::wait_until;
