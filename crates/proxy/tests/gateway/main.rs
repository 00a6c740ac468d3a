//! Tests of the gateway with real sockets: each module has one subject.
//!
//! They are one test binary, because each binary holds the whole proxy and takes its own time to link.

mod acl;
mod addresses;
mod answers;
mod authentication;
mod backend_settings;
mod buffer;
mod client_rules;
mod compression;
mod conditional_rules;
mod connection_limit;
mod connections;
mod cors;
mod csrf;
mod faults;
mod forms;
mod framing;
mod global_limit;
mod guide;
mod header_modifiers;
mod hostile;
mod http2;
mod http2_upstream;
mod https_records;
mod interim;
mod jwt_auth;
mod limits;
mod listener_sets;
mod mirror;
mod misdirected;
mod passthrough;
mod proxy_protocol;
mod rate_limit;
mod rbac;
mod refusals;
mod reload;
mod retries;
mod rewrites;
mod services;
mod static_hosts;
mod tls_clients;
mod tls_terminate;
mod tls_upstream;
mod tunnel;
mod with_policy;
