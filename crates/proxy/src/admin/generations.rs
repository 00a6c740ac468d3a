//! `GET /generations`: what changed in the configuration, and when.

use std::time::UNIX_EPOCH;

use serde::Serialize;

use super::values::TimeJson;
use super::{AdminResponse, json};
use crate::status::{ChangedObject, GenerationEntry, ObjectHistory};

/// One generation.
#[derive(Serialize)]
struct GenerationJson {
    number: u64,
    at: TimeJson,
    added: Vec<String>,
    changed: Vec<ChangedJson>,
    removed: Vec<String>,
    message: String,
}

/// An object that was changed.
#[derive(Serialize)]
struct ChangedJson {
    object: String,
    before: String,
    after: String,
}

/// Lists the generations, the newest first.
pub(super) fn list(history: &ObjectHistory) -> AdminResponse {
    let entries = history.entries();
    let listed: Vec<_> = entries
        .iter()
        .map(|entry| GenerationJson::from(&**entry))
        .collect();
    json(serde_json::to_vec(&listed))
}

impl From<&GenerationEntry> for GenerationJson {
    fn from(entry: &GenerationEntry) -> Self {
        let since = entry.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            number: entry.number,
            at: TimeJson(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            added: entry.added.iter().map(ToString::to_string).collect(),
            changed: entry.changed.iter().map(ChangedJson::from).collect(),
            removed: entry.removed.iter().map(ToString::to_string).collect(),
            message: entry.message.clone(),
        }
    }
}

impl From<&ChangedObject> for ChangedJson {
    fn from(changed: &ChangedObject) -> Self {
        Self {
            object: changed.object.to_string(),
            before: changed.before.clone(),
            after: changed.after.clone(),
        }
    }
}
