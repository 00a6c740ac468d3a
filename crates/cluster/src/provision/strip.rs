//! Takes away what others have added to the parts of an object that the controller answers for.
//!
//! Server-side apply leaves what others add: a container, an environment variable, a label in a selector. Where pods run
//! what, and where a Service sends its traffic, only the controller says.

use serde_json::{Map, Value};

use super::kind::ChildKind;

/// The object without the additions; `None` if there are none.
pub(super) fn stripped(kind: ChildKind, desired: &Value, live: &Value) -> Option<Value> {
    let mut kept = live.clone();
    match kind {
        ChildKind::Deployment => {
            let path = "/spec/template/spec";
            let (desired, kept) = (desired.pointer(path)?, kept.pointer_mut(path)?);
            strip_pod(desired, kept.as_object_mut()?);
        }
        ChildKind::Service => {
            let (desired, kept) = (desired.get("spec")?, kept.get_mut("spec")?.as_object_mut()?);
            keep_items(desired, kept, "ports", &["port", "protocol"]);
            if let (Some(wanted), Some(Value::Object(selector))) =
                (desired.get("selector"), kept.get_mut("selector"))
            {
                selector.retain(|label, _| wanted.get(label).is_some());
            }
        }
        ChildKind::ServiceAccount
        | ChildKind::ClusterRoleBinding
        | ChildKind::Role
        | ChildKind::RoleBinding
        | ChildKind::ConfigMap
        | ChildKind::PodDisruptionBudget
        | ChildKind::HorizontalPodAutoscaler => {}
    }
    (kept != *live).then_some(kept)
}

fn strip_pod(desired: &Value, pod: &mut Map<String, Value>) {
    for list in ["containers", "initContainers", "volumes"] {
        keep_items(desired, pod, list, &["name"]);
    }
    let wanted = desired.get("containers").and_then(Value::as_array);
    let containers = pod.get_mut("containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let name = container.get("name").cloned();
        let mut wanted = wanted.into_iter().flatten();
        let wanted = wanted.find(|wanted| wanted.get("name") == name.as_ref());
        if let (Some(wanted), Value::Object(container)) = (wanted, container) {
            strip_container(wanted, container);
        }
    }
}

fn strip_container(desired: &Value, container: &mut Map<String, Value>) {
    keep_items(desired, container, "env", &["name"]);
    keep_items(desired, container, "volumeMounts", &["mountPath"]);
    for field in ["command", "envFrom", "lifecycle"] {
        if desired.get(field).is_none() {
            container.remove(field);
        }
    }
}

/// Keeps of a list what is wanted, by these fields of its items.
fn keep_items(desired: &Value, kept: &mut Map<String, Value>, list: &str, keys: &[&str]) {
    let wanted = desired.get(list).and_then(Value::as_array);
    let Some(items) = kept.get_mut(list).and_then(Value::as_array_mut) else {
        return;
    };
    items.retain(|item| {
        let mut wanted = wanted.into_iter().flatten();
        wanted.any(|wanted| keys.iter().all(|key| wanted.get(key) == item.get(key)))
    });
    if items.is_empty() {
        kept.remove(list);
    }
}
