//! The client's side of a connection.

pub(crate) mod alert;
pub(crate) mod unread;
