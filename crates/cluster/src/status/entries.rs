//! Statuses that list an entry for each parent or ancestor. The API server takes such a list as one value, so that a
//! server-side apply would wipe the entries of other controllers: it is read, changed and written.

use egret_config::report::{AncestorStatus, ParentReference, ParentStatus, StatusCondition};
use egret_config::resources::GATEWAY_GROUP;
use serde_json::{Map, Value, json};

use super::condition::{ConditionStamp, agree, type_of};
use super::mapped::list;

/// The types of condition that are Egret's in an entry of its own, now or in an earlier version. Others stay.
const ENTRY_TYPES: [&str; 6] = [
    "Accepted",
    "Attached",
    "Conflicted",
    "PartiallyInvalid",
    "ResolvedRefs",
    "kgateway.dev/Programmed",
];

/// A list of entries of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryList {
    /// `parents` of a route.
    Parents,
    /// `ancestors` of a policy.
    Ancestors,
}

/// A status that lists entries, as it should be.
#[derive(Clone, Debug)]
pub(super) struct EntryStatus {
    pub(super) list: EntryList,
    pub(super) entries: Vec<StatusEntry>,
}

/// One entry of Egret.
#[derive(Clone, Debug)]
pub(super) struct StatusEntry {
    pub(super) reference: ParentReference,
    pub(super) conditions: Vec<StatusCondition>,
}

impl EntryList {
    const fn field(self) -> &'static str {
        match self {
            Self::Parents => "parents",
            Self::Ancestors => "ancestors",
        }
    }

    const fn reference_field(self) -> &'static str {
        match self {
            Self::Parents => "parentRef",
            Self::Ancestors => "ancestorRef",
        }
    }

    /// The number of entries of all controllers together.
    const fn limit(self) -> usize {
        match self {
            Self::Parents => 32,
            Self::Ancestors => 16,
        }
    }
}

impl EntryStatus {
    /// The status to write in place of the live one; `None` if the live one agrees with it. Entries of other controllers
    /// stay as they are. If there is no room for all entries, those that report faults come first.
    pub(super) fn to_replace(
        &self,
        live: &Value,
        stamp: ConditionStamp<'_>,
        controller: &str,
    ) -> Option<Value> {
        let Self {
            list: kind,
            entries,
        } = self;
        let writer = EntryWriter {
            list: *kind,
            stamp,
            controller,
        };
        let stored = list(live, kind.field());
        let mut missing: Vec<(Value, &StatusEntry)> = Vec::new();
        for entry in entries {
            let reference = reference_json(&entry.reference);
            if missing.iter().all(|(other, _)| *other != reference) {
                missing.push((reference, entry));
            }
        }
        let mut written = Vec::new();
        for known in stored {
            if known["controllerName"] != controller {
                written.push(known.clone());
                continue;
            }
            let reference = with_defaults(&known[kind.reference_field()]);
            let at = missing.iter().position(|(wanted, _)| *wanted == reference);
            if let Some(at) = at {
                let (reference, entry) = missing.remove(at);
                written.push(writer.updated(known, &reference, entry));
            }
        }
        let has_fault = |(_, entry): &(Value, &StatusEntry)| {
            let mut conditions = entry.conditions.iter();
            conditions.any(|condition| !condition.is_fine())
        };
        missing.sort_by_key(|entry| !has_fault(entry));
        let room = kind.limit().saturating_sub(written.len());
        for (reference, entry) in missing.into_iter().take(room) {
            written.push(writer.updated(&Value::Null, &reference, entry));
        }
        if written == stored {
            return None;
        }
        let mut status = live.as_object().cloned().unwrap_or_else(Map::new);
        status.insert(kind.field().to_owned(), written.into());
        Some(status.into())
    }
}

impl EntryList {
    /// Whether a status has entries of this controller.
    pub(super) fn has_own(self, live: &Value, controller: &str) -> bool {
        let mut entries = list(live, self.field()).iter();
        entries.any(|entry| entry["controllerName"] == controller)
    }
}

/// Writes single entries of a list.
#[derive(Clone, Copy)]
struct EntryWriter<'a> {
    list: EntryList,
    stamp: ConditionStamp<'a>,
    controller: &'a str,
}

impl EntryWriter<'_> {
    /// An entry with the conditions of Egret, and those that others added to it. An entry that agrees stays as it is.
    fn updated(self, known: &Value, reference: &Value, entry: &StatusEntry) -> Value {
        let desired = &entry.conditions;
        let is_own =
            |kind: &str| ENTRY_TYPES.contains(&kind) || desired.iter().any(|it| it.kind == kind);
        let stored = list(known, "conditions");
        let mut conditions = self.stamp.conditions(desired, stored, is_own);
        if agree(stored, &conditions, is_own) {
            return known.clone();
        }
        let foreign = stored
            .iter()
            .filter(|condition| !is_own(type_of(condition)));
        conditions.extend(foreign.cloned());
        json!({
            self.list.reference_field(): reference,
            "controllerName": self.controller,
            "conditions": conditions,
        })
    }
}

/// A reference as the API server stores it: with the group and the kind that it fills in.
fn reference_json(reference: &ParentReference) -> Value {
    with_defaults(&json!(reference))
}

fn with_defaults(reference: &Value) -> Value {
    let mut reference = reference.clone();
    if let Some(fields) = reference.as_object_mut() {
        let defaults = [("group", GATEWAY_GROUP), ("kind", "Gateway")];
        for (field, default) in defaults {
            fields.entry(field).or_insert_with(|| default.into());
        }
    }
    reference
}

impl From<&ParentStatus> for StatusEntry {
    fn from(parent: &ParentStatus) -> Self {
        Self {
            reference: parent.parent_ref.clone(),
            conditions: parent.conditions.clone(),
        }
    }
}

impl From<&AncestorStatus> for StatusEntry {
    fn from(ancestor: &AncestorStatus) -> Self {
        Self {
            reference: ancestor.ancestor_ref.clone(),
            conditions: ancestor.conditions.clone(),
        }
    }
}
