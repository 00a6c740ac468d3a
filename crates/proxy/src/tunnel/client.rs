//! The client's side of a tunnel.

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

use crate::stream::ClientStream;
use crate::stream::either_stream;

/// What octets come from the client by.
pub(crate) enum ClientSide {
    /// All of its connection.
    Whole(ClientStream),
    /// A stream of a connection of HTTP/2, among others.
    Stream(TokioIo<Upgraded>),
}

either_stream!(ClientSide: Whole, Stream);

impl ClientSide {
    /// A stream of HTTP/2 that became a tunnel.
    pub(crate) fn of_stream(stream: Upgraded) -> Self {
        Self::Stream(TokioIo::new(stream))
    }
}
