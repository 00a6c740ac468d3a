//! Configuration: reads resources, checks them, and compiles them to what the proxy serves.
//!
//! [`load`] parses text to [`resources::Resources`]. [`compile`] turns resources into a [`snapshot::Snapshot`] to serve
//! and a [`report::Report`] to read; [`in_force`] does so for a change, and keeps what must not be replaced. The whole
//! crate is pure: it has no runtime, opens no sockets and reads no clock.
//!
//! ```
//! use egret_config::compile::{CompileOptions, compile};
//! use egret_config::load::{ConfigFile, load};
//!
//! let text = "
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: http, namespace: egress}
//! spec:
//!   gatewayClassName: egret
//!   listeners: [{name: http, protocol: HTTP, port: 8080}]
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
//! assert!(loaded.errors.is_empty());
//!
//! let compiled = compile(&loaded.resources, &CompileOptions::default());
//! assert!(compiled.report.accepted(), "{}", compiled.report.table());
//! assert_eq!(compiled.snapshot.sockets.len(), 1);
//! ```

pub mod access_log;
pub mod certificate;
pub mod compile;
mod cost;
pub mod expression;
pub mod in_force;
pub mod load;
pub mod metrics_push;
pub mod name;
mod path;
mod pattern;
pub mod policy;
pub mod references;
pub mod report;
pub mod resources;
pub mod route;
mod rule;
mod settings;
pub mod snapshot;

pub use egret_api::{self as api, compatibility, crd};
