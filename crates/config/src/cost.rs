#![cfg(test)]
//! What something costs, for tests that are run by hand.
//!
//! `cargo test --release -p egret-config -p egret-proxy --lib time_of -- --ignored --nocapture --test-threads 1`

use std::fs;
use std::time::Duration;

/// The time for which this thread has had a processor, in steps of some milliseconds: what other work the machine has does not
/// count.
pub(crate) fn cpu_time() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel tells");
    let nanos = told.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

/// The CPU time of one of many.
pub(crate) fn time_of(what: &str, rounds: u32, mut once: impl FnMut()) -> Duration {
    let began = cpu_time();
    for _ in 0..rounds {
        once();
    }
    let each = (cpu_time() - began) / rounds;
    println!("{each:?} {what}");
    each
}
