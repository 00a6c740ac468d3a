//! Bodies and streams of HTTP as they come off a connection and go onto it, in either version.

mod body_copy;
mod coding;
mod duplex_stream;
mod gather;
mod message_body;
mod received_body;
mod send_body;
mod send_gate;
mod stream_body;

pub(crate) use body_copy::{BodyCopy, BodyTee, CopyBudget, CopyError, CopyLimits};
pub(crate) use coding::BodyEncoder;
pub(crate) use duplex_stream::{DuplexStream, StreamSender};
pub(crate) use gather::gather;
pub(crate) use message_body::{MessageBody, MessageSender, message_body};
pub(crate) use received_body::{ReceiveError, ReceivedBody};
pub(crate) use send_body::send_body;
pub(crate) use send_gate::SendGate;
pub(crate) use stream_body::StreamBody;

/// The most bytes of a connection of HTTP/1.1 that are buffered in each direction. hyper reads as much as this at once only
/// where as much comes at once; then 1 MB takes a third of the system calls that it would take by 64 KiB, and half of the time.
pub(crate) const HTTP1_BUFFER: usize = 256 * 1024;
