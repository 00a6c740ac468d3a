//! The client's side of a connection.

pub(crate) mod alert;
mod connection;
pub(crate) mod early_refusal;

pub(crate) use connection::DownstreamConnection;
