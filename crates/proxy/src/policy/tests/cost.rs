//! What policies cost: those that are set, and those that are not.
//!
//! Run by hand: `cargo test --release -p egret-proxy --lib time_of -- --ignored --nocapture --test-threads 1`.

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use egret_config::policy::egress::EgressPolicySet;
use egret_config::policy::limit::{LimitId, LocalRateLimit, LocalRateLimits, TokenBucket};

use super::*;
use crate::plan::destination::DestinationKey;
use crate::policy::limit::LimitStore;

const ROUNDS: u32 = 1_000_000;

/// The time for which this thread has had a processor: what other work the machine has does not count.
fn cpu_time() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanos = told.split(' ').next().unwrap();
    Duration::from_nanos(nanos.parse().unwrap())
}

/// The CPU time of one of many.
#[expect(clippy::print_stdout, reason = "for people to read")]
fn time_of(what: &str, mut once: impl FnMut()) -> Duration {
    let began = cpu_time();
    for _ in 0..ROUNDS {
        once();
    }
    let each = (cpu_time() - began) / ROUNDS;
    println!("{each:?} {what}");
    each
}

/// Takes from the limits of a request, and from nothing else.
fn take(policies: &TrafficSettings, destination: &DestinationKey, limits: &WorkerLimits) {
    let request = LimitedRequest {
        policies,
        egress: &EgressPolicySet::default(),
        destination,
        client: EgressClient::default(),
    };
    assert!(black_box(request.take(limits, 1)).is_ok());
}

#[test]
#[ignore = "measures"]
fn time_of_a_local_rate_limit() {
    let policy = ObjectRef::new(Kind::TrafficPolicy, "apps", "p");
    let limit = LocalRateLimit {
        id: LimitId::new(&policy, "gateway"),
        policy: policy.clone(),
        bucket: TokenBucket {
            max_tokens: u32::MAX,
            tokens_per_fill: u32::MAX,
            fill_interval: Duration::from_secs(1),
        },
        enabled: 100,
        enforced: 100,
    };
    let policies = TrafficSettings {
        rate_limit_local: PolicySetting::Set(policy, Arc::new(LocalRateLimits(vec![limit]))),
        ..TrafficSettings::default()
    };
    let limits = WorkerLimits::new(LimitStore::new());
    let destination = DestinationKey::example("a.example");
    let each = time_of("for a local rate limit", || {
        take(black_box(&policies), &destination, &limits);
    });
    assert!(each.as_nanos() < 200, "{each:?}");
}

/// Each of them compares, and does nothing else: that is the time of twenty instructions for each, at one in a nanosecond.
#[test]
#[ignore = "measures"]
fn time_of_policies_that_are_not_set() {
    const ASKED: u128 = 11;
    let policies = TrafficSettings::default();
    let limits = WorkerLimits::new(LimitStore::new());
    let destination = DestinationKey::example("a.example");
    let (parts, ()) = Request::new(()).into_parts();
    let mut headers = HeaderMap::new();
    let each = time_of("for eleven policies that are not set", || {
        let policies = black_box(&policies);
        assert!(csrf::check(policies, &parts).is_ok());
        assert!(acl::check(policies, IpAddr::from([192, 0, 2, 1])).is_ok());
        assert!(rbac::check(policies, || unreachable!("it is not set")).is_ok());
        assert!(!rbac::reads_egress(policies));
        assert!(!ext_proc::reads_requests(policies));
        assert!(transformation::of_requests(policies).is_none());
        assert!(transformation::of_responses(policies).is_none());
        header_modifiers::edit_request(policies, black_box(&mut headers));
        // Header modifiers of responses, and who may read them.
        edit_response(policies, None, black_box(&mut headers));
        // The limits of the rule and of egress policies.
        take(policies, &destination, &limits);
    });
    assert!(each.as_nanos() < ASKED * 20, "{each:?}");
}
