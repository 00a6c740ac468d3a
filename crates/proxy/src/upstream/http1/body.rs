//! The body of a response, read off its connection by whoever wants it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::error::Http1Error;
use super::response_framing::{BodyDecoder, Decoded};
use super::shared::SharedWire;

/// The body of a response. What was not read when it is dropped is lost, and the connection with it.
pub(in crate::upstream) struct Http1Body {
    wire: Rc<SharedWire>,
    decoder: BodyDecoder,
}

impl Http1Body {
    pub(super) fn new(wire: Rc<SharedWire>, decoder: BodyDecoder) -> Self {
        Self { wire, decoder }
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = Http1Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Http1Error>>> {
        if self.decoder.has_ended() {
            return Poll::Ready(None);
        }
        let Self { wire, decoder } = &mut *self;
        let decoded = match ready!(wire.poll_body(decoder, cx)) {
            Ok(decoded) => decoded,
            Err(error) => {
                *decoder = BodyDecoder::Ended;
                return Poll::Ready(Some(Err(error)));
            }
        };
        Poll::Ready(match decoded {
            Decoded::Data(data) => Some(Ok(Frame::data(data))),
            Decoded::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
            Decoded::End | Decoded::Partial => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.decoder.has_ended()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.decoder.left();
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
