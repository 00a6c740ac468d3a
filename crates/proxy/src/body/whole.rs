//! A response body that is read as a whole before anything of it is sent.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame};

use super::{BodySource, ResponseBody};
use crate::upstream::{UpstreamBody, UpstreamBodyError};

/// Why a body could not be read as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnreadBody {
    /// It has more bytes than allowed.
    TooLarge,
    /// The upstream broke it off.
    BrokenOff,
    /// It did not come in time.
    Timeout,
}

/// A body that was read.
#[derive(Default)]
pub(super) struct ReadBody {
    data: Option<Bytes>,
    trailers: Option<Box<HeaderMap>>,
}

/// A body of which the beginning was read.
pub(super) struct BegunBody {
    data: Option<Bytes>,
    rest: UpstreamBody,
}

/// The beginning of a body.
pub(crate) struct ResponseBeginning {
    pub(crate) data: Bytes,
    /// Whether this is all of it.
    pub(crate) is_whole: bool,
}

impl BegunBody {
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        match self.data.take() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.data.is_none() && self.rest.is_end_stream()
    }

    pub(super) const fn rest(&self) -> &UpstreamBody {
        &self.rest
    }
}

impl ReadBody {
    pub(super) fn next(&mut self) -> Option<Frame<Bytes>> {
        let data = self.data.take().map(Frame::data);
        data.or_else(|| {
            self.trailers
                .take()
                .map(|trailers| Frame::trailers(*trailers))
        })
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    pub(super) fn length(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| data.len() as u64)
    }
}

impl ResponseBody {
    /// Reads all of the body, at most this number of bytes. It is sent from its beginning after that.
    ///
    /// # Errors
    /// If the body is larger, which is known without reading it if its length is, and if not all of it comes.
    pub(crate) async fn read_whole(&mut self, most: usize) -> Result<Bytes, UnreadBody> {
        let upstream = match &mut self.0.source {
            BodySource::Text(text) => return Ok(text.clone().unwrap_or_default()),
            BodySource::Read(read) => return Ok(read.data.clone().unwrap_or_default()),
            BodySource::Begun(_) => return Err(UnreadBody::TooLarge),
            BodySource::Upstream(upstream) => upstream,
        };
        if upstream.size_hint().lower() > most as u64 {
            return Err(UnreadBody::TooLarge);
        }
        let mut data = BytesMut::new();
        let mut trailers = None;
        while !upstream.is_end_stream() {
            let frame = poll_fn(|cx| Pin::new(&mut *upstream).poll_frame(cx)).await;
            let frame = match frame {
                None => break,
                Some(Err(UpstreamBodyError::Timeout)) => return Err(UnreadBody::Timeout),
                Some(Err(_)) => return Err(UnreadBody::BrokenOff),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(more) if data.len() + more.len() > most => return Err(UnreadBody::TooLarge),
                Ok(more) => data.extend_from_slice(&more),
                Err(frame) => trailers = frame.into_trailers().ok().map(Box::new),
            }
        }
        let data = data.freeze();
        self.0.source = BodySource::Read(ReadBody {
            data: Some(data.clone()).filter(|data| !data.is_empty()),
            trailers,
        });
        Ok(data)
    }

    /// Reads the body until it ends or has more than this number of bytes. It is sent from its beginning after that.
    ///
    /// # Errors
    /// If not as much of it comes.
    pub(crate) async fn read_beginning(
        &mut self,
        most: usize,
    ) -> Result<ResponseBeginning, UnreadBody> {
        let BodySource::Upstream(upstream) = &mut self.0.source else {
            let data = self.read_whole(most).await?;
            let is_whole = true;
            return Ok(ResponseBeginning { data, is_whole });
        };
        let mut data = BytesMut::new();
        let mut trailers = None;
        while data.len() <= most && trailers.is_none() && !upstream.is_end_stream() {
            let frame = poll_fn(|cx| Pin::new(&mut *upstream).poll_frame(cx)).await;
            match frame {
                None => break,
                Some(Err(UpstreamBodyError::Timeout)) => return Err(UnreadBody::Timeout),
                Some(Err(_)) => return Err(UnreadBody::BrokenOff),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(more) => data.extend_from_slice(&more),
                    Err(frame) => trailers = frame.into_trailers().ok().map(Box::new),
                },
            }
        }
        let is_whole = data.len() <= most;
        let data = data.freeze();
        let kept = Some(data.clone()).filter(|data| !data.is_empty());
        let source = std::mem::replace(&mut self.0.source, BodySource::Text(None));
        self.0.source = match source {
            BodySource::Upstream(rest) if !is_whole => {
                let begun = BegunBody { data: kept, rest };
                BodySource::Begun(Box::new(begun))
            }
            _ => {
                let data = kept;
                BodySource::Read(ReadBody { data, trailers })
            }
        };
        Ok(ResponseBeginning { data, is_whole })
    }

    /// Whether trailers follow the data of a body that was read as a whole.
    pub(crate) fn has_trailers(&self) -> bool {
        matches!(&self.0.source, BodySource::Read(read) if read.trailers.is_some())
    }

    /// Sends this in place of the data of a body that was read, as a whole or its beginning.
    pub(crate) fn replace(&mut self, data: Bytes) {
        let data = Some(data).filter(|data| !data.is_empty());
        match &mut self.0.source {
            BodySource::Read(read) => read.data = data,
            BodySource::Begun(begun) => begun.data = data,
            source => *source = BodySource::Text(data),
        }
    }
}
