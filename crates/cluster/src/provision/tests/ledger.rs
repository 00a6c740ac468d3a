//! What has to be sent, in simulated time.

use std::time::Duration;

use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::made;
use crate::provision::ledger::Ledger;
use crate::provision::{DesiredObject, WriteFault};

const START: Duration = Duration::from_secs(1000);

fn object() -> DesiredObject {
    made(&json!({}), json!({})).swap_remove(3)
}

fn live(version: &str, spec: Value) -> DynamicObject {
    let object = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "gw", "resourceVersion": version, "labels": {"a": "b"}},
        "spec": spec, "status": {"seen": version},
    });
    serde_json::from_value(object).unwrap()
}

fn at(seconds: u64) -> Duration {
    START + Duration::from_secs(seconds)
}

#[test]
fn what_was_sent_and_is_there_is_not_sent_again() {
    let object = object();
    let mut ledger = Ledger::default();
    assert!(ledger.is_due(&object, None, at(0)));
    // What is there before is nothing that this process has sent.
    assert!(ledger.is_due(&object, Some(&live("5", json!({}))), at(0)));
    let back = live("7", json!({"x": 1}));
    ledger.sent(&object, Ok((&back, false)), at(0));
    // The watch is behind, then there; then a status changes.
    assert!(!ledger.is_due(&object, None, at(1)));
    assert!(!ledger.is_due(&object, Some(&live("6", json!({}))), at(1)));
    assert!(!ledger.is_due(&object, Some(&back), at(1)));
    assert!(!ledger.is_due(&object, Some(&live("9", json!({"x": 1}))), at(2)));
    assert_eq!(ledger.next_in(at(2)), None);
    // Ten minutes of nothing are nothing.
    assert!(!ledger.is_due(&object, Some(&live("9", json!({"x": 1}))), at(600)));
}

#[test]
fn drift_and_deletion_are_sent_again() {
    let object = object();
    let mut ledger = Ledger::default();
    let back = live("7", json!({"x": 1}));
    ledger.sent(&object, Ok((&back, false)), at(0));
    assert!(ledger.is_due(&object, Some(&live("8", json!({"x": 2}))), at(1)));
    let mut relabelled = live("8", json!({"x": 1}));
    relabelled.metadata.labels = None;
    assert!(ledger.is_due(&object, Some(&relabelled), at(1)));
    // It was seen, and is gone.
    assert!(ledger.is_due(&object, None, at(1)));
    // It was never seen.
    ledger.sent(&object, Ok((&back, false)), at(1));
    assert!(!ledger.is_due(&object, None, at(2)));
    assert_eq!(ledger.next_in(at(2)), Some(Duration::from_secs(9)));
    assert!(ledger.is_due(&object, None, at(11)));
}

#[test]
fn another_object_is_sent_at_once() {
    let object = object();
    let mut ledger = Ledger::default();
    ledger.sent(&object, Err(WriteFault::Refused("r".to_owned())), at(0));
    assert!(!ledger.is_due(&object, None, at(0)));
    assert!(ledger.fault(&object.key).is_some());
    let mut changed = object.clone();
    changed.value["spec"]["type"] = json!("ClusterIP");
    assert!(ledger.is_due(&changed, None, at(0)));
    ledger.retain(|_| false);
    assert!(ledger.is_due(&object, None, at(1)));
}

#[test]
fn failures_back_off() {
    let object = object();
    for (fault, expected) in [
        (
            WriteFault::Unavailable(String::new()),
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000],
        ),
        (
            WriteFault::Refused(String::new()),
            [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000],
        ),
    ] {
        let mut ledger = Ledger::default();
        let mut now = START;
        let waits = [(); 8].map(|()| {
            ledger.sent(&object, Err(fault.clone()), now);
            assert!(!ledger.is_due(&object, None, now));
            let wait = ledger.next_in(now).unwrap();
            now += wait;
            assert!(ledger.is_due(&object, None, now));
            wait.as_millis()
        });
        assert_eq!(waits, expected);
    }
}

#[test]
fn who_adds_something_again_and_again_is_not_answered_at_once() {
    let object = object();
    let mut ledger = Ledger::default();
    let back = live("7", json!({"x": 1}));
    let added = live("8", json!({"x": 1, "added": true}));
    ledger.sent(&object, Ok((&back, true)), at(0));
    assert!(ledger.is_due(&object, Some(&added), at(0)));
    for round in 1..=6_u32 {
        let now = at(100 * u64::from(round));
        ledger.sent(&object, Ok((&back, true)), now);
        let wait = Duration::from_millis(500) * 2_u32.pow(round + 1);
        assert!(!ledger.is_due(&object, Some(&added), now));
        assert_eq!(ledger.next_in(now), Some(wait));
        assert!(ledger.is_due(&object, Some(&added), now + wait));
    }
    // Peace makes forget.
    ledger.sent(&object, Ok((&back, true)), at(100_000));
    assert!(ledger.is_due(&object, Some(&added), at(100_000)));
}
