//! A body whose pieces are made while it is sent: of a request of the gateway's own that goes on for long.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

/// Puts pieces into a body. If it is dropped, the body ends.
#[derive(Debug)]
pub(crate) struct MessageSender(Rc<RefCell<MessageQueue>>);

/// The body, as it is sent. Of several that share the pieces, the one that claimed them last has them.
#[derive(Debug)]
pub(crate) struct MessageBody {
    queue: Rc<RefCell<MessageQueue>>,
    number: u32,
}

#[derive(Debug, Default)]
struct MessageQueue {
    waiting: VecDeque<Bytes>,
    /// What was taken, as long as it may have to be sent again.
    taken: Option<Vec<Bytes>>,
    has_ended: bool,
    reader: Option<Waker>,
    /// The body that has the pieces.
    owner: u32,
}

/// A body and what makes it. The pieces are kept to be sent again, until [`MessageSender::arrived`].
pub(crate) fn message_body() -> (MessageSender, MessageBody) {
    let queue = Rc::new(RefCell::new(MessageQueue {
        taken: Some(Vec::new()),
        ..MessageQueue::default()
    }));
    let body = MessageBody {
        queue: Rc::clone(&queue),
        number: 0,
    };
    (MessageSender(queue), body)
}

impl MessageSender {
    /// Sends a piece. Whoever calls it bounds how much waits.
    pub(crate) fn send(&self, piece: Bytes) {
        let mut queue = self.0.borrow_mut();
        queue.waiting.push_back(piece);
        queue.wake();
    }

    /// The receiver has got what was sent so far: it is not sent again.
    pub(crate) fn arrived(&self) {
        self.0.borrow_mut().taken = None;
    }
}

impl Drop for MessageSender {
    fn drop(&mut self) {
        let mut queue = self.0.borrow_mut();
        queue.has_ended = true;
        queue.wake();
    }
}

impl MessageQueue {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl MessageBody {
    /// Another body with the same pieces, which has to [claim](Self::claim) them; `None` if some of them are gone.
    pub(crate) fn again(&self) -> Option<Self> {
        let queue = self.queue.borrow();
        queue.taken.as_ref()?;
        Some(Self {
            queue: Rc::clone(&self.queue),
            number: queue.owner + 1,
        })
    }

    /// Takes the pieces over, from the first on. False if some of them are gone.
    pub(crate) fn claim(&mut self) -> bool {
        let mut queue = self.queue.borrow_mut();
        queue.owner += 1;
        self.number = queue.owner;
        let MessageQueue { waiting, taken, .. } = &mut *queue;
        let Some(taken) = taken else {
            return false;
        };
        for piece in taken.drain(..).rev() {
            waiting.push_front(piece);
        }
        true
    }

    /// The next piece; `None` at the end, which is that of another body that has the pieces, too.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut queue = self.queue.borrow_mut();
        if queue.owner != self.number {
            return Poll::Ready(None);
        }
        let Some(piece) = queue.waiting.pop_front() else {
            if queue.has_ended {
                return Poll::Ready(None);
            }
            queue.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        if let Some(taken) = &mut queue.taken {
            taken.push(piece.clone());
        }
        Poll::Ready(Some(piece))
    }

    /// Whether there is nothing more.
    pub(crate) fn has_ended(&self) -> bool {
        let queue = self.queue.borrow();
        queue.owner == self.number && queue.has_ended && queue.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(body: &MessageBody) -> Poll<Option<Bytes>> {
        body.poll_next(&Context::from_waker(Waker::noop()))
    }

    fn piece(text: &'static str) -> Poll<Option<Bytes>> {
        Poll::Ready(Some(Bytes::from_static(text.as_bytes())))
    }

    #[test]
    fn pieces_are_sent_in_order_until_the_sender_is_dropped() {
        let (sender, body) = message_body();
        assert_eq!(next(&body), Poll::Pending);
        sender.send("a".into());
        sender.send("b".into());
        assert_eq!(next(&body), piece("a"));
        drop(sender);
        assert!(!body.has_ended());
        assert_eq!(next(&body), piece("b"));
        assert!(body.has_ended());
        assert_eq!(next(&body), Poll::Ready(None));
    }

    #[test]
    fn what_did_not_arrive_is_sent_again_and_by_one_body_only() {
        let (sender, body) = message_body();
        sender.send("a".into());
        sender.send("b".into());
        assert_eq!(next(&body), piece("a"));
        let mut again = body.again().unwrap();
        assert_eq!(next(&again), Poll::Ready(None));
        assert_eq!(next(&body), piece("b"));
        assert!(again.claim());
        assert_eq!(next(&body), Poll::Ready(None));
        assert_eq!(next(&again), piece("a"));
        sender.arrived();
        assert_eq!(next(&again), piece("b"));
        assert!(again.again().is_none());
        assert!(!again.claim());
    }
}
