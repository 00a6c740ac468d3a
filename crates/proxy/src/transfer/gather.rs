//! Small pieces of a body that is held: each for itself would take many times the memory of its bytes, and whoever sends the body
//! chooses how small the pieces are.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

/// Pieces from this size on are held as they came, in bytes.
pub(super) const SMALL: usize = 1024;
/// Small ones are put together up to about this size, in bytes.
const GATHERED: usize = 16 * 1024;

/// Puts a small piece behind `last`, the last one that is held, and returns a piece that is to be held for itself: the first, one
/// that is not small, or a copy to which the next ones can be put.
pub(crate) fn gather(last: Option<&mut Bytes>, piece: &Bytes) -> Option<Bytes> {
    // Most bodies that are small are one piece.
    let Some(last) = last.filter(|_| piece.len() < SMALL) else {
        return Some(piece.clone());
    };
    if last.len() < GATHERED {
        // It cannot be added to while somebody else reads it.
        match std::mem::take(last).try_into_mut() {
            Ok(mut gathered) => {
                gathered.extend_from_slice(piece);
                *last = gathered.freeze();
                return None;
            }
            Err(shared) => *last = shared,
        }
    }
    let mut own = BytesMut::with_capacity(SMALL);
    own.extend_from_slice(piece);
    Some(own.freeze())
}

/// A body whose small pieces are put together as far as they are there at once, for a receiver that holds each frame for itself.
pub(super) struct GatheredBody<B: Body<Data = Bytes>> {
    body: B,
    /// What came behind pieces that were put together: a frame, an error, or the end.
    behind: Option<Option<Result<Frame<Bytes>, B::Error>>>,
}

impl<B: Body<Data = Bytes> + Unpin> GatheredBody<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body, behind: None }
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(behind) = self.behind.take() {
            return Poll::Ready(behind);
        }
        let mut gathered: Option<Bytes> = None;
        loop {
            let next = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(next) => next,
                Poll::Pending if gathered.is_none() => return Poll::Pending,
                Poll::Pending => break,
            };
            let small = match &next {
                Some(Ok(frame)) => frame.data_ref().filter(|data| data.len() < SMALL),
                Some(Err(_)) | None => None,
            };
            let Some(data) = small else {
                if gathered.is_none() {
                    return Poll::Ready(next);
                }
                self.behind = Some(next);
                break;
            };
            let together = match gathered {
                None => data.clone(),
                Some(last) => appended(last, data),
            };
            let is_full = together.len() >= GATHERED;
            gathered = Some(together);
            if is_full || self.body.is_end_stream() {
                break;
            }
        }
        Poll::Ready(gathered.map(|data| Ok(Frame::data(data))))
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match &self.behind {
            None => self.body.is_end_stream(),
            Some(behind) => behind.is_none(),
        }
    }
}

/// The bytes of one piece and the next.
fn appended(last: Bytes, piece: &Bytes) -> Bytes {
    let mut all = last.try_into_mut().unwrap_or_else(|shared| {
        let mut own = BytesMut::with_capacity(SMALL);
        own.extend_from_slice(&shared);
        own
    });
    all.extend_from_slice(piece);
    all.freeze()
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use futures_util::stream;
    use http::HeaderMap;
    use http_body_util::StreamBody;

    use super::*;

    /// What a body of these pieces becomes. A piece that is `None` is not there yet.
    fn gathered(pieces: Vec<Option<Result<Frame<Bytes>, u8>>>) -> Vec<String> {
        let mut pieces = pieces.into_iter();
        let source = stream::poll_fn(move |_| match pieces.next() {
            Some(Some(piece)) => Poll::Ready(Some(piece)),
            Some(None) => Poll::Pending,
            None => Poll::Ready(None),
        });
        let mut body = GatheredBody::new(StreamBody::new(source));
        let mut became = Vec::new();
        loop {
            became.push(
                match body.poll_frame(&mut Context::from_waker(Waker::noop())) {
                    Poll::Pending => "...".to_owned(),
                    Poll::Ready(None) => return became,
                    Poll::Ready(Some(Err(error))) => {
                        return [became, vec![error.to_string()]].concat();
                    }
                    Poll::Ready(Some(Ok(frame))) => match frame.data_ref() {
                        Some(data) if data.len() >= SMALL => data.len().to_string(),
                        Some(data) => String::from_utf8(data.to_vec()).unwrap(),
                        None => "trailers".to_owned(),
                    },
                },
            );
        }
    }

    #[test]
    fn what_is_there_at_once_is_one_piece_and_nothing_waits_for_more() {
        let data = |text: &str| Some(Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes()))));
        let large = "x".repeat(2000);
        let trailers = || Some(Ok(Frame::trailers(HeaderMap::new())));
        for (pieces, expected) in [
            (vec![], &[][..]),
            (vec![data("a")], &["a"]),
            (vec![data("a"), data("b"), trailers()], &["ab", "trailers"]),
            (vec![data("a"), None, data("b"), data("c")], &["a", "bc"]),
            (vec![None, data("a"), Some(Err(7))], &["...", "a", "7"]),
            (
                vec![data("a"), data("b"), data(&large), data("c")],
                &["ab", "2000", "c"],
            ),
        ] {
            let became = gathered(pieces);
            assert_eq!(became, expected);
        }
        let bytes = (0..40_000).map(|_| data("a")).collect();
        assert_eq!(gathered(bytes), ["16384", "16384", "7232"]);
    }

    fn hold(held: &mut Vec<Bytes>, piece: &[u8]) {
        let apart = gather(held.last_mut(), &Bytes::copy_from_slice(piece));
        held.extend(apart);
    }

    #[test]
    fn small_pieces_are_held_together_and_others_as_they_came() {
        let all: Vec<u8> = (0..100_000_u32).map(|at| at.to_ne_bytes()[0]).collect();
        for (size, most) in [(1, 10), (3, 10), (1000, 10), (1024, 98), (100_000, 1)] {
            let mut held = Vec::new();
            all.chunks(size).for_each(|piece| hold(&mut held, piece));
            assert!(held.len() <= most, "{size}: {}", held.len());
            assert_eq!(held.concat(), all, "{size}");
        }
    }

    #[test]
    fn what_somebody_reads_stays_as_it_is() {
        let mut held = Vec::new();
        hold(&mut held, b"a");
        hold(&mut held, b"b");
        let read = held[0].clone();
        hold(&mut held, b"c");
        hold(&mut held, b"d");
        assert_eq!((read, held), ("ab".into(), vec!["ab".into(), "cd".into()]));
    }
}
