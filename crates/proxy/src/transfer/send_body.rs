//! Sends a body on an HTTP/2 stream, as fast as its receiver allows.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;

use super::SendGate;
use super::gather::GatheredBody;

/// Why a body was not sent to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendFault {
    /// The peer reset the stream, or the connection ended.
    Receiver,
    /// The body broke off, which the peer was told by a reset.
    Body,
}

/// Sends a body to its end. Dropping the future resets the stream.
///
/// # Errors
/// Why it was not sent to its end.
pub(crate) async fn send_body<B>(
    body: B,
    stream: SendStream<Bytes>,
    gate: Rc<SendGate>,
) -> Result<(), SendFault>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: StdError + 'static,
{
    // The library holds each frame for itself until the peer takes it, and counts its bytes alone.
    let mut sending = BodySending {
        body: GatheredBody::new(body),
        stream,
        gate,
        waiting: None,
    };
    poll_fn(|cx| sending.poll(cx)).await
}

struct BodySending<B: Body<Data = Bytes>> {
    body: GatheredBody<B>,
    stream: SendStream<Bytes>,
    /// That of the connection.
    gate: Rc<SendGate>,
    /// The frame that waits for room in the peer's window.
    waiting: Option<WaitingData>,
}

struct WaitingData {
    data: Bytes,
    is_last: bool,
}

impl<B> BodySending<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: StdError + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendFault>> {
        // It also has the task woken by a reset.
        if self.stream.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(SendFault::Receiver));
        }
        loop {
            if let Some(WaitingData { data, .. }) = &self.waiting {
                ready!(poll_room(&mut self.stream, cx))?;
                ready!(self.gate.poll_open(data.len(), cx));
            }
            if let Some(WaitingData { data, is_last }) = self.waiting.take() {
                let sent = self.stream.send_data(data, is_last);
                sent.map_err(|_| SendFault::Receiver)?;
                if is_last {
                    return Poll::Ready(Ok(()));
                }
            }
            let frame = match ready!(self.body.poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    self.stream.send_reset(reset_reason(&error));
                    return Poll::Ready(Err(SendFault::Body));
                }
                None => {
                    let sent = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(sent.map_err(|_| SendFault::Receiver));
                }
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    // One byte is claimed of the connection's window; the library claims the rest as it can be sent. To claim
                    // all of it would starve other streams.
                    self.stream.reserve_capacity(1);
                    let is_last = self.body.is_end_stream();
                    self.waiting = Some(WaitingData { data, is_last });
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.stream.reserve_capacity(0);
                        let sent = self.stream.send_trailers(trailers);
                        return Poll::Ready(sent.map_err(|_| SendFault::Receiver));
                    }
                }
            }
        }
    }
}

/// Ready when something can be sent.
///
/// # Errors
/// [`SendFault::Receiver`] if nothing ever can.
fn poll_room(stream: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<Result<(), SendFault>> {
    while stream.capacity() == 0 {
        match ready!(stream.poll_capacity(cx)) {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Poll::Ready(Err(SendFault::Receiver)),
        }
    }
    Poll::Ready(Ok(()))
}

/// The reason with which a stream is reset whose body broke off: that of the stream which the body came from, if it had one.
fn reset_reason(error: &(dyn StdError + 'static)) -> Reason {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let reason = error.reason().filter(|it| *it != Reason::NO_ERROR);
            return reason.unwrap_or(Reason::INTERNAL_ERROR);
        }
        next = error.source();
    }
    Reason::INTERNAL_ERROR
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::ReceiveError;

    #[test]
    fn a_body_that_breaks_off_never_looks_whole() {
        for (reason, told) in [
            (Reason::CANCEL, Reason::CANCEL),
            (Reason::NO_ERROR, Reason::INTERNAL_ERROR),
        ] {
            let error = ReceiveError::Http2(h2::Error::from(reason));
            assert_eq!(reset_reason(&error), told);
        }
        let error = std::io::Error::other("it broke off");
        assert_eq!(reset_reason(&error), Reason::INTERNAL_ERROR);
    }
}
