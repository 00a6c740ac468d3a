//! The body of a message on an HTTP/2 stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};

/// The body of a message on an HTTP/2 stream. Window is given back to the peer as frames are read.
pub(crate) struct StreamBody {
    stream: RecvStream,
    /// Bytes that are still to come, if the head said how many there are.
    left: Option<u64>,
    /// Whether what comes next are trailers or the end.
    data_ended: bool,
}

impl StreamBody {
    /// The body of a message whose head had these fields.
    pub(crate) fn new(stream: RecvStream, headers: &HeaderMap) -> Self {
        let left = stated_length(headers);
        Self {
            left: left.or_else(|| stream.is_end_stream().then_some(0)),
            stream,
            data_ended: false,
        }
    }

    /// What an error of the stream means for the body: nothing where all has come. A server may reset the stream behind its
    /// answer (RFC 9113 8.1), or close the connection.
    fn fault(&self, error: h2::Error) -> Option<h2::Error> {
        (self.left != Some(0)).then_some(error)
    }
}

/// The length that the head of a message states. The library refuses heads with several that differ.
fn stated_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_ended {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // It fails only if more is released than was received.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    if let Some(left) = &mut self.left {
                        *left = left.saturating_sub(data.len() as u64);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(self.fault(error).map(Err)),
                None => self.data_ended = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        Poll::Ready(match trailers {
            Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Err(error) => self.fault(error).map(Err),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
