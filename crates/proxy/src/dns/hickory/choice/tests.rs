//! Servers that answer, fail and come back, in simulated time.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Servers, and a clock that the test turns.
struct World {
    choice: Choice,
    now: Instant,
}

impl World {
    fn new(order: Order, count: usize) -> Self {
        Self {
            choice: Choice::new(order, count, TIMEOUT),
            now: crate::clock::now(),
        }
    }

    /// Servers that have answered in so many milliseconds.
    fn measured(order: Order, times: &[u64]) -> Self {
        let mut world = Self::new(order, times.len());
        for (index, &took) in times.iter().enumerate() {
            world.answered(index, took);
        }
        world
    }

    fn answered(&mut self, index: usize, took: u64) {
        self.choice
            .answered(index, Duration::from_millis(took), self.now);
    }

    fn failed(&mut self, index: usize) {
        self.choice.failed(index, self.now);
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn plan(&mut self) -> (Vec<usize>, Option<usize>) {
        let plan = self.choice.plan(self.now);
        (plan.order, plan.probe)
    }

    fn head_start(&self, index: usize) -> u128 {
        self.choice.head_start(index).as_millis()
    }
}

#[test]
fn the_fastest_is_first_where_they_are_equals() {
    for (order, expected) in [(Order::Fastest, [2, 0, 1]), (Order::AsGiven, [0, 1, 2])] {
        let mut world = World::measured(order, &[20, 30, 10]);
        assert_eq!(world.plan(), (expected.to_vec(), None), "{order:?}");
    }
}

#[test]
fn one_slow_answer_does_not_change_the_order_and_several_do() {
    let mut world = World::measured(Order::Fastest, &[20, 50]);
    world.answered(0, 100);
    assert_eq!(world.plan().0, [0, 1]);
    world.answered(0, 100);
    assert_eq!(world.plan().0, [1, 0]);
}

#[test]
fn those_not_measured_are_probed_one_at_a_time_and_then_take_their_place() {
    let mut world = World::new(Order::Fastest, 3);
    assert_eq!(world.plan(), (vec![0, 1, 2], Some(1)));
    assert_eq!(world.plan(), (vec![0, 1, 2], Some(2)));
    // Under way.
    assert_eq!(world.plan(), (vec![0, 1, 2], None));
    world.answered(2, 10);
    assert_eq!(world.plan().0, [2, 0, 1]);
    world.answered(0, 20);
    world.answered(1, 5);
    assert_eq!(world.plan(), (vec![1, 2, 0], None));
}

#[test]
fn what_was_measured_long_ago_is_measured_again_beside_a_request() {
    let mut world = World::measured(Order::Fastest, &[10, 20]);
    world.wait(29_999);
    world.answered(0, 10);
    assert_eq!(world.plan().1, None);
    world.wait(1);
    assert_eq!(world.plan(), (vec![0, 1], Some(1)));
    assert_eq!(world.plan().1, None);
    // It has become faster.
    for _ in 0..8 {
        world.answered(1, 1);
    }
    assert_eq!(world.plan().0, [1, 0]);
}

#[test]
fn one_that_failed_goes_behind_and_is_tried_again_ever_more_rarely() {
    let mut world = World::measured(Order::Fastest, &[10, 20]);
    world.failed(0);
    assert_eq!(world.plan(), (vec![1, 0], None));
    for backoff in [1, 2, 4, 8, 16, 30, 30] {
        world.wait(backoff * 1000 - 1);
        world.answered(1, 20);
        assert_eq!(world.plan(), (vec![1, 0], None), "{backoff}");
        world.wait(1);
        assert_eq!(world.plan(), (vec![1, 0], Some(0)), "{backoff}");
        // That the probe fails is counted already.
        world.failed(0);
    }
    world.answered(0, 10);
    assert_eq!(world.plan(), (vec![0, 1], None));
    world.failed(0);
    world.wait(1000);
    assert_eq!(world.plan().1, Some(0));
}

#[test]
fn failures_of_one_moment_count_once() {
    let mut world = World::measured(Order::Fastest, &[10, 20]);
    for _ in 0..100 {
        world.failed(0);
    }
    world.wait(1000);
    assert_eq!(world.plan().1, Some(0));
}

#[test]
fn in_a_given_order_only_what_is_dead_goes_behind() {
    let mut world = World::measured(Order::AsGiven, &[900, 1]);
    world.failed(0);
    world.failed(0);
    assert_eq!(world.plan(), (vec![0, 1], None));
    world.answered(0, 900);
    for _ in 0..3 {
        assert_eq!(world.plan().0, [0, 1]);
        world.failed(0);
    }
    assert_eq!(world.plan(), (vec![1, 0], None));
    world.wait(1000);
    assert_eq!(world.plan(), (vec![1, 0], Some(0)));
    world.answered(0, 900);
    // And nobody is measured for the sake of it.
    world.wait(60_000);
    assert_eq!(world.plan(), (vec![0, 1], None));
}

#[test]
fn all_that_failed_are_asked_in_the_order_of_their_return() {
    let mut world = World::measured(Order::Fastest, &[10, 20, 30]);
    for index in [1, 2, 0] {
        world.failed(index);
        world.wait(10);
    }
    assert_eq!(world.plan().0, [1, 2, 0]);
}

#[test]
fn the_head_start_follows_the_usual_time() {
    let mut world = World::measured(Order::Fastest, &[1, 100, 5000]);
    let starts = |world: &World| [0, 1, 2].map(|index| world.head_start(index));
    assert_eq!(starts(&world), [50, 400, 1000]);
    world.failed(2);
    assert_eq!(starts(&world), [50, 400, 50]);
    assert_eq!(World::new(Order::Fastest, 2).head_start(0), 250);
    assert_eq!(World::new(Order::AsGiven, 2).head_start(0), 1000);
    // Never more than a fair share of the time.
    assert_eq!(World::new(Order::AsGiven, 10).head_start(0), 500);
}

#[test]
fn nobody_at_all_is_nobody_to_ask() {
    assert_eq!(World::new(Order::Fastest, 0).plan(), (vec![], None));
}
