//! The beginning of a request body, which is read before anything of it is sent.

use std::future::poll_fn;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use tokio::time::timeout;

use super::whole::WholeBodyFault;
use super::{BodySource, RequestBody};
use crate::exchange::Progress;

/// The beginning of a body.
#[derive(Debug, Default)]
pub(crate) struct BodyBeginning {
    pub(crate) data: Bytes,
    /// Whether this is all of it.
    pub(crate) is_whole: bool,
}

impl RequestBody {
    /// Reads the beginning of the body, at most this number of bytes. A client that waits for consent is asked for it. The
    /// body is sent from its beginning after that.
    ///
    /// # Errors
    /// If the client does not send it.
    pub(crate) async fn read_beginning(
        &mut self,
        most: usize,
    ) -> Result<BodyBeginning, WholeBodyFault> {
        let idle_timeout = self.progress().map(Progress::idle_timeout);
        self.keep(usize::MAX);
        let BodySource::Replayed(reader) = &mut self.source else {
            return Ok(BodyBeginning {
                is_whole: true,
                ..BodyBeginning::default()
            });
        };
        // While there is a second reader, what is read is kept.
        let kept = Rc::clone(&reader.kept);
        let mut data = BytesMut::new();
        while data.len() < most && !kept.borrow().incoming.is_end_stream() {
            let next = poll_fn(|cx| reader.poll(cx));
            let frame = match idle_timeout {
                Some(limit) => timeout(limit, next)
                    .await
                    .map_err(|_| WholeBodyFault::Incomplete)?,
                None => next.await,
            };
            match frame {
                Some(Ok(frame)) => {
                    data.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                }
                Some(Err(_)) => return Err(WholeBodyFault::Incomplete),
                None => break,
            }
        }
        let is_whole = data.len() <= most && kept.borrow().incoming.is_end_stream();
        data.truncate(most);
        // What follows is buffered only if somebody asks for that.
        kept.borrow_mut().room = Some(0);
        reader.at = 0;
        Ok(BodyBeginning {
            data: data.freeze(),
            is_whole,
        })
    }
}
