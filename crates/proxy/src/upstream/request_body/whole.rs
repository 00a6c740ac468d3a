//! A request body that is read as a whole before anything of it is sent.

use std::future::poll_fn;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use tokio::time::timeout;

use super::{BodyFrame, BodySource, RequestBody};
use crate::exchange::Progress;

/// Why a body could not be read as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WholeBodyFault {
    /// It has more bytes than allowed.
    TooLarge,
    /// The client broke it off, or sent nothing for too long.
    Incomplete,
}

impl RequestBody {
    /// Reads all of the body, at most this number of bytes. A client that waits for consent is asked for it. The body can be
    /// sent, and replayed, after that.
    ///
    /// # Errors
    /// If the body is larger, which is known without reading it if its length is, and if the client does not send all of it.
    pub(crate) async fn read_whole(&mut self, most: usize) -> Result<(), WholeBodyFault> {
        if self.size_hint().lower() > most as u64 {
            return Err(WholeBodyFault::TooLarge);
        }
        let idle_timeout = self.progress().map(Progress::idle_timeout);
        self.keep(most);
        let BodySource::Replayed(reader) = &mut self.source else {
            return Ok(());
        };
        // While there is a second reader, what is read is kept.
        let kept = Rc::clone(&reader.kept);
        let held = kept.borrow().held();
        let room = most.checked_sub(held).ok_or(WholeBodyFault::TooLarge)?;
        kept.borrow_mut().room = Some(room);
        loop {
            let next = poll_fn(|cx| reader.poll(cx));
            let frame = match idle_timeout {
                Some(limit) => timeout(limit, next)
                    .await
                    .map_err(|_| WholeBodyFault::Incomplete)?,
                None => next.await,
            };
            match frame {
                Some(Ok(_)) if kept.borrow().room.is_none() => {
                    return Err(WholeBodyFault::TooLarge);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) => return Err(WholeBodyFault::Incomplete),
                None => break,
            }
        }
        reader.at = 0;
        Ok(())
    }

    /// The data of a body that was read as a whole.
    pub(crate) fn buffered(&self) -> Bytes {
        let BodySource::Replayed(reader) = &self.source else {
            return Bytes::new();
        };
        let kept = reader.kept.borrow();
        let mut pieces = kept.frames.iter().filter_map(|frame| match frame {
            BodyFrame::Data(data) => Some(data),
            BodyFrame::Trailers(_) => None,
        });
        match (pieces.next(), pieces.next()) {
            (None, _) => Bytes::new(),
            (Some(only), None) => only.clone(),
            (Some(first), Some(second)) => {
                let mut all = BytesMut::from(&**first);
                all.extend_from_slice(second);
                pieces.for_each(|piece| all.extend_from_slice(piece));
                all.freeze()
            }
        }
    }

    /// Sends this in place of the data of a body that was read, as a whole or its beginning. What follows it stays.
    pub(crate) fn replace_data(&mut self, data: Bytes) {
        let BodySource::Replayed(reader) = &mut self.source else {
            return self.replace(data);
        };
        reader.at = 0;
        let mut kept = reader.kept.borrow_mut();
        kept.frames
            .retain(|frame| matches!(frame, BodyFrame::Trailers(_)));
        if !data.is_empty() {
            kept.frames.insert(0, BodyFrame::Data(data));
        }
    }

    /// Whether trailers follow the data of a body that was read as a whole.
    pub(crate) fn has_trailers(&self) -> bool {
        let BodySource::Replayed(reader) = &self.source else {
            return false;
        };
        let kept = reader.kept.borrow();
        let last = kept.frames.last();
        matches!(last, Some(BodyFrame::Trailers(_)))
    }

    /// Sends this in place of a body that was read as a whole.
    pub(crate) fn replace(&mut self, data: Bytes) {
        self.source = if data.is_empty() {
            BodySource::Empty
        } else {
            BodySource::Own(Some(data))
        };
    }
}
