//! Egret's data plane: listen, route, apply policy, resolve, dial, forward, record.
//!
//! [`Proxy`] is all that the binary needs to know. The path of a request begins in `listen.rs` and is told, step by
//! step, in ARCHITECTURE.md.
//!
//! ```no_run
//! # async fn run(yaml: &str) -> std::io::Result<()> {
//! use egret_config::compile::{CompileOptions, compile};
//! use egret_config::load::{ConfigFile, load};
//! use egret_proxy::{Proxy, ProxyOptions};
//! use tokio::runtime::Handle;
//!
//! let loaded = load([ConfigFile { name: "edge.yaml", text: yaml }]);
//! let compiled = compile(&loaded.resources, &CompileOptions::default());
//!
//! let mut proxy = Proxy::start(ProxyOptions::default(), &Handle::current())?;
//! for unbound in proxy.apply(compiled).await {
//!     eprintln!("{unbound}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`explain`] says what would become of a request, without sending it:
//!
//! ```
//! use egret_config::compile::{CompileOptions, compile};
//! use egret_config::load::{ConfigFile, load};
//! use egret_proxy::{RequestQuestion, explain};
//!
//! let text = "
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: http, namespace: egress}
//! spec:
//!   gatewayClassName: egret
//!   listeners: [{name: http, protocol: HTTP, port: 8080}]
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: anywhere, namespace: egress}
//! spec:
//!   parentRefs: [{name: http}]
//!   rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: anywhere}]}]
//! ---
//! apiVersion: gateway.kgateway.dev/v1alpha1
//! kind: Backend
//! metadata: {name: anywhere, namespace: egress}
//! spec: {type: DynamicForwardProxy, dynamicForwardProxy: {}}
//! ---
//! apiVersion: egret.dev/v1alpha1
//! kind: EgressPolicy
//! metadata: {name: partners, namespace: egress}
//! spec:
//!   targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
//!   defaultAction: Deny
//!   rules: [{name: api, action: Allow, hosts: [api.example.com]}]
//! ";
//! let loaded = load([ConfigFile { name: "edge.yaml", text }]);
//! let compiled = compile(&loaded.resources, &CompileOptions::default());
//!
//! let is_served = |url: &str| {
//!     let question = RequestQuestion::from_parameters([("url", url)]).unwrap();
//!     explain(&compiled.snapshot, &question)[0].is_served()
//! };
//! assert!(is_served("https://api.example.com/"));
//! assert!(!is_served("https://example.org/"));
//! ```

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
mod overload;
mod plan;
mod policy;
mod proxy;
mod push;
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
pub use overload::QueueLimits;
pub use proxy::{Proxy, ProxyOptions};
pub use push::MetricsPush;
pub use request::explain::{
    ExplainedAddress, ExplainedField, ExplainedPolicy, Explanation, Outcome, PARAMETERS,
    QuestionForm, QuestionUrl, RequestQuestion, Undecided, UrlError, explain,
};
pub use status::SourceState;
pub use task::unless_panicking;
