//! Conditions as the API server stores them: with the generation that they are about, and the time of their last change.

use std::collections::BTreeSet;

use egret_config::report::StatusCondition;
use serde_json::{Value, json};

/// The number of conditions that an object can have, of all writers together.
pub(super) const MAX_CONDITIONS: usize = 8;

/// The length of a message in characters.
const MAX_MESSAGE: usize = 32_768;

/// The conditions that are kept if there is no room for all.
const ESSENTIAL: [&str; 3] = ["Accepted", "Programmed", "ResolvedRefs"];

/// What the conditions of an object are written with.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConditionStamp<'a> {
    /// The generation of the object that the conditions are about.
    pub(super) generation: i64,
    /// The time for conditions that change, in RFC 3339 with whole seconds.
    pub(super) now: &'a str,
}

impl ConditionStamp<'_> {
    /// The conditions as they are to be stored, beside the ones of other writers in `live`. A type occurs once. If there
    /// is no room for all, the less important ones are left out.
    pub(super) fn conditions(
        self,
        desired: &[StatusCondition],
        live: &[Value],
        is_own: impl Fn(&str) -> bool,
    ) -> Vec<Value> {
        let foreign = live.iter().filter(|condition| !is_own(type_of(condition)));
        let room = MAX_CONDITIONS.saturating_sub(foreign.count());
        let mut kept: Vec<&StatusCondition> = Vec::new();
        for condition in desired {
            if kept.iter().all(|other| other.kind != condition.kind) {
                kept.push(condition);
            }
        }
        if kept.len() > room {
            let rank = |condition: &&StatusCondition| {
                let mut names = ESSENTIAL.iter();
                names
                    .position(|name| *name == condition.kind)
                    .unwrap_or(ESSENTIAL.len())
            };
            kept.sort_by_key(rank);
            kept.truncate(room);
        }
        let stored =
            |condition: &&StatusCondition| self.condition(condition, find(live, condition.kind));
        kept.iter().map(stored).collect()
    }

    /// A condition as it is to be stored. The time stays, text and all, unless `status` changes: the same instant in
    /// another spelling would be a change.
    fn condition(self, desired: &StatusCondition, live: Option<&Value>) -> Value {
        let status = if desired.status { "True" } else { "False" };
        let unchanged = live.filter(|live| live["status"] == status);
        let since = unchanged.and_then(|live| live["lastTransitionTime"].as_str());
        json!({
            "type": desired.kind,
            "status": status,
            "reason": desired.reason,
            "message": shortened(&desired.message),
            "observedGeneration": self.generation,
            "lastTransitionTime": since.unwrap_or(self.now),
        })
    }
}

/// The type of a stored condition.
pub(super) fn type_of(condition: &Value) -> &str {
    condition["type"].as_str().unwrap_or_default()
}

/// The stored condition of this type.
pub(super) fn find<'a>(conditions: &'a [Value], kind: &str) -> Option<&'a Value> {
    conditions
        .iter()
        .find(|condition| type_of(condition) == kind)
}

/// Whether the stored conditions have all of these, and none else but those of other writers.
pub(super) fn agree(stored: &[Value], desired: &[Value], is_own: impl Fn(&str) -> bool) -> bool {
    let wanted: BTreeSet<&str> = desired.iter().map(type_of).collect();
    let mut all = stored.iter().map(type_of);
    let mut each = desired.iter();
    each.all(|condition| find(stored, type_of(condition)) == Some(condition))
        && all.all(|kind| wanted.contains(kind) || !is_own(kind))
}

/// A message with at most the characters that the API server takes.
fn shortened(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE) {
        None => message.to_owned(),
        Some(_) => {
            let kept = message.chars().take(MAX_MESSAGE - 1);
            kept.chain(['…']).collect()
        }
    }
}
