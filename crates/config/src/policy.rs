//! Compiled policies: each is a value with a pure decision.

pub mod api_key_auth;
pub mod basic_auth;
pub mod digest;
pub mod egress;
pub mod header_modifiers;
pub mod headers;
pub mod http_upgrade;
pub mod retry;
pub mod traffic;
