use std::sync::Arc;

use egret_config::policy::egress::EgressAction;
use egret_config::policy::limit::{LocalRateLimits, TokenBucket};
use egret_config::policy::traffic::PolicySetting;
use egret_config::resources::Kind;

use super::*;

fn policy(kind: Kind) -> ObjectRef {
    ObjectRef::new(kind, "edge", "p")
}

const fn bucket(max_tokens: u32) -> TokenBucket {
    TokenBucket {
        max_tokens,
        tokens_per_fill: 1,
        fill_interval: Duration::from_secs(3600),
    }
}

fn local(at: &str, max_tokens: u32, enabled: u8, enforced: u8) -> LocalRateLimit {
    let policy = policy(Kind::TrafficPolicy);
    LocalRateLimit {
        id: LimitId::new(&policy, at),
        policy,
        bucket: bucket(max_tokens),
        enabled,
        enforced,
    }
}

fn settings(limits: Vec<LocalRateLimit>) -> TrafficSettings {
    let limits = Arc::new(LocalRateLimits(limits));
    TrafficSettings {
        rate_limit_local: PolicySetting::Set(policy(Kind::TrafficPolicy), limits),
        ..TrafficSettings::default()
    }
}

fn egress(mode: EgressMode, tokens: Option<u32>, max_concurrent: Option<u32>) -> EgressPolicySet {
    let policy = policy(Kind::EgressPolicy);
    let limit = EgressLimit {
        id: LimitId::new(&policy, "all"),
        name: "all".into(),
        hosts: Vec::new(),
        per_destination: false,
        per_client: false,
        bucket: tokens.map(bucket),
        max_concurrent,
    };
    let rules = EgressRules {
        policy,
        mode,
        default_action: EgressAction::Allow,
        rules: Vec::new(),
        allow_addresses: Vec::new(),
        deny_addresses: Vec::new(),
        limits: vec![limit],
        keeps_tunnels: false,
        sni: Default::default(),
    };
    EgressPolicySet::new(vec![Arc::new(rules)])
}

/// Asks once, with limits that a test keeps.
fn ask(
    limits: &WorkerLimits,
    policies: &TrafficSettings,
    egress: &EgressPolicySet,
) -> Result<Option<LimitShare>, String> {
    let request = LimitedRequest {
        policies,
        egress,
        destination: &DestinationKey::example("a.example"),
        client: EgressClient::default(),
    };
    request.take(limits, 1).map_err(|refusal| match refusal {
        Refusal::Denied(denial) => denial.details,
        other => panic!("{other:?}"),
    })
}

fn worker() -> WorkerLimits {
    WorkerLimits::new(LimitStore::new())
}

fn none() -> EgressPolicySet {
    EgressPolicySet::default()
}

#[test]
fn without_limits_nothing_is_taken() {
    let share = ask(&worker(), &TrafficSettings::default(), &none());
    assert!(share.unwrap().is_none());
}

#[test]
fn a_request_takes_from_every_limit_and_gives_back_what_it_took_before_it_is_refused() {
    let limits = worker();
    let both = settings(vec![
        local("route", 2, 100, 100),
        local("gateway", 1, 100, 100),
    ]);
    let route_alone = settings(vec![local("route", 2, 100, 100)]);
    assert!(ask(&limits, &both, &none()).is_ok());
    // The route has a token, the gateway none: the token of the route is not lost.
    assert!(ask(&limits, &both, &none()).is_err());
    assert!(ask(&limits, &both, &none()).is_err());
    assert!(ask(&limits, &route_alone, &none()).is_ok());
    let told = ask(&limits, &route_alone, &none()).err().unwrap();
    assert_eq!(
        told,
        "rateLimit.local of TrafficPolicy edge/p is reached: 1 per 3600s, at most 2 at once"
    );
}

#[test]
fn shares_of_requests_can_be_limited() {
    let limits = worker();
    let never_asked = settings(vec![local("a", 1, 0, 100)]);
    let never_enforced = settings(vec![local("b", 1, 100, 0)]);
    for _ in 0..10 {
        assert!(ask(&limits, &never_asked, &none()).is_ok());
        assert!(ask(&limits, &never_enforced, &none()).is_ok());
    }
    let enforced = settings(vec![local("b", 1, 100, 100)]);
    assert!(
        ask(&limits, &enforced, &none()).is_err(),
        "the token was taken"
    );
}

#[test]
fn open_requests_are_counted_until_their_share_is_dropped() {
    let limits = worker();
    let one = egress(EgressMode::Enforce, None, Some(1));
    let policies = TrafficSettings::default();
    let share = ask(&limits, &policies, &one).unwrap().unwrap();
    assert!(!share.is_done());
    let told = ask(&limits, &policies, &one).err().unwrap();
    let expected =
        "a.example:80: limit all of EgressPolicy edge/p has as many requests open as it allows";
    assert_eq!(told, expected);
    drop(share);
    assert!(ask(&limits, &policies, &one).is_ok());
}

#[test]
fn a_policy_in_audit_mode_refuses_nothing_and_tells() {
    let limits = worker();
    let audit = egress(EgressMode::Audit, Some(1), None);
    let policies = TrafficSettings::default();
    let first = ask(&limits, &policies, &audit).unwrap().unwrap();
    assert!(first.audited().is_none() && first.is_done());
    let second = ask(&limits, &policies, &audit).unwrap().unwrap();
    let audited = second.audited().unwrap();
    assert_eq!((&*audited.policy.name, &*audited.limit), ("p", "all"));
}

#[test]
fn waiting_times_are_whole_seconds() {
    for (wait, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_500, 60)] {
        assert_eq!(whole_seconds(Duration::from_millis(wait)), seconds);
    }
}

/// All workers together admit what one bucket holds and gets.
#[test]
fn workers_share_a_bucket() {
    let store = LimitStore::new();
    let taken: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let limits = || WorkerLimits::new(Arc::clone(&store));
                scope.spawn(move || {
                    let (limits, policies) = (limits(), settings(vec![local("a", 1000, 100, 100)]));
                    let asked = (0..1000).filter(|_| ask(&limits, &policies, &none()).is_ok());
                    asked.count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(taken, 1000);
}
