//! The client's side of a connection.

pub(crate) mod alert;
mod connection;
pub(crate) mod unread;

pub(crate) use connection::DownstreamConnection;
