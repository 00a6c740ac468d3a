//! Statuses whose lists are maps: Gateways and GatewayClasses.

use super::*;

#[tokio::test]
async fn a_new_gateway_gets_its_status_once() {
    let mut rig = Rig::new();
    rig.server.put(&gateway(), |object| {
        object["metadata"]["generation"] = 7.into();
        object["status"] = json!({"conditions": [pending("Accepted"), pending("Programmed")]});
    });
    rig.gateways.insert(
        gateway(),
        GatewayState {
            addresses: vec![
                GatewayAddress::Ip("192.0.2.1".parse().unwrap()),
                GatewayAddress::Hostname("lb.example".to_owned()),
            ],
            conditions: Vec::new(),
        },
    );
    // A name that is there twice would be refused with all the rest.
    let status = rig.settled(&gateway(), of_gateway(&["http", "http"])).await;
    let accepted = find(&status, "Accepted");
    assert_eq!(accepted["status"], "True");
    assert_eq!(accepted["observedGeneration"], 7);
    let time = accepted["lastTransitionTime"].as_str().unwrap();
    assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    assert_eq!(
        status["addresses"],
        json!([
            {"type": "IPAddress", "value": "192.0.2.1"},
            {"type": "Hostname", "value": "lb.example"},
        ])
    );
    let listeners = status["listeners"].as_array().unwrap();
    assert_eq!(listeners.len(), 1);
    assert_eq!(listeners[0]["attachedRoutes"], 2);
    let group = "gateway.networking.k8s.io";
    assert_eq!(
        listeners[0]["supportedKinds"],
        json!([{"group": group, "kind": "HTTPRoute"}, {"group": group, "kind": "GRPCRoute"}])
    );
}

#[tokio::test]
async fn what_the_controller_knows_of_a_gateway_comes_before_success() {
    let mut rig = Rig::new();
    rig.server.put(&gateway(), |_| {});
    let waiting = StatusCondition::new("Programmed", false, "AddressNotAssigned", "waiting");
    let state = |conditions| GatewayState {
        addresses: Vec::new(),
        conditions,
    };
    rig.gateways.insert(gateway(), state(vec![waiting]));
    let status = rig.settled(&gateway(), of_gateway(&["http"])).await;
    assert_eq!(find(&status, "Programmed")["reason"], "AddressNotAssigned");
    rig.gateways.insert(gateway(), state(Vec::new()));
    let status = rig.settled(&gateway(), of_gateway(&["http"])).await;
    assert_eq!(find(&status, "Programmed")["reason"], "Programmed");
}

#[tokio::test]
async fn a_time_stays_as_it_is_written_until_the_status_changes() {
    let mut rig = Rig::new();
    let old = "2020-02-02T02:02:02.5+02:00";
    rig.server.put(&gateway(), |object| {
        let mut known = pending("Accepted");
        known["status"] = "True".into();
        known["lastTransitionTime"] = old.into();
        let mut changed = pending("Programmed");
        changed["status"] = "False".into();
        changed["lastTransitionTime"] = old.into();
        object["status"] = json!({"conditions": [known, changed]});
    });
    let status = rig.settled(&gateway(), of_gateway(&[])).await;
    assert_eq!(find(&status, "Accepted")["lastTransitionTime"], old);
    assert_eq!(find(&status, "Accepted")["message"], "fine");
    assert_ne!(find(&status, "Programmed")["lastTransitionTime"], old);
}

#[tokio::test]
async fn conditions_of_others_stay_and_have_their_room() {
    let mut rig = Rig::new();
    let names = ["A", "B", "C", "D", "E", "F"];
    let others: Vec<Value> = names.iter().map(|name| foreign(name)).collect();
    rig.server.put(&gateway(), |object| {
        let mut conditions = others.clone();
        conditions.extend([pending("Accepted"), pending("Programmed")]);
        let of_listener = json!({"name": "http", "conditions": [foreign("A")]});
        object["status"] = json!({"conditions": conditions, "listeners": [of_listener]});
    });
    // Four conditions do not fit beside six: those that matter stay.
    let ObjectStatus::Gateway(mut status) = of_gateway(&["http"]) else {
        unreachable!();
    };
    let more = ["InsecureFrontendValidationMode", "ResolvedRefs"];
    let more = more.map(|kind| StatusCondition::new(kind, true, "Reason", ""));
    status.conditions.splice(0..0, more);
    let status = rig.settled(&gateway(), ObjectStatus::Gateway(status)).await;
    let conditions = status["conditions"].as_array().unwrap();
    assert_eq!(&conditions[..6], others.as_slice());
    assert_eq!(find(&status, "Accepted")["status"], "True");
    assert_eq!(find(&status, "Programmed")["status"], "True");
    assert_eq!(find(&status["listeners"][0], "A"), &foreign("A"));
}

#[tokio::test]
async fn a_condition_that_no_longer_applies_goes() {
    let mut rig = Rig::new();
    rig.server.put(&gateway(), |_| {});
    let ObjectStatus::Gateway(mut status) = of_gateway(&["http"]) else {
        unreachable!();
    };
    let insecure = StatusCondition::new("InsecureFrontendValidationMode", true, "R", "m");
    status.conditions.push(insecure);
    let written = rig.settled(&gateway(), ObjectStatus::Gateway(status)).await;
    assert_eq!(written["conditions"].as_array().unwrap().len(), 3);
    let written = rig.settled(&gateway(), of_gateway(&["http"])).await;
    assert_eq!(written["conditions"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_a_former_controller_left_is_removed() {
    let mut rig = Rig::new();
    rig.server.put(&gateway(), |object| {
        object["metadata"]["managedFields"] = json!([
            {"manager": "kgateway", "operation": "Update", "subresource": "status",
             "apiVersion": "gateway.networking.k8s.io/v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {
                "f:conditions": {"k:{\"type\":\"Accepted\"}": {}, "k:{\"type\":\"Legacy\"}": {}},
                "f:listeners": {"k:{\"name\":\"http\"}": {"f:conditions": {"k:{\"type\":\"Legacy\"}": {}}}},
            }}},
            {"manager": "watcher", "operation": "Update", "subresource": "status",
             "apiVersion": "gateway.networking.k8s.io/v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {
                "f:conditions": {"k:{\"type\":\"Watched\"}": {}},
            }}},
        ]);
        let all = [pending("Accepted"), foreign("Legacy"), foreign("Watched"), foreign("Ready")];
        let http = json!({"name": "http", "attachedRoutes": 9, "conditions": [foreign("Legacy"), foreign("Watched")]});
        let gone = json!({"name": "gone", "attachedRoutes": 1, "conditions": []});
        object["status"] = json!({"conditions": all, "listeners": [http, gone]});
    });
    let status = rig.settled(&gateway(), of_gateway(&["http"])).await;
    let types = |at: &Value| -> Vec<String> {
        let conditions = at["conditions"].as_array().unwrap().iter();
        conditions
            .map(|it| it["type"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(types(&status), ["Accepted", "Watched", "Programmed"]);
    let listeners = status["listeners"].as_array().unwrap();
    assert_eq!(listeners.len(), 1);
    assert_eq!(types(&listeners[0]), ["Watched", "Accepted", "Programmed"]);
}

#[tokio::test]
async fn a_field_that_an_older_crd_does_not_have_costs_only_itself() {
    let mut rig = Rig::new();
    rig.server.put(&gateway(), |_| {});
    rig.server
        .with(|state| state.undeclared = vec!["addresses", "listeners"]);
    rig.gateways.insert(gateway(), GatewayState::default());
    let pass = rig.pass(&[(&gateway(), of_gateway(&["http"]))]).await;
    assert_eq!((pass.written, pass.failed), (1, Vec::new()));
    assert_eq!(rig.server.requests(), ["GET gw", "APPLY gw", "APPLY gw"]);
    assert_eq!(
        find(&rig.server.status(&gateway()), "Accepted")["status"],
        "True"
    );
    let known: Vec<_> = rig.writer.undeclared().collect();
    assert_eq!(
        known,
        [(Kind::Gateway, "addresses"), (Kind::Gateway, "listeners")]
    );
    // From now on it is not tried.
    let other = ObjectRef::new(Kind::Gateway, "infra", "other");
    rig.server.put(&other, |_| {});
    rig.pass(&[(&other, of_gateway(&["http"]))]).await;
    assert_eq!(rig.server.requests(), ["GET other", "APPLY other"]);
}

#[tokio::test]
async fn a_refusal_is_repeated_after_a_while_or_when_the_object_changes() {
    let mut rig = Rig::new();
    rig.server.put(&gateway(), |_| {});
    let answer = "failed to create typed patch object (x): duplicate entries for key";
    rig.server
        .with(|state| state.answers = [(500, answer.to_owned()), (503, "away".to_owned())].into());
    let statuses = [(&gateway(), of_gateway(&["http"]))];
    let pass = rig.pass(&statuses).await;
    assert_eq!(pass.failed, [(gateway(), answer.to_owned())]);
    assert_eq!(pass.retry_in, Some(Duration::from_secs(1)));
    rig.now = Duration::from_millis(999);
    rig.pass(&statuses).await;
    assert_eq!(rig.server.requests(), ["GET gw", "APPLY gw"]);
    rig.server.put(&gateway(), |object| {
        object["metadata"]["generation"] = 2.into()
    });
    let pass = rig.pass(&statuses).await;
    assert_eq!(pass.failed, [(gateway(), "away".to_owned())]);
    assert!(pass.retry_in.unwrap() <= Duration::from_secs(2));
    rig.now += Duration::from_secs(2);
    let pass = rig.pass(&statuses).await;
    assert_eq!((pass.written, pass.retry_in), (1, None));
}

#[tokio::test]
async fn the_status_of_a_gateway_never_lands_on_one_that_took_its_name() {
    let mut rig = Rig::new();
    rig.server.put(&gateway(), |_| {});
    rig.server.with(|state| {
        state.interference.push_back(Box::new(|state| {
            state.delete(&gateway());
            state.put(&gateway(), |_| {});
        }));
    });
    let pass = rig.pass(&[(&gateway(), of_gateway(&["http"]))]).await;
    assert_eq!(pass, StatusPass::default());
    assert_eq!(rig.server.status(&gateway()), Value::Null);
}

#[tokio::test]
async fn an_object_that_is_missing_is_tried_again_until_the_reader_knows_that_it_is_gone() {
    let mut rig = Rig::new();
    rig.server.put(&gateway(), |_| {});
    let statuses = [(&gateway(), of_gateway(&["http"]))];
    // The API server does not know the kind for a moment.
    rig.server
        .with(|state| state.answers = [(404, "not found".to_owned())].into());
    let pass = rig.pass(&statuses).await;
    assert_eq!((pass.written, pass.failed), (0, vec![]));
    rig.now += pass.retry_in.unwrap();
    let pass = rig.pass(&statuses).await;
    assert_eq!((pass.written, pass.retry_in), (1, None));
    // One that is gone is done.
    rig.server.put(&gateway(), |object| {
        object["metadata"]["generation"] = 2.into();
    });
    rig.server.with(|state| {
        let gone = |state: &mut server::ServerState| state.delete(&gateway());
        state.interference.push_back(Box::new(gone));
    });
    let pass = rig.pass(&statuses).await;
    assert_eq!((pass.written, pass.failed), (0, vec![]));
    assert!(pass.retry_in.is_some());
    assert_eq!(rig.pass(&statuses).await, StatusPass::default());
}

#[tokio::test]
async fn what_has_failed_is_tried_at_once_when_the_reason_may_be_gone() {
    let mut rig = Rig::new();
    rig.server.put(&gateway(), |_| {});
    rig.server
        .with(|state| state.answers = [(503, "away".to_owned())].into());
    let statuses = [(&gateway(), of_gateway(&["http"]))];
    assert_eq!(rig.pass(&statuses).await.failed.len(), 1);
    assert_eq!(rig.pass(&statuses).await.written, 0);
    rig.writer.begin_anew();
    let pass = rig.pass(&statuses).await;
    assert_eq!((pass.written, pass.retry_in), (1, None));
}

#[tokio::test]
async fn a_reader_that_lags_behind_causes_no_second_write() {
    let mut rig = Rig::new();
    rig.server.put(&gateway(), |_| {});
    let before = rig.server.read();
    let statuses = [(&gateway(), of_gateway(&["http"]))];
    assert_eq!(rig.pass_over(&before, &statuses).await.written, 1);
    rig.server.requests();
    assert_eq!(rig.pass_over(&before, &statuses).await.written, 0);
    assert_eq!(rig.server.requests(), [""; 0]);
    // What changed in the meantime is written upon what was written.
    let changed = [(&gateway(), of_gateway(&["https"]))];
    assert_eq!(rig.pass_over(&before, &changed).await.written, 1);
    assert_eq!(rig.server.requests()[..2], ["GET gw", "MERGE gw"]);
}

#[tokio::test]
async fn a_class_has_its_features_in_order() {
    let mut rig = Rig::new();
    let class = ObjectRef::new(Kind::GatewayClass, "", "egret");
    rig.server.put(&class, |object| {
        object["status"] = json!({"conditions": [pending("Accepted")], "supportedFeatures": [{"name": "Mesh"}]});
    });
    let conditions = vec![accepted("fine")];
    let status = rig
        .settled(&class, ObjectStatus::Plain(PlainStatus { conditions }))
        .await;
    let names = status["supportedFeatures"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, super::super::features::SUPPORTED);
}

#[tokio::test]
async fn a_message_is_cut_by_characters() {
    let mut rig = Rig::new();
    rig.server.put(&gateway(), |_| {});
    let status = ObjectStatus::Gateway(GatewayStatus {
        conditions: vec![accepted(&"ü".repeat(40_000)), programmed(true)],
        ..GatewayStatus::default()
    });
    let status = rig.settled(&gateway(), status).await;
    let message = find(&status, "Accepted")["message"].as_str().unwrap();
    assert_eq!(message.chars().count(), 32_768);
    assert!(message.ends_with("ü…"));
}

#[tokio::test]
async fn the_number_of_listener_sets_is_written_where_they_are_spoken_of() {
    let mut rig = Rig::new();
    rig.server.put(&gateway(), |_| {});
    let with = |attached_listener_sets| {
        ObjectStatus::Gateway(GatewayStatus {
            conditions: vec![accepted("fine"), programmed(true)],
            attached_listener_sets,
            ..GatewayStatus::default()
        })
    };
    let status = rig.settled(&gateway(), with(None)).await;
    assert_eq!(status.get("attachedListenerSets"), None);
    for (attached, expected) in [(Some(2), 2), (Some(1), 1), (None, 0)] {
        let status = rig.settled(&gateway(), with(attached)).await;
        assert_eq!(status["attachedListenerSets"], expected);
    }
    // A ListenerSet has listeners, and no addresses.
    let set = ObjectRef::new(Kind::ListenerSet, "infra", "set");
    rig.server.put(&set, |_| {});
    let status = rig.settled(&set, of_gateway(&["http"])).await;
    assert_eq!(status["listeners"][0]["name"], "http");
    assert_eq!(find(&status, "Programmed")["status"], "True");
    assert_eq!(status.get("addresses"), None);
}
