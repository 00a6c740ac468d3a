//! Bodies and streams of HTTP as they come off a connection and go onto it, in either version.

mod body_copy;
mod coding;
mod duplex_stream;
mod message_body;
mod received_body;
mod send_body;
mod stream_body;

pub(crate) use body_copy::{BodyCopy, BodyTee, CopyBudget, CopyError, CopyLimits};
pub(crate) use coding::BodyEncoder;
pub(crate) use duplex_stream::{DuplexStream, StreamSender};
pub(crate) use message_body::{MessageBody, MessageSender, message_body};
pub(crate) use received_body::{ReceiveError, ReceivedBody};
pub(crate) use send_body::send_body;
pub(crate) use stream_body::StreamBody;
