//! From a target to a connected socket: the only part of the proxy that opens sockets to elsewhere.

pub(crate) mod egress;
pub(crate) mod failure;
pub(crate) mod race;
pub(crate) mod tls;
