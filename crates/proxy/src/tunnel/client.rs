//! The client's side of a tunnel: a whole connection, or a stream of an HTTP/2 connection.

use crate::stream::ClientStream;
use crate::stream::either_stream;
use crate::transfer::DuplexStream;

/// The stream that carries a tunnel's bytes from and to the client.
pub(crate) enum ClientSide {
    /// The whole connection.
    Whole(ClientStream),
    /// One stream of an HTTP/2 connection; boxed because it is larger.
    Stream(Box<DuplexStream>),
}

either_stream!(ClientSide: Whole, Stream);
