//! Compiled policies. Each is a value with a pure decision: it is given what it needs to know and waits for nothing.

pub mod acl;
pub mod api_key_auth;
pub mod basic_auth;
pub mod buffer;
pub mod compression;
pub mod cors;
pub mod csrf;
pub mod digest;
pub mod egress;
pub mod ext_auth;
pub mod ext_proc;
pub mod fault;
pub mod global_limit;
pub mod header_modifiers;
pub mod headers;
pub mod http_upgrade;
pub mod jwt_auth;
pub mod limit;
pub mod rbac;
pub mod request_mirror;
pub mod retry;
pub mod service;
pub mod timeouts;
pub mod traffic;
pub mod transformation;
pub mod url_rewrite;
