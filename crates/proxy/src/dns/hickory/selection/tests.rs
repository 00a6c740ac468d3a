//! Tests of servers that answer, fail and recover, in simulated time.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The selection, and a clock that the test advances.
struct TestServers {
    selection: ServerSelection,
    now: Instant,
}

impl TestServers {
    fn new(order: ServerOrder, count: usize) -> Self {
        Self {
            selection: ServerSelection::new(order, count, TIMEOUT),
            now: crate::clock::now(),
        }
    }

    /// Servers that have answered in these many milliseconds each.
    fn measured(order: ServerOrder, times: &[u64]) -> Self {
        let mut test = Self::new(order, times.len());
        for (index, &took) in times.iter().enumerate() {
            test.answered(index, took);
        }
        test
    }

    fn answered(&mut self, index: usize, took: u64) {
        self.selection
            .answered(index, Duration::from_millis(took), self.now);
    }

    fn failed(&mut self, index: usize) {
        self.selection.failed(index, self.now);
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn plan(&mut self) -> (Vec<usize>, Option<usize>) {
        let plan = self.selection.plan(self.now);
        (plan.order, plan.probe)
    }

    fn head_start(&self, index: usize) -> u128 {
        self.selection.head_start(index).as_millis()
    }
}

#[test]
fn the_fastest_is_first_where_they_are_equals() {
    for (order, expected) in [
        (ServerOrder::Fastest, [2, 0, 1]),
        (ServerOrder::AsGiven, [0, 1, 2]),
    ] {
        let mut test = TestServers::measured(order, &[20, 30, 10]);
        assert_eq!(test.plan(), (expected.to_vec(), None), "{order:?}");
    }
}

#[test]
fn one_slow_answer_does_not_change_the_order_and_several_do() {
    let mut test = TestServers::measured(ServerOrder::Fastest, &[20, 50]);
    test.answered(0, 100);
    assert_eq!(test.plan().0, [0, 1]);
    test.answered(0, 100);
    assert_eq!(test.plan().0, [1, 0]);
}

#[test]
fn those_not_measured_are_probed_one_at_a_time_and_then_take_their_place() {
    let mut test = TestServers::new(ServerOrder::Fastest, 3);
    assert_eq!(test.plan(), (vec![0, 1, 2], Some(1)));
    assert_eq!(test.plan(), (vec![0, 1, 2], Some(2)));
    // The probe is in flight.
    assert_eq!(test.plan(), (vec![0, 1, 2], None));
    test.answered(2, 10);
    assert_eq!(test.plan().0, [2, 0, 1]);
    test.answered(0, 20);
    test.answered(1, 5);
    assert_eq!(test.plan(), (vec![1, 2, 0], None));
}

#[test]
fn what_was_measured_long_ago_is_measured_again_beside_a_request() {
    let mut test = TestServers::measured(ServerOrder::Fastest, &[10, 20]);
    test.wait(29_999);
    test.answered(0, 10);
    assert_eq!(test.plan().1, None);
    test.wait(1);
    assert_eq!(test.plan(), (vec![0, 1], Some(1)));
    assert_eq!(test.plan().1, None);
    // The server has become faster.
    for _ in 0..8 {
        test.answered(1, 1);
    }
    assert_eq!(test.plan().0, [1, 0]);
}

#[test]
fn one_that_failed_goes_behind_and_is_tried_again_ever_more_rarely() {
    let mut test = TestServers::measured(ServerOrder::Fastest, &[10, 20]);
    test.failed(0);
    assert_eq!(test.plan(), (vec![1, 0], None));
    for backoff in [1, 2, 4, 8, 16, 30, 30] {
        test.wait(backoff * 1000 - 1);
        test.answered(1, 20);
        assert_eq!(test.plan(), (vec![1, 0], None), "{backoff}");
        test.wait(1);
        assert_eq!(test.plan(), (vec![1, 0], Some(0)), "{backoff}");
        // The failure of the probe was counted when it was sent.
        test.failed(0);
    }
    test.answered(0, 10);
    assert_eq!(test.plan(), (vec![0, 1], None));
    test.failed(0);
    test.wait(1000);
    assert_eq!(test.plan().1, Some(0));
}

#[test]
fn failures_of_one_moment_count_once() {
    let mut test = TestServers::measured(ServerOrder::Fastest, &[10, 20]);
    for _ in 0..100 {
        test.failed(0);
    }
    test.wait(1000);
    assert_eq!(test.plan().1, Some(0));
}

#[test]
fn in_a_given_order_only_what_is_dead_goes_behind() {
    let mut test = TestServers::measured(ServerOrder::AsGiven, &[900, 1]);
    test.failed(0);
    test.failed(0);
    assert_eq!(test.plan(), (vec![0, 1], None));
    test.answered(0, 900);
    for _ in 0..3 {
        assert_eq!(test.plan().0, [0, 1]);
        test.failed(0);
    }
    assert_eq!(test.plan(), (vec![1, 0], None));
    test.wait(1000);
    assert_eq!(test.plan(), (vec![1, 0], Some(0)));
    test.answered(0, 900);
    // No server is probed just to measure it.
    test.wait(60_000);
    assert_eq!(test.plan(), (vec![0, 1], None));
}

#[test]
fn all_that_failed_are_asked_in_the_order_of_their_return() {
    let mut test = TestServers::measured(ServerOrder::Fastest, &[10, 20, 30]);
    for index in [1, 2, 0] {
        test.failed(index);
        test.wait(10);
    }
    assert_eq!(test.plan().0, [1, 2, 0]);
}

#[test]
fn the_head_start_follows_the_usual_time() {
    let mut test = TestServers::measured(ServerOrder::Fastest, &[1, 100, 5000]);
    let starts = |test: &TestServers| [0, 1, 2].map(|index| test.head_start(index));
    assert_eq!(starts(&test), [50, 400, 1000]);
    test.failed(2);
    assert_eq!(starts(&test), [50, 400, 50]);
    assert_eq!(TestServers::new(ServerOrder::Fastest, 2).head_start(0), 250);
    assert_eq!(
        TestServers::new(ServerOrder::AsGiven, 2).head_start(0),
        1000
    );
    // The head start is never more than a fair share of the timeout.
    assert_eq!(
        TestServers::new(ServerOrder::AsGiven, 10).head_start(0),
        500
    );
}

#[test]
fn nobody_at_all_is_nobody_to_ask() {
    assert_eq!(
        TestServers::new(ServerOrder::Fastest, 0).plan(),
        (vec![], None)
    );
}
