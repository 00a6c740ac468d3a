//! The pace of a body that is sent slowly on purpose.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Sleep, sleep};

use super::ActiveFault;

/// How many pieces a body is sent in each second.
const PIECES_PER_SECOND: u64 = 16;

/// Sends the data of a body in small pieces, each when its time has come. The first comes at once.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    /// Data that was read and whose time has not come.
    held: Bytes,
    /// Fires when the next piece may be sent.
    timer: Option<Pin<Box<Sleep>>>,
    _active: ActiveFault,
}

impl Pace {
    pub(super) fn new(bytes_per_second: u64, active: ActiveFault) -> Self {
        Self {
            bytes_per_second,
            held: Bytes::new(),
            timer: None,
            _active: active,
        }
    }

    /// Whether data is held back.
    pub(crate) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// The next frame of a body. `next` polls the body for more.
    pub(crate) fn poll<E>(
        &mut self,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        if let Some(timer) = &mut self.timer {
            ready!(timer.as_mut().poll(cx));
            self.timer = None;
        }
        if self.held.is_empty() {
            let frame = match ready!(next(cx)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => self.held = data,
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(self.piece()))))
    }

    /// The next piece of what is held. Sets the time of the one after it.
    fn piece(&mut self) -> Bytes {
        let most = (self.bytes_per_second / PIECES_PER_SECOND).max(1);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let piece = self.held.split_to(self.held.len().min(most));
        let takes = Duration::from_secs_f64(piece.len() as f64 / self.bytes_per_second as f64);
        if !takes.is_zero() {
            self.timer = Some(Box::pin(sleep(takes)));
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use super::*;
    use crate::clock;
    use crate::policy::fault::ActiveFaults;

    /// With the clock of the test, which moves on when everybody waits.
    #[tokio::test(start_paused = true)]
    async fn a_body_takes_as_long_as_its_rate_says() {
        let active = Arc::new(ActiveFaults::default());
        for (length, bytes_per_second, pieces) in
            [(1000, 250, 67), (10, 125, 2), (0, 125, 1), (4, 2, 4)]
        {
            let active = active.begin(None).unwrap();
            let mut pace = Pace::new(bytes_per_second, active);
            let mut body = Some(Bytes::from(vec![b'x'; length]));
            let began = clock::now();
            let mut sent = Vec::new();
            loop {
                let frame = std::future::poll_fn(|cx| {
                    pace.poll(cx, |_| {
                        let data = body
                            .take()
                            .map(|data| Ok::<_, Infallible>(Frame::data(data)));
                        Poll::Ready(data)
                    })
                });
                let Some(Ok(frame)) = frame.await else { break };
                sent.push(frame.into_data().unwrap().len());
            }
            assert_eq!(sent.iter().sum::<usize>(), length);
            assert_eq!(sent.len(), pieces, "{length} at {bytes_per_second}");
            let expected = length as f64 / bytes_per_second as f64;
            let took = (clock::now() - began).as_secs_f64();
            // Each timer is rounded up to a millisecond.
            let slack = 0.001 * pieces as f64;
            assert!(
                (expected..=expected + slack).contains(&took),
                "{took} for {length} at {bytes_per_second}"
            );
        }
    }
}
