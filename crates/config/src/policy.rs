//! Compiled policies: each is a value with a pure decision.

pub mod authentication;
pub mod egress;
pub mod headers;
