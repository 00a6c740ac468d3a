//! A response body that is compressed on its way to the client.

use std::task::{Context, Poll};

use bytes::Bytes;
use egret_config::policy::compression::ContentCoding;
use http_body::Frame;

use crate::transfer::BodyEncoder;
use crate::upstream::UpstreamBodyError;

type PolledFrame = Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>>;

/// Compresses the frames of a body.
pub(crate) struct BodyCompressor {
    encoder: BodyEncoder,
    /// What comes after the data: the end, or trailers before it.
    end: BodyEnd,
}

enum BodyEnd {
    /// More data may come.
    Open,
    /// The data has ended, and these trailers come next.
    Trailers(Frame<Bytes>),
    Ended,
}

impl BodyCompressor {
    pub(super) fn new(coding: ContentCoding) -> Self {
        Self {
            encoder: BodyEncoder::new(coding),
            end: BodyEnd::Open,
        }
    }

    /// Whether the last frame has been given.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.end, BodyEnd::Ended)
    }

    /// The next frame. `next` polls the body for more. While the body has nothing to give, all that it has given is sent, so
    /// that a client waits for nothing that is there.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut next: impl FnMut(&mut Context<'_>) -> PolledFrame,
    ) -> PolledFrame {
        loop {
            match std::mem::replace(&mut self.end, BodyEnd::Ended) {
                BodyEnd::Open => self.end = BodyEnd::Open,
                BodyEnd::Trailers(trailers) => return Poll::Ready(Some(Ok(trailers))),
                BodyEnd::Ended => return Poll::Ready(None),
            }
            let made = match next(cx) {
                Poll::Pending if self.encoder.holds() => self.encoder.flush(),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.encoder.encode(&data),
                    Err(trailers) => {
                        self.end = BodyEnd::Trailers(trailers);
                        self.encoder.finish()
                    }
                },
                Poll::Ready(None) => {
                    self.end = BodyEnd::Ended;
                    self.encoder.finish()
                }
            };
            match made {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(error) => return Poll::Ready(Some(Err(UpstreamBodyError::Coding(error)))),
            }
        }
    }
}
