//! The probe, in simulated time.

use std::rc::Rc;

use tokio::task::{LocalSet, yield_now};
use tokio::time::advance;

use super::*;

const LIMITS: QueueLimits = QueueLimits {
    time: Duration::from_millis(5),
    requests: 10,
};
/// How long a request keeps a worker busy that has too much to do.
const BUSY: Duration = Duration::from_millis(20);
/// How long it takes to refuse one.
const REFUSE: Duration = Duration::from_millis(1);

/// Groups of requests that come one after the other, each of which keeps the worker busy for so long, unless it is refused.
/// Returns how many groups are.
async fn serve(overload: &Overload, groups: usize, busy: Duration) -> usize {
    serve_groups_of(20, overload, groups, busy).await
}

async fn serve_groups_of(size: usize, overload: &Overload, groups: usize, busy: Duration) -> usize {
    let mut refused = 0;
    for _ in 0..groups {
        let mut is_refused = false;
        for _ in 0..size {
            is_refused = overload.admit(clock::now()).is_err();
        }
        refused += usize::from(is_refused);
        // The probe that the request has sent waits all this time.
        advance(if is_refused { REFUSE } else { busy }).await;
        yield_now().await;
    }
    refused
}

async fn with_probe(overload: Overload, test: impl AsyncFnOnce(&Overload)) {
    let overload = Rc::new(overload);
    let tasks = LocalSet::new();
    let measured = Rc::clone(&overload);
    tasks.spawn_local(async move { measured.measure().await });
    tasks.run_until(test(&overload)).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_time_left_refuses_nothing() {
    with_probe(Overload::new(Some(LIMITS)), async |overload| {
        assert_eq!(serve(overload, 100, Duration::from_millis(1)).await, 0);
        assert!(!overload.takes_no_connections());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_queue_stays_long_takes_no_connections_and_then_refuses() {
    with_probe(Overload::new(Some(LIMITS)), async |overload| {
        assert_eq!(serve(overload, 5, BUSY).await, 0, "a burst");
        assert!(overload.takes_no_connections());
        assert!(serve(overload, 50, BUSY).await > 0);
        // One that is served again makes the others wait again.
        assert!(serve(overload, 50, BUSY).await < 50);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_is_over_when_the_queue_is_short_and_after_a_pause() {
    with_probe(Overload::new(Some(LIMITS)), async |overload| {
        serve(overload, 50, BUSY).await;
        advance(Duration::from_secs(1)).await;
        yield_now().await;
        assert!(!overload.takes_no_connections());
        assert_eq!(serve(overload, 50, REFUSE).await, 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_refused_without_a_limit() {
    with_probe(Overload::new(None), async |overload| {
        assert_eq!(serve(overload, 50, BUSY).await, 0);
        assert!(!overload.takes_no_connections());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn few_requests_are_served_however_long_the_worker_waits_for_a_processor() {
    with_probe(Overload::new(Some(LIMITS)), async |overload| {
        assert_eq!(serve_groups_of(1, overload, 50, BUSY).await, 0);
        assert!(!overload.takes_no_connections());
    })
    .await;
}
