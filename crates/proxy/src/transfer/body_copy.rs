//! Copies of a body on its way: whoever reads the body never waits for those who read the copies.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use tokio::sync::Notify;

use super::gather::gather;

/// The most bytes of one body that a reader may lag behind.
const MAX_LAG: usize = 1 << 20;
/// The most bytes that all readers of a worker may lag behind together.
const MAX_LAG_OF_WORKER: usize = 16 << 20;

/// The bytes that the copies of a worker may still hold.
#[derive(Debug)]
pub(crate) struct CopyBudget(Cell<usize>);

/// What bounds a copy.
pub(crate) struct CopyLimits {
    pub(crate) budget: Rc<CopyBudget>,
    /// Notified when the body came faster than its copy was taken, and the copy is lost. Its reader may not notice, while it
    /// waits for the upstream.
    pub(crate) overflowed: Rc<Notify>,
}

/// Gives what passes to the readers of copies. If it is dropped before the end of the body, they fail.
#[derive(Default)]
pub(crate) struct BodyTee {
    copies: Vec<Rc<CopyQueue>>,
}

/// A copy of a body, as its reader sees it.
pub(crate) struct BodyCopy(Rc<CopyQueue>);

/// What passed and has not been read.
struct CopyQueue {
    frames: RefCell<VecDeque<CopiedFrame>>,
    lag: Cell<usize>,
    end: Cell<Option<CopyEnd>>,
    reader: Cell<Option<Waker>>,
    budget: Rc<CopyBudget>,
    overflowed: Rc<Notify>,
}

enum CopiedFrame {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// How a copy ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CopyEnd {
    /// It is whole.
    Whole,
    /// The body came to no end.
    BrokenOff,
    /// Its reader is too slow.
    Overflowed,
}

/// Why a copy is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CopyError {
    #[error("the body came to no end")]
    BrokenOff,
    #[error("the body came faster than its copy was taken")]
    Overflowed,
}

impl Default for CopyBudget {
    fn default() -> Self {
        Self(Cell::new(MAX_LAG_OF_WORKER))
    }
}

impl BodyCopy {
    /// Copies a frame that was read before the copy was made.
    pub(crate) fn passed(&self, frame: &Frame<Bytes>) {
        self.0.pass(frame);
    }

    /// The body had come to its end before the copy was made.
    pub(crate) fn ended(&self) {
        self.0.end(CopyEnd::Whole);
    }
}

impl BodyTee {
    /// A further copy of the body, from here on.
    pub(crate) fn copy(&mut self, limits: &CopyLimits) -> BodyCopy {
        let queue = Rc::new(CopyQueue {
            frames: RefCell::default(),
            lag: Cell::default(),
            end: Cell::default(),
            reader: Cell::default(),
            budget: Rc::clone(&limits.budget),
            overflowed: Rc::clone(&limits.overflowed),
        });
        self.copies.push(Rc::clone(&queue));
        BodyCopy(queue)
    }

    /// Copies a frame. Copies that nobody reads any more are forgotten.
    pub(crate) fn passed(&mut self, frame: &Frame<Bytes>) {
        self.copies
            .retain(|copy| Rc::strong_count(copy) > 1 && copy.end.get().is_none());
        for copy in &self.copies {
            copy.pass(frame);
        }
    }

    /// The body has come to its end.
    pub(crate) fn ended(&mut self) {
        self.end(CopyEnd::Whole);
    }

    fn end(&mut self, how: CopyEnd) {
        for copy in self.copies.drain(..) {
            copy.end(how);
        }
    }
}

impl Drop for BodyTee {
    fn drop(&mut self) {
        self.end(CopyEnd::BrokenOff);
    }
}

impl CopyQueue {
    fn pass(&self, frame: &Frame<Bytes>) {
        match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => self.push_data(data),
            (None, Some(trailers)) => self.push(CopiedFrame::Trailers(trailers.clone())),
            (None, None) => {}
        }
    }

    fn push_data(&self, data: &Bytes) {
        let length = data.len();
        let lag = self.lag.get() + length;
        let left = self.budget.0.get();
        if lag > MAX_LAG || length > left {
            self.frames.borrow_mut().clear();
            self.give_back(self.lag.get());
            self.overflowed.notify_one();
            return self.end(CopyEnd::Overflowed);
        }
        self.budget.0.set(left - length);
        self.lag.set(lag);
        let mut frames = self.frames.borrow_mut();
        let last = match frames.back_mut() {
            Some(CopiedFrame::Data(last)) => Some(last),
            Some(CopiedFrame::Trailers(_)) | None => None,
        };
        let apart = gather(last, data).map(CopiedFrame::Data);
        frames.extend(apart);
        drop(frames);
        self.wake();
    }

    fn push(&self, frame: CopiedFrame) {
        self.frames.borrow_mut().push_back(frame);
        self.wake();
    }

    fn end(&self, how: CopyEnd) {
        if self.end.get().is_none() {
            self.end.set(Some(how));
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn give_back(&self, length: usize) {
        self.lag.set(self.lag.get() - length);
        self.budget.0.set(self.budget.0.get() + length);
    }
}

impl Drop for CopyQueue {
    fn drop(&mut self) {
        self.give_back(self.lag.get());
    }
}

impl BodyCopy {
    /// The next frame; `None` is the end of a whole body.
    pub(crate) fn poll_frame(
        &self,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CopyError>>> {
        let Self(queue) = self;
        match queue.frames.borrow_mut().pop_front() {
            Some(CopiedFrame::Data(data)) => {
                queue.give_back(data.len());
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            Some(CopiedFrame::Trailers(trailers)) => {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            None => {}
        }
        match queue.end.get() {
            Some(CopyEnd::Whole) => Poll::Ready(None),
            Some(CopyEnd::BrokenOff) => Poll::Ready(Some(Err(CopyError::BrokenOff))),
            Some(CopyEnd::Overflowed) => Poll::Ready(Some(Err(CopyError::Overflowed))),
            None => {
                queue.reader.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }

    /// Whether nothing more comes, and all is well.
    pub(crate) fn is_end_stream(&self) -> bool {
        self.0.end.get() == Some(CopyEnd::Whole) && self.0.frames.borrow().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(copy: &BodyCopy) -> Poll<Option<Result<Bytes, CopyError>>> {
        let polled = copy.poll_frame(&Context::from_waker(Waker::noop()));
        polled.map(|next| next.map(|frame| frame.map(|frame| frame.into_data().unwrap())))
    }

    fn data(length: usize) -> Frame<Bytes> {
        Frame::data(Bytes::from(vec![b'x'; length]))
    }

    /// Limits of this budget.
    fn limits(bytes: usize) -> CopyLimits {
        CopyLimits {
            budget: Rc::new(CopyBudget(Cell::new(bytes))),
            overflowed: Rc::default(),
        }
    }

    #[test]
    fn every_copy_has_all_of_it() {
        let limits = limits(MAX_LAG_OF_WORKER);
        let mut tee = BodyTee::default();
        let copies = [tee.copy(&limits), tee.copy(&limits)];
        assert!(read(&copies[0]).is_pending());
        tee.passed(&data(3));
        tee.passed(&data(4));
        let trailers = HeaderMap::from_iter([("x".parse().unwrap(), "y".parse().unwrap())]);
        tee.passed(&Frame::trailers(trailers.clone()));
        tee.ended();
        for copy in &copies {
            assert_eq!(read(copy), Poll::Ready(Some(Ok(Bytes::from("xxx")))));
            assert_eq!(read(copy), Poll::Ready(Some(Ok(Bytes::from("xxxx")))));
            assert!(!copy.is_end_stream());
            let Poll::Ready(Some(Ok(frame))) = copy.poll_frame(&Context::from_waker(Waker::noop()))
            else {
                panic!("the trailers");
            };
            assert_eq!(frame.trailers_ref(), Some(&trailers));
            assert!(copy.is_end_stream());
            assert_eq!(read(copy), Poll::Ready(None));
        }
        assert_eq!(limits.budget.0.get(), MAX_LAG_OF_WORKER);
    }

    /// A client that sends its body byte by byte makes nobody hold more than its bytes.
    #[test]
    fn what_waits_in_small_pieces_is_held_together() {
        let limits = limits(MAX_LAG_OF_WORKER);
        let mut tee = BodyTee::default();
        let copy = tee.copy(&limits);
        for _ in 0..100_000 {
            tee.passed(&data(1));
        }
        tee.ended();
        assert!(copy.0.frames.borrow().len() < 10);
        let mut length = 0;
        while let Poll::Ready(Some(Ok(piece))) = read(&copy) {
            length += piece.len();
        }
        assert_eq!(length, 100_000);
        assert_eq!(limits.budget.0.get(), MAX_LAG_OF_WORKER);
    }

    #[test]
    fn a_body_that_comes_to_no_end_has_no_whole_copy() {
        let mut tee = BodyTee::default();
        let copy = tee.copy(&limits(MAX_LAG_OF_WORKER));
        tee.passed(&data(1));
        drop(tee);
        assert_eq!(read(&copy), Poll::Ready(Some(Ok(Bytes::from("x")))));
        assert_eq!(read(&copy), Poll::Ready(Some(Err(CopyError::BrokenOff))));
    }

    #[test]
    fn a_reader_that_lags_behind_loses_its_copy_and_delays_nobody() {
        let limits = limits(MAX_LAG_OF_WORKER);
        let mut tee = BodyTee::default();
        let (slow, fast) = (tee.copy(&limits), tee.copy(&limits));
        for _ in 0..=MAX_LAG >> 16 {
            tee.passed(&data(1 << 16));
            assert!(matches!(read(&fast), Poll::Ready(Some(Ok(_)))));
        }
        tee.ended();
        assert_eq!(read(&slow), Poll::Ready(Some(Err(CopyError::Overflowed))));
        assert_eq!(read(&fast), Poll::Ready(None));
        // What it held is there for others.
        assert_eq!(limits.budget.0.get(), MAX_LAG_OF_WORKER);
    }

    #[test]
    fn all_readers_together_hold_no_more_than_the_budget() {
        let limits = limits(10);
        let (mut one, mut other) = (BodyTee::default(), BodyTee::default());
        let (first, second) = (one.copy(&limits), other.copy(&limits));
        one.passed(&data(6));
        other.passed(&data(6));
        assert_eq!(read(&second), Poll::Ready(Some(Err(CopyError::Overflowed))));
        drop(first);
        // The queue goes with its last owner.
        assert_eq!(limits.budget.0.get(), 4);
        one.passed(&data(6));
        assert_eq!(limits.budget.0.get(), 10);
    }
}
