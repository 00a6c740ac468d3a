//! From a target to a connected socket: the only part of the proxy that opens sockets to elsewhere.

pub mod egress;
pub(crate) mod failure;
pub mod race;
pub(crate) mod tls;
