//! Reads single objects as an API server gives them.
//!
//! An object that cannot be read costs only itself, and its earlier version stays. The server has checked what it
//! stores against the schema of its own version, which may be another than the types here.

use serde_json::Value;

use super::decode::DecodeFault;
use super::{ParsedObject, allow_no_hostnames, strict};
use crate::report::ReportProblem;
use crate::resources::{CORE_GROUP, Kind, ObjectRef, Resources, SourceLocation};

/// An object that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadObject {
    /// The object; `None` if it has no name.
    pub object: Option<ObjectRef>,
    /// What is wrong with it.
    pub problems: Vec<ReportProblem>,
}

/// Reads one object of a kind and puts it among the others, in the place of its earlier version. Fields that are not
/// known are ignored in the metadata and in kinds of Kubernetes itself, which newer versions add to; elsewhere they are
/// problems, because they may say what is denied.
///
/// # Errors
/// If the object cannot be read as it was meant. Its earlier version stays.
pub fn object(
    kind: Kind,
    mut value: Value,
    resources: &mut Resources,
) -> Result<ObjectRef, UnreadObject> {
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
        resources.restore(&object, &read);
        return Ok(object);
    }
    let source = SourceLocation::default();
    let problems = faults.into_iter();
    let problems = problems
        .map(|fault| ReportProblem::new(&object, &source, &fault.field, fault.message))
        .collect();
    Err(UnreadObject {
        object: Some(object),
        problems,
    })
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
        let read = object(Kind::Backend, good, &mut resources).unwrap();
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
    fn core_kinds_may_have_fields_of_tomorrow_and_no_type() {
        let mut resources = Resources::default();
        let secret = json!({"metadata": {"namespace": "infra", "name": "s"}, "data": {"a": "YQ=="}, "seal": 1});
        let read = object(Kind::Secret, secret, &mut resources).unwrap();
        assert!(resources.secrets.contains_key(&read));
        let namespace =
            json!({"metadata": {"name": "infra", "namespace": ""}, "spec": {"ofTomorrow": 1}});
        let read = object(Kind::Namespace, namespace, &mut resources).unwrap();
        assert_eq!(read.to_string(), "Namespace infra");
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
