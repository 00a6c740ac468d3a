//! The client's side of a tunnel: a whole connection, or a stream of an HTTP/2 connection.

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

use crate::stream::ClientStream;
use crate::stream::either_stream;

/// The stream that carries a tunnel's bytes from and to the client.
pub(crate) enum ClientSide {
    /// The whole connection.
    Whole(ClientStream),
    /// One stream of an HTTP/2 connection.
    Stream(TokioIo<Upgraded>),
}

either_stream!(ClientSide: Whole, Stream);

impl ClientSide {
    /// The client's side of a tunnel on an HTTP/2 stream.
    pub(crate) fn of_stream(stream: Upgraded) -> Self {
        Self::Stream(TokioIo::new(stream))
    }
}
