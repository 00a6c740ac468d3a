//! What becomes known, in the order in which an API server tells it.

use egret_config::resources::Kind;
use serde_json::{Value, json};

use super::*;
use crate::reader::object::LAST_APPLIED;

const ROUTES: Kind = Kind::HttpRoute;

fn route(name: &str, version: u32, parent: &str) -> DynamicObject {
    object(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "namespace": "infra",
            "name": name,
            "resourceVersion": version.to_string(),
            "managedFields": [{"manager": "kubectl"}],
            "annotations": {LAST_APPLIED: "{}"},
        },
        "spec": {"parentRefs": [{"name": parent}], "hostnames": [format!("v{version}.test")]},
        "status": {"parents": []},
    }))
}

fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap()
}

fn broken(name: &str, version: u32) -> DynamicObject {
    let mut route = route(name, version, "http");
    route.data["spec"]["hostnames"] = json!(7);
    route
}

fn gateway_scope() -> ReadScope {
    ReadScope::Gateway(ObjectRef::new(Kind::Gateway, "infra", "http"))
}

fn list(stores: &mut Stores, source: &Source, objects: Vec<DynamicObject>) {
    stores.begin(source, true);
    stores.fill(source, objects);
    stores.complete(source);
}

fn start(scope: ReadScope, objects: Vec<DynamicObject>) -> (Stores, Source) {
    let source = Source::all(ROUTES);
    let mut stores = Stores::new(scope);
    stores.add(&source);
    list(&mut stores, &source, objects);
    (stores, source)
}

/// The routes that are known, by name and hostname.
fn routes(stores: &Stores) -> Vec<String> {
    let objects = stores.objects();
    let routes = objects.resources().http_routes.iter();
    let shown = routes.map(|(reference, route)| {
        let hostnames = route.value.spec.hostnames.iter().flatten();
        format!(
            "{} {}",
            reference.name,
            hostnames.cloned().collect::<String>()
        )
    });
    shown.collect()
}

fn problems(stores: &Stores) -> Vec<String> {
    let objects = stores.objects();
    objects.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_is_complete_before_every_source_is() {
    let (mut stores, _) = start(ReadScope::All, vec![route("a", 1, "http")]);
    assert!(stores.is_complete());
    let gateways = Source::all(Kind::Gateway);
    stores.add(&gateways);
    assert!(!stores.is_complete());
    assert_eq!(stores.missing().collect::<Vec<_>>(), [&gateways]);
    let before = stores.changes();
    stores.nothing(&gateways, None);
    assert!(stores.is_complete() && stores.changes() > before);
    // The same again is no change.
    let before = stores.changes();
    stores.nothing(&gateways, None);
    assert_eq!(stores.changes(), before);
}

#[test]
fn a_list_of_everything_is_a_difference_to_what_was_known() {
    let (mut stores, source) = start(
        ReadScope::All,
        vec![route("a", 1, "http"), route("b", 2, "http")],
    );
    stores.begin(&source, true);
    stores.fill(&source, vec![route("a", 1, "http")]);
    let before = stores.changes();
    stores.fill(&source, vec![route("c", 3, "http")]);
    // What was known stays until the list is complete, and if it fails.
    assert_eq!(routes(&stores), ["a v1.test", "b v2.test"]);
    assert!(stores.is_refilling());
    stores.abandon(&source);
    assert!(!stores.is_refilling() && stores.changes() == before);
    list(
        &mut stores,
        &source,
        vec![route("a", 1, "http"), route("c", 3, "http")],
    );
    assert_eq!(routes(&stores), ["a v1.test", "c v3.test"]);
    let before = stores.changes();
    list(
        &mut stores,
        &source,
        vec![route("a", 1, "http"), route("c", 3, "http")],
    );
    assert_eq!(stores.changes(), before);
}

#[test]
fn versions_of_a_server_that_went_back_are_not_trusted() {
    let (mut stores, source) = start(gateway_scope(), vec![route("a", 5, "http")]);
    let mut other = route("a", 5, "http");
    other.data["spec"]["hostnames"] = json!(["other.test"]);
    list(&mut stores, &source, vec![other.clone()]);
    assert_eq!(routes(&stores), ["a v5.test"]);
    stores.begin(&source, false);
    stores.fill(&source, vec![other]);
    stores.complete(&source);
    assert_eq!(routes(&stores), ["a other.test"]);
}

#[test]
fn events_change_single_objects() {
    let (mut stores, source) = start(gateway_scope(), vec![route("a", 1, "http")]);
    stores.applied(&source, route("b", 2, "http"));
    stores.applied(&source, route("a", 3, "http"));
    assert_eq!(routes(&stores), ["a v3.test", "b v2.test"]);
    stores.deleted(&source, &route("a", 4, "http"));
    assert_eq!(routes(&stores), ["b v2.test"]);
    // Only its status has changed.
    let before = stores.changes();
    let mut same = route("b", 5, "http");
    same.data["spec"]["hostnames"] = json!(["v2.test"]);
    stores.applied(&source, same);
    assert_eq!(stores.changes(), before);
}

#[test]
fn a_bad_object_costs_only_itself() {
    let (mut stores, source) = start(
        gateway_scope(),
        vec![
            broken("bad", 1),
            route("a", 2, "http"),
            route("b", 3, "http"),
        ],
    );
    assert_eq!(routes(&stores), ["a v2.test", "b v3.test"]);
    let at = "spec.hostnames: needs a list, not 7";
    assert_eq!(problems(&stores), [format!("HTTPRoute infra/bad: {at}")]);
    stores.applied(&source, broken("b", 4));
    assert_eq!(routes(&stores), ["a v2.test", "b v3.test"]);
    assert_eq!(
        problems(&stores)[0],
        format!("HTTPRoute infra/b: {at}; the version before stays")
    );
    stores.deleted(&source, &broken("bad", 5));
    stores.applied(&source, route("b", 6, "http"));
    assert_eq!(problems(&stores), [""; 0]);
    assert_eq!(routes(&stores), ["a v2.test", "b v6.test"]);
}

#[test]
fn a_policy_that_cannot_be_read_is_told_by_the_compilation() {
    let policies = Source::all(Kind::EgressPolicy);
    let policy = |version: u32, action: &str| {
        let target =
            json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "http"});
        object(json!({
            "apiVersion": "egret.dev/v1alpha1",
            "metadata": {"namespace": "infra", "name": "p", "resourceVersion": version.to_string()},
            "spec": {"targetRefs": [target], "defaultAction": action},
        }))
    };
    let mut stores = Stores::new(gateway_scope());
    stores.add(&policies);
    list(&mut stores, &policies, vec![policy(1, "Refuse")]);
    assert_eq!(problems(&stores), [""; 0]);
    assert_eq!(stores.objects().resources().unread_policies.len(), 1);
    stores.applied(&policies, policy(2, "Deny"));
    stores.applied(&policies, policy(3, "Refuse"));
    let told = problems(&stores);
    assert!(told[0].ends_with("; the version before stays"), "{told:?}");
    assert_eq!(stores.objects().resources().unread_policies.len(), 0);
    stores.deleted(&policies, &policy(4, "Refuse"));
    assert!(problems(&stores).is_empty());
}

#[test]
fn what_is_for_others_is_dropped_when_it_arrives() {
    let (mut stores, source) = start(
        gateway_scope(),
        vec![route("a", 1, "http"), route("b", 2, "other")],
    );
    assert_eq!(routes(&stores), ["a v1.test"]);
    stores.applied(&source, route("b", 3, "http"));
    stores.applied(&source, route("a", 4, "other"));
    assert_eq!(routes(&stores), ["b v3.test"]);
    list(
        &mut stores,
        &source,
        vec![route("b", 5, "other"), route("a", 6, "http")],
    );
    assert_eq!(routes(&stores), ["a v6.test"]);

    let policies = Source::all(Kind::EgressPolicy);
    stores.add(&policies);
    let policy = object(json!({
        "apiVersion": "egret.dev/v1alpha1",
        "metadata": {"namespace": "infra", "name": "p", "resourceVersion": "7"},
        "spec": {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "b"}]},
    }));
    list(&mut stores, &policies, vec![policy]);
    let count = |stores: &Stores| stores.objects().resources().egress_policies.len();
    assert_eq!(count(&stores), 0);
    // It is for this Gateway when its target is, and a mistake when its target is nowhere.
    stores.applied(&source, route("b", 8, "http"));
    assert_eq!(count(&stores), 1);
    stores.applied(&source, route("b", 9, "other"));
    assert_eq!(count(&stores), 0);
    stores.deleted(&source, &route("b", 10, "other"));
    assert_eq!(count(&stores), 1);
}

#[test]
fn objects_are_kept_as_they_are_for_those_who_write_statuses() {
    let (stores, _) = start(ReadScope::All, vec![route("a", 1, "http")]);
    let objects = stores.objects();
    let reference = ObjectRef::new(ROUTES, "infra", "a");
    let raw = objects.raw(&reference).unwrap();
    assert_eq!(raw.metadata.resource_version.as_deref(), Some("1"));
    assert_eq!(raw.metadata.managed_fields, None);
    assert!(raw.data["status"].is_object());
    let spec = raw.data["spec"].as_object().unwrap();
    assert_eq!(spec.keys().collect::<Vec<_>>(), ["parentRefs"]);
    let (stores, _) = start(gateway_scope(), vec![route("a", 1, "http")]);
    assert_eq!(stores.objects().raw(&reference), None);
}

#[test]
fn an_object_of_two_sources_is_gone_when_both_have_lost_it() {
    let secret = object(json!({
        "metadata": {"namespace": "infra", "name": "s", "resourceVersion": "1", "labels": {"a": "b"}},
    }));
    let reference = ObjectRef::new(Kind::Secret, "infra", "s");
    let named = Source::named(&reference);
    let labels = [("a".to_owned(), "b".to_owned())].into();
    let labelled = Source::labelled(&egret_config::references::SecretSelection {
        namespace: "infra".into(),
        selector: egret_config::resources::LabelSelector::of_labels(&labels),
    });
    let mut stores = Stores::new(gateway_scope());
    for source in [&named, &labelled] {
        stores.add(source);
        list(&mut stores, source, vec![secret.clone()]);
    }
    let has = |stores: &Stores| {
        stores
            .objects()
            .resources()
            .secrets
            .contains_key(&reference)
    };
    stores.deleted(&labelled, &secret);
    assert!(has(&stores));
    let problem = ReportProblem::new(&reference, &Default::default(), "", "not permitted");
    stores.nothing(&named, Some(problem));
    assert!(!has(&stores));
    assert_eq!(problems(&stores), ["Secret infra/s: not permitted"]);
    stores.remove(&named);
    assert_eq!(problems(&stores), [""; 0]);
}

#[test]
fn where_endpoints_are_is_no_news_to_who_serves_nothing() {
    let slice = |version: u32, addresses: &[&str], port: u16| {
        let endpoints = addresses.iter().map(|it| json!({"addresses": [it]}));
        object(json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "namespace": "infra", "name": "s", "resourceVersion": version.to_string(),
                "labels": {"kubernetes.io/service-name": "s"},
            },
            "addressType": "IPv4",
            "endpoints": endpoints.collect::<Vec<_>>(),
            "ports": [{"name": "", "port": port}],
        }))
    };
    for (scope, moved) in [(ReadScope::All, false), (gateway_scope(), true)] {
        let source = Source::all(Kind::EndpointSlice);
        let mut stores = Stores::new(scope.clone());
        stores.add(&source);
        list(&mut stores, &source, vec![slice(1, &["10.0.0.1"], 80)]);
        let mut is_told = |object: DynamicObject| {
            let before = stores.changes();
            stores.applied(&source, object);
            stores.changes() != before
        };
        assert_eq!(is_told(slice(2, &["10.0.0.2"], 80)), moved, "{scope:?}");
        let more = slice(3, &["10.0.0.2", "10.0.0.3"], 80);
        assert_eq!(is_told(more), moved, "{scope:?}");
        assert!(is_told(slice(4, &["10.0.0.2"], 81)));
        assert!(is_told(slice(5, &[], 81)));
        assert!(is_told(slice(6, &["10.0.0.4"], 81)));
        // Who is told of something else is told where they are as well.
        let objects = stores.objects();
        let mut slices = objects.resources().endpoint_slices.values();
        let address = slices.next().map(|it| it.value.endpoints[0].address);
        assert_eq!(address.unwrap().to_string(), "10.0.0.4");
    }
}
