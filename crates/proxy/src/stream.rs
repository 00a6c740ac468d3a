//! Byte streams of which something has been read already, or which are one of several kinds.

mod client;
mod either;
mod replay;

pub(crate) use client::ClientStream;
pub(crate) use either::either_stream;
pub(crate) use replay::Replay;
