//! What a client's connection keeps of one request for the next. Most clients ask for one host again and again.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use egret_config::snapshot::BackendSettings;
use tokio::time::{Sleep, sleep_until};

use super::host_pool::HostPool;
use super::outgoing::ReplaySpace;
use super::pool::UpstreamPool;
use crate::plan::destination::DestinationKey;

/// What a client's connection keeps of one request for the next.
#[derive(Default)]
pub(crate) struct ClientMemo {
    /// The pool that the last request took its connection from.
    last_pool: RefCell<Weak<HostPool>>,
    pub(super) timer: KeptTimer,
    pub(super) replay: ReplaySpace,
}

impl ClientMemo {
    /// The pool of a destination, without a search if it is that of the last request.
    pub(super) fn host_pool(
        &self,
        pool: &UpstreamPool,
        destination: &DestinationKey,
        settings: &Arc<BackendSettings>,
    ) -> Rc<HostPool> {
        let last = self.last_pool.borrow().upgrade();
        if let Some(last) = last.filter(|last| last.is_pool_of(destination)) {
            last.update_settings(settings);
            return last;
        }
        let found = pool.host_pool(destination, settings);
        self.last_pool.replace(Rc::downgrade(&found));
        found
    }

    /// Lets go of what costs memory while there are no requests.
    pub(crate) fn rest(&self) {
        self.timer.0.take();
        self.replay.rest();
    }
}

/// A timer that outlives its wait. Almost every wait ends early, and the next one ends later than the one before, so that
/// the timer of the one before can stay set until it fires.
#[derive(Default)]
pub(super) struct KeptTimer(Cell<Option<Pin<Box<Sleep>>>>);

impl KeptTimer {
    /// The output of a future; `None` if it is not ready in time.
    pub(super) async fn until<F: Future>(
        &self,
        deadline: Instant,
        mut future: Pin<&mut F>,
    ) -> Option<F::Output> {
        // Nobody else can wait by the same timer meanwhile.
        let mut timer = self.0.take();
        let output = poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => passed(&mut timer, deadline.into(), cx).map(|()| None),
        })
        .await;
        self.0.set(timer);
        output
    }
}

/// Ready once the deadline has passed.
fn passed(
    timer: &mut Option<Pin<Box<Sleep>>>,
    deadline: tokio::time::Instant,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
    if timer.deadline() > deadline {
        timer.as_mut().reset(deadline);
    }
    loop {
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) if timer.deadline() < deadline => timer.as_mut().reset(deadline),
            polled => return polled,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::time::Duration;

    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    /// Waits for what never comes, and says for how long.
    async fn wait(timer: &KeptTimer, limit: Duration) -> Duration {
        let begin = clock::now();
        let never = timer.until(begin + limit, pin!(pending::<()>())).await;
        assert!(never.is_none());
        clock::now() - begin
    }

    #[tokio::test(start_paused = true)]
    async fn every_wait_has_its_own_end() {
        let timer = KeptTimer::default();
        for seconds in [5, 1, 7, 7, 2] {
            assert_eq!(wait(&timer, seconds * SECOND).await, seconds * SECOND);
            // One that ends early leaves the timer set for later.
            let end = clock::now() + 3 * SECOND;
            let early = async {
                tokio::task::yield_now().await;
                ready(1).await
            };
            assert_eq!(timer.until(end, pin!(early)).await, Some(1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_at_the_same_time_do_not_share_a_timer() {
        let timer = KeptTimer::default();
        wait(&timer, SECOND).await;
        let (one, other) = tokio::join!(wait(&timer, 2 * SECOND), wait(&timer, 5 * SECOND));
        assert_eq!([one, other], [2 * SECOND, 5 * SECOND]);
    }
}
