//! Reads single objects as an API server gives them.
//!
//! An object that cannot be read costs only itself, and its earlier version stays. The server has checked what it
//! stores against the schema of its own version, which may be another than the types here.

use std::sync::Arc;

use egret_api::decode::DecodeFault;
use egret_api::object::ApiType;
use kube::core::ObjectMeta;
use serde_json::Value;

use super::{ParsedObject, allow_no_hostnames, strict};
use crate::report::ReportProblem;
use crate::resources::{
    CORE_GROUP, Kind, LocatedObject, ObjectRef, Resources, SourceLocation, UnreadField,
    UnreadPolicy,
};

/// An object that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadObject {
    /// The object; `None` if it has no name.
    pub object: Option<ObjectRef>,
    /// What is wrong with it.
    pub problems: Vec<ReportProblem>,
}

/// An object that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadObject {
    /// The object.
    pub object: ObjectRef,
    /// Whether it differs from its earlier version, or there was none.
    pub is_changed: bool,
}

/// Reads one object of a kind and puts it among the others, in the place of its earlier version. Fields that are not
/// known are ignored in the metadata and in kinds of Kubernetes itself, which newer versions add to; elsewhere they are
/// problems, because they may say what is denied.
///
/// # Errors
/// If the object cannot be read as it was meant. Its earlier version stays; a policy without one makes its targets refuse
/// every request.
pub fn object(
    kind: Kind,
    mut value: Value,
    resources: &mut Resources,
) -> Result<ReadObject, UnreadObject> {
    let metadata = |field: &str| value["metadata"][field].as_str().unwrap_or_default();
    let name = metadata("name");
    if name.is_empty() {
        let problem = ReportProblem {
            file: "".into(),
            line: 0,
            object: None,
            field: "metadata.name".to_owned(),
            message: format!("a {kind} needs a name"),
        };
        return Err(UnreadObject {
            object: None,
            problems: vec![problem],
        });
    }
    let namespace = match kind.is_namespaced() {
        true => metadata("namespace"),
        false => "",
    };
    let object = ObjectRef::new(kind, namespace, name);
    let is_oldest = value["apiVersion"]
        .as_str()
        .is_some_and(|version| version.ends_with("/v1alpha2"));
    let without_hostnames = kind == Kind::TlsRoute && is_oldest;
    let mut faults = strict::faults(kind, &value, without_hostnames);
    if without_hostnames {
        allow_no_hostnames(&mut value);
    }
    let policy = strict::is_policy(kind).then(|| outline(&value));
    let parsed = ParsedObject {
        object: object.clone(),
        value,
        source: SourceLocation::default(),
    };
    // What has faults must not take the place of the earlier version.
    let mut read = Resources::default();
    faults.extend(parsed.put(&mut read));
    faults.retain(|fault| !is_of_a_newer_version(kind, fault));
    if faults.is_empty() {
        resources.unread_policies.remove(&object);
        let is_changed = resources.restore(&object, &read);
        return Ok(ReadObject { object, is_changed });
    }
    let source = SourceLocation::default();
    let problem = |fault: &DecodeFault| {
        ReportProblem::new(&object, &source, &fault.field, fault.message.clone())
    };
    let problems = faults.iter().map(problem).collect();
    let has_earlier = resources.objects_of(kind).any(|known| *known == object);
    if let Some(mut policy) = policy.filter(|_| !has_earlier) {
        let faults = faults.into_iter();
        let faults =
            faults.map(|DecodeFault { field, message, .. }| UnreadField { field, message });
        policy.faults = faults.collect();
        let value = Arc::new(policy);
        resources
            .unread_policies
            .insert(object.clone(), LocatedObject { value, source });
    }
    Err(UnreadObject {
        object: Some(object),
        problems,
    })
}

/// What can be read of a policy in any case. A policy that cannot be read may be the one that denies something, and its
/// targets must not be open without it.
fn outline(policy: &Value) -> UnreadPolicy {
    fn each<T: ApiType>(list: &Value) -> Vec<T> {
        let items = list.as_array().into_iter().flatten();
        items.filter_map(|item| T::decode(item.clone()).0).collect()
    }
    UnreadPolicy {
        metadata: ObjectMeta::decode(policy["metadata"].clone())
            .0
            .unwrap_or_default(),
        target_refs: each(&policy["spec"]["targetRefs"]),
        target_selectors: each(&policy["spec"]["targetSelectors"]),
        faults: Vec::new(),
    }
}

/// Whether a fault is but a field that a newer version of Kubernetes has added.
fn is_of_a_newer_version(kind: Kind, fault: &DecodeFault) -> bool {
    let is_core = kind.group() == CORE_GROUP || kind.group() == "discovery.k8s.io";
    fault.is_unknown && (is_core || fault.field.starts_with("metadata."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn backend(spec: Value) -> Value {
        json!({
            "apiVersion": "gateway.kgateway.dev/v1alpha1",
            "kind": "Backend",
            "metadata": {"namespace": "infra", "name": "b", "uid": "1", "ofTomorrow": true},
            "spec": spec,
            "status": {"conditions": []},
        })
    }

    fn told(unread: &UnreadObject) -> Vec<String> {
        unread.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_object_that_cannot_be_read_leaves_its_earlier_version() {
        let mut resources = Resources::default();
        let good = backend(json!({"dynamicForwardProxy": {}}));
        let read = object(Kind::Backend, good.clone(), &mut resources).unwrap();
        assert!(read.is_changed);
        let read = object(Kind::Backend, good, &mut resources).unwrap();
        assert!(!read.is_changed);
        let read = read.object;
        assert_eq!(read.to_string(), "Backend infra/b");
        let before = resources.clone();
        for (spec, expected) in [
            (
                json!({"dynamicForwardProxi": {}}),
                "Backend infra/b: spec.dynamicForwardProxi: unknown field; did you mean dynamicForwardProxy?",
            ),
            (
                json!({"dynamicForwardProxy": {"enableTls": "yes"}}),
                "Backend infra/b: spec.dynamicForwardProxy.enableTls: needs true or false, not the text \"yes\"",
            ),
        ] {
            let unread = object(Kind::Backend, backend(spec), &mut resources).unwrap_err();
            assert_eq!(unread.object.as_ref(), Some(&read));
            assert_eq!(told(&unread), [expected]);
            assert_eq!(resources, before);
        }
        let tls = backend(json!({"dynamicForwardProxy": {"enableTls": true}}));
        object(Kind::Backend, tls, &mut resources).unwrap();
        let changes = resources.changes_since(&before);
        assert_eq!(changes[0].to_string(), "Backend infra/b changed");
        assert!(resources.remove(&read) && !resources.remove(&read));
        assert_eq!(resources, Resources::default());
    }

    #[test]
    fn the_targets_of_a_policy_that_cannot_be_read_are_closed() {
        let mut resources = Resources::default();
        let policy = |spec: Value| {
            let mut policy = json!({"metadata": {"namespace": "infra", "name": "p"}, "spec": spec});
            policy["spec"]["targetRefs"] =
                json!([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}, 7]);
            policy
        };
        let bad = policy(json!({"defaultAction": "Refuse"}));
        let unread = object(Kind::EgressPolicy, bad.clone(), &mut resources).unwrap_err();
        let reference = unread.object.unwrap();
        let outline = &resources.unread_policies[&reference].value;
        assert_eq!(outline.target_refs[0].name, "gw");
        assert_eq!(outline.target_refs.len(), 1);
        assert_eq!(outline.faults.len(), unread.problems.len());
        let mut good = policy(json!({"defaultAction": "Deny"}));
        good["spec"]["targetRefs"].as_array_mut().unwrap().pop();
        object(Kind::EgressPolicy, good, &mut resources).unwrap();
        assert!(resources.unread_policies.is_empty());
        // The earlier version protects them.
        object(Kind::EgressPolicy, bad, &mut resources).unwrap_err();
        assert!(resources.unread_policies.is_empty());
        assert_eq!(resources.egress_policies.len(), 1);
    }

    #[test]
    fn core_kinds_may_have_fields_of_tomorrow_and_no_type() {
        let mut resources = Resources::default();
        let secret = json!({"metadata": {"namespace": "infra", "name": "s"}, "data": {"a": "YQ=="}, "seal": 1});
        let read = object(Kind::Secret, secret, &mut resources).unwrap();
        assert!(resources.secrets.contains_key(&read.object));
        let namespace =
            json!({"metadata": {"name": "infra", "namespace": ""}, "spec": {"ofTomorrow": 1}});
        let read = object(Kind::Namespace, namespace, &mut resources).unwrap();
        assert_eq!(read.object.to_string(), "Namespace infra");
        let nameless = object(Kind::Secret, json!({}), &mut resources).unwrap_err();
        assert_eq!(told(&nameless), ["metadata.name: a Secret needs a name"]);
    }

    #[test]
    fn only_old_tls_routes_may_be_without_hostnames() {
        for (version, is_read) in [("v1", false), ("v1alpha3", false), ("v1alpha2", true)] {
            let route = json!({
                "apiVersion": format!("gateway.networking.k8s.io/{version}"),
                "metadata": {"namespace": "infra", "name": "t"},
                "spec": {"rules": []},
            });
            let read = object(Kind::TlsRoute, route, &mut Resources::default());
            assert_eq!(read.is_ok(), is_read, "{version}: {read:?}");
        }
    }
}
