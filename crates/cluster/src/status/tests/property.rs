//! What holds for every status, whatever is there before.

use std::collections::BTreeSet;

use egret_config::report::StatusCondition;
use kube::core::DynamicObject;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::condition::ConditionStamp;
use super::super::desired::{DesiredStatus, StatusWrite, WriteContext};
use super::super::gateways::GatewayAddresses;
use super::server::merged;
use super::{entry, foreign, gateway, parent, route};
use egret_config::report::{
    GatewayStatus, ListenerStatus, ObjectStatus, ParentStatus, RouteStatus,
};

const OURS: &str = "egret.dev/gateway";

/// Types of condition: of Egret, of the Gateway API, and of others.
const TYPES: [&str; 6] = [
    "Accepted",
    "Programmed",
    "ResolvedRefs",
    "Ready",
    "Own",
    "Other",
];

fn own_conditions() -> impl Strategy<Value = Vec<StatusCondition>> {
    let one = (0_usize..3, any::<bool>(), "[a-c]{0,2}");
    let one = one.prop_map(|(kind, status, message)| {
        StatusCondition::new(TYPES[kind], status, "Reason", message)
    });
    prop::collection::vec(one, 1..5)
}

fn live_conditions() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::btree_set(0_usize..TYPES.len(), 0..TYPES.len())
        .prop_map(|kinds| kinds.into_iter().map(|kind| foreign(TYPES[kind])).collect())
}

fn listeners() -> impl Strategy<Value = Vec<ListenerStatus>> {
    let one = ("[ab]", own_conditions(), 0_usize..3);
    let one = one.prop_map(|(name, conditions, attached_routes)| ListenerStatus {
        name,
        supported_kinds: Vec::new(),
        attached_routes,
        conditions,
    });
    prop::collection::vec(one, 0..4)
}

fn live_gateway() -> impl Strategy<Value = Value> {
    let listener = ("[abc]", live_conditions());
    let listeners = prop::collection::btree_map("[abc]", listener, 0..4).prop_map(|all| {
        let each = all.into_iter();
        let each =
            each.map(|(name, (_, conditions))| json!({"name": name, "conditions": conditions}));
        each.collect::<Vec<_>>()
    });
    let status = (live_conditions(), listeners);
    status.prop_map(
        |(conditions, listeners)| json!({"conditions": conditions, "listeners": listeners}),
    )
}

fn live_route() -> impl Strategy<Value = Value> {
    let one = (any::<bool>(), "[abc]", live_conditions());
    let one = one.prop_map(|(is_ours, name, conditions)| {
        let controller = if is_ours { OURS } else { "other/x" };
        json!({"controllerName": controller, "parentRef": {"name": name}, "conditions": conditions})
    });
    prop::collection::vec(one, 0..34).prop_map(|parents| json!({"parents": parents}))
}

/// Writes until nothing is left to write, as the API server stores it. Returns the status, and the number of writes.
fn settle(desired: &DesiredStatus, live: Value, now: &str) -> (Value, usize) {
    let object = json!({"metadata": {"name": "x", "generation": 3}, "status": live});
    let mut object: DynamicObject = serde_json::from_value(object).unwrap();
    let mut applied = Value::Null;
    for writes in 0..5 {
        let context = WriteContext {
            controller: OURS,
            manager: "egret",
            stamp: ConditionStamp { generation: 3, now },
            undeclared: &BTreeSet::new(),
        };
        object.data["status"] = match desired.next_write(&object, context) {
            None => return (object.data["status"].clone(), writes),
            Some(StatusWrite::Replace(status)) => status,
            Some(StatusWrite::Apply(status)) => {
                let status = merged(&object.data["status"], &applied, &status);
                applied = status.clone();
                status
            }
        };
    }
    panic!("it is written again and again: {object:?}");
}

/// The types of the conditions, which are unique and few.
fn types(conditions: &Value) -> Vec<String> {
    let all = conditions.as_array().unwrap().iter();
    let all: Vec<String> = all
        .map(|it| it["type"].as_str().unwrap().to_owned())
        .collect();
    assert!(all.len() <= 8);
    let unique: BTreeSet<&String> = all.iter().collect();
    assert_eq!(unique.len(), all.len());
    all
}

/// The conditions of other writers.
fn others(conditions: &Value) -> Vec<&Value> {
    let all = conditions.as_array().into_iter().flatten();
    all.filter(|it| it["type"] == "Own" || it["type"] == "Other")
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_gateway_settles(conditions in own_conditions(), listeners in listeners(), live in live_gateway()) {
        let status = GatewayStatus {
            conditions: conditions.clone(),
            listeners: listeners.clone(),
            attached_listener_sets: None,
        };
        let report = entry(&gateway(), ObjectStatus::Gateway(status));
        let desired = DesiredStatus::of(&report, &GatewayAddresses::default());
        let (written, writes) = settle(&desired, live.clone(), "2026-01-01T00:00:00Z");
        prop_assert!(writes <= 2);
        let kinds = types(&written["conditions"]);
        for condition in &conditions {
            prop_assert!(kinds.iter().any(|it| it == condition.kind));
        }
        prop_assert!(!kinds.iter().any(|it| it == "Ready"));
        prop_assert_eq!(others(&written["conditions"]), others(&live["conditions"]));
        let names = |list: &[ListenerStatus]| list.iter().map(|it| it.name.clone()).collect::<BTreeSet<_>>();
        let stored = written["listeners"].as_array().unwrap();
        prop_assert_eq!(stored.len(), names(&listeners).len());
        for listener in stored {
            types(&listener["conditions"]);
        }
        // The time of a later pass changes nothing.
        let (again, writes) = settle(&desired, written.clone(), "2027-01-01T00:00:00Z");
        prop_assert_eq!((again, writes), (written, 0));
    }

    #[test]
    fn a_route_settles(names in prop::collection::vec("[abc]", 0..4), conditions in own_conditions(), live in live_route()) {
        let parents = names.iter().map(|name| ParentStatus { parent_ref: parent(name), conditions: conditions.clone() });
        let report = entry(&route(), ObjectStatus::Route(RouteStatus { parents: parents.collect() }));
        let desired = DesiredStatus::of(&report, &GatewayAddresses::default());
        let (written, writes) = settle(&desired, live.clone(), "2026-01-01T00:00:00Z");
        prop_assert!(writes <= 1);
        let entries = |status: &Value, ours: bool| -> Vec<Value> {
            let all = status["parents"].as_array().unwrap().iter();
            all.filter(|it| (it["controllerName"] == OURS) == ours).cloned().collect()
        };
        prop_assert_eq!(entries(&written, false), entries(&live, false));
        let ours = entries(&written, true);
        let wanted: BTreeSet<&String> = names.iter().collect();
        let room = 32_usize.saturating_sub(entries(&live, false).len());
        prop_assert!(ours.len() >= wanted.len().min(room) && ours.len() <= wanted.len());
        for entry in &ours {
            types(&entry["conditions"]);
        }
        let (again, writes) = settle(&desired, written.clone(), "2027-01-01T00:00:00Z");
        prop_assert_eq!((again, writes), (written, 0));
    }
}
