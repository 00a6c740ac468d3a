//! Who wrote which part of a status, from `metadata.managedFields`.

use kube::core::ObjectMeta;
use serde_json::Value;

/// A part of a status, as a path in `managedFields`.
#[derive(Debug)]
pub(super) struct OwnerPath(Vec<String>);

/// The fields of a status and their owners.
#[derive(Debug)]
pub(super) struct FieldOwners<'a> {
    /// The fields of each controller that the object had before.
    former: Vec<&'a Value>,
}

impl OwnerPath {
    /// A condition of the object.
    pub(super) fn condition(kind: &str) -> Self {
        Self(vec!["f:conditions".to_owned(), key("type", kind)])
    }

    /// A condition of a listener.
    pub(super) fn listener_condition(listener: &str, kind: &str) -> Self {
        let of_listener = ["f:listeners".to_owned(), key("name", listener)];
        let Self(condition) = Self::condition(kind);
        Self(of_listener.into_iter().chain(condition).collect())
    }
}

impl<'a> FieldOwners<'a> {
    /// The owners of the status of an object. Whoever wrote its condition `Accepted` was its controller; `own` is the
    /// field manager of this one.
    pub(super) fn of(meta: &'a ObjectMeta, own: &str) -> Self {
        let entries = meta.managed_fields.iter().flatten();
        let others = entries.filter(|entry| entry.manager.as_deref() != Some(own));
        let statuses = others.filter_map(|entry| entry.fields_v1.as_ref()?.0.get("f:status"));
        let accepted = OwnerPath::condition("Accepted");
        let former = statuses.filter(|fields| owns(fields, &accepted)).collect();
        Self { former }
    }

    /// Whether a former controller wrote this.
    pub(super) fn left_behind(&self, path: &OwnerPath) -> bool {
        self.former.iter().any(|fields| owns(fields, path))
    }
}

fn owns(fields: &Value, OwnerPath(path): &OwnerPath) -> bool {
    let found = path.iter().try_fold(fields, |at, step| at.get(step));
    found.is_some()
}

/// The step to the item of a list that has this key.
fn key(field: &str, value: &str) -> String {
    format!("k:{}", serde_json::json!({ field: value }))
}
