//! The semantics of HTTP messages for a proxy: the target of a request, framing, hop-by-hop fields, trailers, and upgrades
//! to other protocols.

pub(crate) mod content;
pub(crate) mod cookie;
pub(crate) mod elements;
pub(crate) mod few_fields;
pub(crate) mod field_lines;
pub(crate) mod forwarded;
pub(crate) mod grpc;
mod hop;
pub(crate) mod host_memo;
mod listed_fields;
pub(crate) mod location;
pub(crate) mod max_forwards;
pub(crate) mod number;
pub(crate) mod odd_target;
pub(crate) mod request_head;
pub(crate) mod response_head;
pub mod target;
#[cfg(test)]
mod test_fields;
pub(crate) mod trace;
pub(crate) mod trailers;
pub(crate) mod upgrade;
pub(crate) mod via;
pub(crate) mod websocket;
