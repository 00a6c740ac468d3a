//! The objects that are served, and what changed in them lately.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use egret_config::resources::{ChangeKind, ObjectRef, Resources};

/// The most changes that are kept.
const MAX_ENTRIES: usize = 20;
/// The most text of objects that is kept of one change; the others are only named.
const MAX_TEXT: usize = 256 * 1024;

/// The objects that are served, and how they came to be so.
#[derive(Debug, Default)]
pub(crate) struct ObjectHistory(Mutex<HistoryFacts>);

#[derive(Debug, Default)]
struct HistoryFacts {
    served: Arc<Resources>,
    /// The newest first.
    entries: VecDeque<Arc<GenerationEntry>>,
}

/// What changed with one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GenerationEntry {
    pub(crate) number: u64,
    pub(crate) at: SystemTime,
    pub(crate) added: Vec<ObjectRef>,
    pub(crate) changed: Vec<ChangedObject>,
    pub(crate) removed: Vec<ObjectRef>,
    /// Which objects are served in an earlier version; empty if none is.
    pub(crate) message: String,
}

/// An object before and after a change, as YAML; empty for objects that are only named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangedObject {
    pub(crate) object: ObjectRef,
    pub(crate) before: String,
    pub(crate) after: String,
}

impl ObjectHistory {
    /// These objects are served from now on, as this generation.
    pub(super) fn serves(
        &self,
        resources: &Resources,
        number: u64,
        at: SystemTime,
        message: String,
    ) {
        let mut facts = self.lock();
        let changes = resources.changes_since(&facts.served);
        if changes.is_empty() && !facts.entries.is_empty() {
            return;
        }
        let mut entry = GenerationEntry {
            number,
            at,
            added: Vec::new(),
            changed: Vec::new(),
            removed: Vec::new(),
            message,
        };
        let mut left = MAX_TEXT;
        for change in changes {
            match change.change {
                ChangeKind::Added => entry.added.push(change.object),
                ChangeKind::Removed => entry.removed.push(change.object),
                ChangeKind::Changed => {
                    let text = |from: &Resources| from.manifest(&change.object).unwrap_or_default();
                    let (before, after) = (text(&facts.served), text(resources));
                    let size = before.len() + after.len();
                    let is_shown = size <= left;
                    left -= if is_shown { size } else { 0 };
                    let shown = |text: String| if is_shown { text } else { String::new() };
                    entry.changed.push(ChangedObject {
                        object: change.object,
                        before: shown(before),
                        after: shown(after),
                    });
                }
            }
        }
        facts.served = Arc::new(resources.clone());
        facts.entries.push_front(Arc::new(entry));
        facts.entries.truncate(MAX_ENTRIES);
    }

    /// The objects that are served.
    pub(crate) fn served(&self) -> Arc<Resources> {
        Arc::clone(&self.lock().served)
    }

    /// What changed, the newest first.
    pub(crate) fn entries(&self) -> Vec<Arc<GenerationEntry>> {
        self.lock().entries.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HistoryFacts> {
        // Both facts are replaced as a whole, so that a poisoned lock is harmless.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use egret_config::load::{ConfigFile, load};

    use super::*;

    /// An EgressPolicy with this action, and a Secret with this key.
    fn resources(action: &str, key: &str) -> Resources {
        let text = format!(
            "apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {{name: closed, namespace: edge}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: out}}]
  defaultAction: {action}
---
apiVersion: v1
kind: Secret
metadata: {{name: key, namespace: edge}}
stringData: {{key: {key}}}
"
        );
        let loaded = load([ConfigFile {
            name: "a.yaml",
            text: &text,
        }]);
        assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
        loaded.resources
    }

    fn serve(history: &ObjectHistory, resources: &Resources, number: u64) {
        history.serves(resources, number, SystemTime::UNIX_EPOCH, String::new());
    }

    fn names(objects: &[ObjectRef]) -> Vec<String> {
        objects.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_change_is_told_once_and_secrets_are_only_named() {
        let history = ObjectHistory::default();
        let (first, second) = (resources("Deny", "one"), resources("Allow", "two"));
        serve(&history, &first, 1);
        serve(&history, &first, 2);
        serve(&history, &second, 3);
        serve(&history, &Resources::default(), 4);
        let entries = history.entries();
        let numbers: Vec<_> = entries.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, [4, 3, 1], "nothing changed with the second");
        let both = ["EgressPolicy edge/closed", "Secret edge/key"];
        assert_eq!(names(&entries[2].added), both);
        assert_eq!(names(&entries[0].removed), both);
        let [policy, secret] = &entries[1].changed[..] else {
            panic!("{entries:?}");
        };
        assert!(policy.before.contains("defaultAction: Deny"), "{policy:?}");
        assert!(policy.after.contains("defaultAction: Allow"), "{policy:?}");
        assert_eq!((&*secret.before, &*secret.after), ("", ""));
    }

    #[test]
    fn only_the_last_changes_are_kept() {
        let history = ObjectHistory::default();
        for number in 0..50 {
            let action = if number % 2 == 0 { "Allow" } else { "Deny" };
            serve(&history, &resources(action, "key"), number);
        }
        let entries = history.entries();
        assert_eq!((entries.len(), entries[0].number), (MAX_ENTRIES, 49));
        assert_eq!(history.served().egress_policies.len(), 1);
    }
}
