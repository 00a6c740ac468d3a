//! A scripted DNS server, fake upstreams, a fake API server, raw clients and a gateway harness for Egret's tests.
//!
//! Every fake server listens on loopback, has a thread of its own, and stops when dropped. Methods block, so that a plain
//! `#[test]` can use them; those named `until_*` wait without blocking the caller's runtime. Failures panic with a
//! message, because this crate is a dev-dependency only. Waits are for events, with a generous deadline.
//!
//! ```
//! use egret_testkit::gateway::quickstart_config;
//! use egret_testkit::{DnsServer, Gateway, Upstream};
//!
//! let (dns, upstream) = (DnsServer::start(), Upstream::start().named("shop"));
//! dns.a("shop.example", ["127.0.0.1"], 60);
//! let gateway = Gateway::start(&quickstart_config(dns.addr()));
//!
//! let response = gateway.get(&format!("shop.example:{}", upstream.port()), "/");
//! assert_eq!(response.status, 200);
//! assert_eq!(dns.lookups_for("shop.example"), 1);
//! ```

pub mod api_server;
mod ca;
pub mod client;
pub mod dns;
pub mod gateway;
pub mod grpc;
pub mod pattern;
pub mod port;
pub mod protobuf;
mod server_thread;
pub mod token;
pub mod upstream;
mod wait;
mod watched;

pub use api_server::ApiServer;
pub use ca::{Ca, IssuedCertificate};
pub use client::http2::Http2Client;
pub use client::tls::TlsClient;
pub use client::{Client, Response};
pub use dns::DnsServer;
pub use gateway::Gateway;
pub use port::SharedPort;
pub use token::TokenIssuer;
pub use upstream::Upstream;
pub use upstream::raw::RawServer;
pub use upstream::unreachable::{Blackhole, ClosedPort};
pub use wait::wait_until;
