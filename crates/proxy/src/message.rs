//! What the head of an HTTP message says to a proxy, and what a proxy does to it: the target, the framing, the fields that
//! are for one hop, trailers, and the ways to ask for another protocol.

pub(crate) mod forwarded;
pub(crate) mod grpc;
mod hop;
pub(crate) mod request_head;
pub(crate) mod response_head;
pub mod target;
pub(crate) mod trailers;
pub(crate) mod upgrade;
pub(crate) mod via;
pub(crate) mod websocket;
