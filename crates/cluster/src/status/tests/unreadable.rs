//! Objects that the API server stores and Egret cannot read.

use super::super::unreadable::reports;
use super::*;

fn problem(object: &ObjectRef) -> ReportProblem {
    ReportProblem {
        file: "".into(),
        line: 0,
        object: Some(object.clone()),
        field: "spec.x".to_owned(),
        message: "not a number".to_owned(),
    }
}

fn set() -> ObjectRef {
    ObjectRef::new(Kind::ListenerSet, "apps", "set")
}

/// The report of a GatewayClass, its Gateway, a ListenerSet of that, and a route at the Gateway.
fn read_objects() -> Report {
    let class = ObjectRef::new(Kind::GatewayClass, "", "egret");
    let plain = ObjectStatus::Plain(PlainStatus::default());
    let mut read = of_route(&[]);
    if let ObjectStatus::Route(status) = &mut read {
        status.parents.push(ParentStatus {
            parent_ref: reference(Kind::Gateway, "infra", "gw"),
            conditions: Vec::new(),
        });
    }
    Report {
        objects: vec![
            entry(&class, plain),
            entry(&gateway(), of_gateway(&["http"])),
            entry(&set(), of_gateway(&["added"])),
            entry(&route(), read),
        ],
        ..Report::default()
    }
}

/// The kind and namespace of an object that cannot be read, its spec, and the conditions that its author is told.
type UnreadableCase = (Kind, &'static str, Value, Vec<String>);

fn cases() -> Vec<UnreadableCase> {
    let nobodys_set = json!({"parentRef": {"name": "gw"}});
    let parents =
        json!({"parentRefs": [{"name": "gw", "namespace": "infra"}, {"name": "istio"}, {"x": 1}]});
    let on_route = json!({"targetRefs": [
        {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "r"},
        {"group": "gateway.kgateway.dev", "kind": "Backend", "name": "b"},
        {"group": "example.com", "kind": "Other", "name": "b"},
    ]});
    let at_gw = vec!["Accepted (infra/gw) UnsupportedValue".to_owned()];
    vec![
        (Kind::HttpRoute, "apps", parents, at_gw),
        (
            Kind::EgressPolicy,
            "apps",
            on_route,
            vec![
                "Accepted (Gateway infra/gw) Invalid".to_owned(),
                "Accepted (Backend apps/b) Invalid".to_owned(),
            ],
        ),
        (
            Kind::EgressPolicy,
            "apps",
            json!({"targetRefs": [
                {"group": "gateway.networking.k8s.io", "kind": "ListenerSet", "name": "set"},
                {"group": "gateway.networking.k8s.io", "kind": "ListenerSet", "name": "other"},
            ]}),
            vec!["Accepted (Gateway infra/gw) Invalid".to_owned()],
        ),
        (
            Kind::HttpRoute,
            "apps",
            json!({"parentRefs": [
                {"group": "gateway.networking.k8s.io", "kind": "ListenerSet", "name": "set"},
                {"group": "gateway.networking.k8s.io", "kind": "ListenerSet", "name": "other"},
            ]}),
            vec!["Accepted () UnsupportedValue".to_owned()],
        ),
        (
            Kind::ListenerSet,
            "apps",
            json!({"parentRef": {"name": "gw", "namespace": "infra"}}),
            vec![
                "Accepted () Invalid".to_owned(),
                "Programmed () Invalid".to_owned(),
            ],
        ),
        (Kind::ListenerSet, "apps", nobodys_set, Vec::new()),
        (
            Kind::Backend,
            "apps",
            json!(7),
            vec!["Accepted () Invalid".to_owned()],
        ),
        (
            Kind::Gateway,
            "apps",
            json!({"gatewayClassName": "egret"}),
            vec![
                "Accepted () Invalid".to_owned(),
                "Programmed () Invalid".to_owned(),
            ],
        ),
        (
            Kind::Gateway,
            "apps",
            json!({"gatewayClassName": "istio"}),
            Vec::new(),
        ),
        (
            Kind::GatewayClass,
            "",
            json!({"controllerName": "other/x"}),
            Vec::new(),
        ),
        (Kind::Secret, "apps", json!({}), Vec::new()),
    ]
}

#[test]
fn their_authors_are_told_in_their_own_status() {
    let report = read_objects();
    for (kind, namespace, spec, expected) in cases() {
        let object = ObjectRef::new(kind, namespace, "broken");
        let of_set = json!({"parentRef": {"name": "gw", "namespace": "infra"}});
        let specs = |of: &ObjectRef| Some(if *of == set() { &of_set } else { &spec });
        let reports = reports(&[problem(&object)], &report, OURS, specs);
        let lines = reports.iter().flat_map(ObjectReport::conditions);
        let lines: Vec<String> = lines
            .inspect(|(_, it)| {
                assert!(it.kind == "Programmed" || it.message == "spec.x: not a number")
            })
            .map(|(part, it)| {
                let part = if part.contains('/') {
                    part
                } else {
                    String::new()
                };
                format!("{} ({part}) {}", it.kind, it.reason)
            })
            .collect();
        assert_eq!(lines, expected, "{kind}");
    }
}

#[test]
fn a_version_that_cannot_be_read_is_not_accepted_though_the_one_before_is_served() {
    let report = Report {
        objects: vec![
            entry(&gateway(), of_gateway(&["http"])),
            entry(&route(), of_route(&["gw"])),
        ],
        ..Report::default()
    };
    let problems = [problem(&gateway()), problem(&route())];
    let reports = reports(&problems, &report, OURS, |_| None);
    let lines = reports.iter().flat_map(ObjectReport::conditions);
    let lines: Vec<String> = lines
        .map(|(part, it)| format!("{part} {} {}", it.status, it.reason))
        .collect();
    assert_eq!(
        lines,
        [
            " false Invalid",
            " true Programmed",
            "http true Accepted",
            "http true Programmed",
            "gw false UnsupportedValue",
        ]
    );
}
