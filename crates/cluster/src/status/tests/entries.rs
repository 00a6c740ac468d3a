//! Statuses that list entries of several controllers: routes and policies.

use super::*;

/// An entry of another controller, as no writer of Egret's would spell it.
fn of_other(name: &str) -> Value {
    json!({
        "controllerName": "other.example/gateway",
        "parentRef": {"name": name},
        "conditions": [foreign("Accepted")],
        "unknown": {"z": 1, "a": 2.50},
    })
}

fn of_ours(name: &str, conditions: &[Value]) -> Value {
    json!({
        "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name},
        "controllerName": OURS,
        "conditions": conditions,
    })
}

#[tokio::test]
async fn entries_of_others_stay_as_they_are_and_in_their_place() {
    let mut rig = Rig::new();
    rig.server.put(&route(), |object| {
        let ours = of_ours("gw", &[foreign("Accepted"), foreign("Custom")]);
        let left = of_ours("left", &[foreign("Accepted")]);
        object["metadata"]["generation"] = 4.into();
        object["status"] = json!({"parents": [of_other("a"), ours, left, of_other("b")]});
    });
    let status = rig.settled(&route(), of_route(&["gw", "new", "new"])).await;
    let parents = status["parents"].as_array().unwrap();
    assert_eq!(parents.len(), 4);
    assert_eq!([&parents[0], &parents[2]], [&of_other("a"), &of_other("b")]);
    // The stored group and kind are sent, so that it is not a change that they are filled in.
    assert_eq!(parents[1]["parentRef"], of_ours("gw", &[])["parentRef"]);
    assert_eq!(find(&parents[1], "Accepted")["observedGeneration"], 4);
    assert_eq!(find(&parents[1], "Custom"), &foreign("Custom"));
    assert_eq!(parents[3]["parentRef"], of_ours("new", &[])["parentRef"]);
}

#[tokio::test]
async fn a_write_that_another_came_before_is_made_upon_theirs() {
    let mut rig = Rig::new();
    rig.server.put(&route(), |_| {});
    for name in ["a", "b"] {
        let interference = move |state: &mut server::ServerState| {
            state.put(&route(), |object| {
                let parents = object["status"]["parents"].as_array().cloned();
                let mut parents = parents.unwrap_or_default();
                parents.push(of_other(name));
                object["status"] = json!({"parents": parents});
            });
        };
        rig.server
            .with(|state| state.interference.push_back(Box::new(interference)));
    }
    let pass = rig.pass(&[(&route(), of_route(&["gw"]))]).await;
    assert_eq!((pass.written, pass.failed), (1, Vec::new()));
    assert_eq!(
        rig.server.requests(),
        ["MERGE r", "GET r", "MERGE r", "GET r", "MERGE r"]
    );
    let status = rig.server.status(&route());
    let parents = status["parents"].as_array().unwrap();
    assert_eq!(&parents[..2], [of_other("a"), of_other("b")]);
    assert_eq!(parents[2]["controllerName"], OURS);
}

#[tokio::test]
async fn a_writer_that_is_never_first_gives_up_for_now() {
    let mut rig = Rig::new();
    rig.server.put(&route(), |_| {});
    for _ in 0..50 {
        let touch = |state: &mut server::ServerState| state.put(&route(), |_| {});
        rig.server
            .with(|state| state.interference.push_back(Box::new(touch)));
    }
    let pass = rig.pass(&[(&route(), of_route(&["gw"]))]).await;
    assert_eq!(pass.failed.len(), 1);
    assert!(rig.server.requests().len() < 20);
}

#[tokio::test]
async fn entries_go_when_the_route_is_no_longer_ours() {
    let mut rig = Rig::new();
    rig.server.put(&route(), |object| {
        object["status"] = json!({"parents": [of_ours("gw", &[]), of_other("a")]});
    });
    let policy = ObjectRef::new(Kind::BackendTlsPolicy, "apps", "p");
    rig.server.put(&policy, |object| {
        object["status"] = json!({"ancestors": [{
            "ancestorRef": {"name": "gw"}, "controllerName": OURS, "conditions": [],
        }]});
    });
    let pass = rig.pass(&[]).await;
    assert_eq!(pass.written, 2);
    assert_eq!(
        rig.server.status(&route()),
        json!({"parents": [of_other("a")]})
    );
    assert_eq!(rig.server.status(&policy), json!({"ancestors": []}));
    assert_eq!(rig.pass(&[]).await, StatusPass::default());
}

#[tokio::test]
async fn a_list_has_room_for_so_many_and_faults_come_first() {
    let mut rig = Rig::new();
    let policy = ObjectRef::new(Kind::TrafficPolicy, "apps", "p");
    let others: Vec<Value> = (0..14)
        .map(|index| of_other(&format!("o{index}")))
        .collect();
    rig.server.put(&policy, |object| {
        object["status"] = json!({"ancestors": others.clone()})
    });
    let ancestor = |name: &str, condition: StatusCondition| AncestorStatus {
        ancestor_ref: reference(Kind::Gateway, "infra", name),
        conditions: vec![condition],
    };
    let invalid = StatusCondition::new("Accepted", false, "Invalid", "wrong");
    let ancestors = vec![
        ancestor("one", accepted("")),
        ancestor("two", accepted("")),
        ancestor("wrong", invalid),
    ];
    let status = ObjectStatus::Policy(PolicyStatus { ancestors });
    let status = rig.settled(&policy, status).await;
    let written = status["ancestors"].as_array().unwrap();
    assert_eq!(&written[..14], others.as_slice());
    let names: Vec<_> = written[14..]
        .iter()
        .map(|it| it["ancestorRef"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["wrong", "one"]);
}
