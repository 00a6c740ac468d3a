//! Byte streams that several rooms share: those of which something was read ahead, and those of one of several types.

mod client;
mod either;
mod gather;
mod replay;

pub(crate) use client::ClientStream;
pub(crate) use either::either_stream;
pub(crate) use gather::write_gathered;
pub(crate) use replay::ReplayStream;
