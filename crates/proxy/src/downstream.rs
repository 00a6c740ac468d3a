//! A client's connection on the worker that serves it, and refusals that precede a request.

pub(crate) mod alert;
mod connection;
pub(crate) mod early_refusal;
pub(crate) mod farewell;

pub(crate) use connection::{DownstreamConnection, TunnelSlot};
