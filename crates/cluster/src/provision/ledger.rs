//! What was sent to the API server, and what has to be sent again.
//!
//! What comes back is not what was sent: the API server fills in defaults and writes values in its own way. So what is to
//! be is never compared with what is. An object is sent if it is not what was sent last, or if what is there is not what
//! came of that.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use egret_config::resources::ObjectRef;
use kube::core::DynamicObject;
use serde_json::Value;

use super::fault::WriteFault;
use super::kind::ChildKind;
use super::plan::ProvisionFault;
use crate::backoff::doubled;
use crate::resource;

/// How long an object that was sent may stay unseen until it counts as missing.
const UNSEEN: Duration = Duration::from_secs(10);
/// The wait after a first failure. It doubles with each.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// The longest wait after a refusal, and after having taken away what others add again and again.
const LAST_REFUSAL: Duration = Duration::from_secs(300);
/// After so long, what others added before is forgotten.
const TRUCE: Duration = Duration::from_secs(900);

/// The identity of an object that is made for a Gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey {
    /// The kind.
    pub kind: ChildKind,
    /// The namespace; empty if the kind has none.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

/// An object as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredObject {
    /// The identity of the object.
    pub key: ChildKey,
    /// What is applied.
    pub value: Value,
}

/// The objects of one Gateway.
#[derive(Clone, Debug)]
pub struct GatewayObjects {
    /// The Gateway.
    pub gateway: ObjectRef,
    /// The uid of the Gateway, which no other one of this name has.
    pub uid: Option<String>,
    /// Its objects, or why there are none. An empty list is that somebody else makes them.
    pub objects: Result<Vec<DesiredObject>, ProvisionFault>,
}

/// The objects that are there, as far as they have the label of the manager.
pub type LiveObjects = BTreeMap<ChildKey, Arc<DynamicObject>>;

/// What was sent. Times are on a clock that only goes forward.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<ChildKey, SentObject>);

#[derive(Debug)]
struct SentObject {
    /// The hash of what was sent.
    sent: u64,
    at: Duration,
    /// What came of it; `None` if that failed.
    result: Option<SentResult>,
    fault: Option<WriteFault>,
    failures: u32,
    /// How often additions of others were taken away.
    stripped: u32,
}

#[derive(Debug)]
struct SentResult {
    version: Option<String>,
    /// The hash of what came back.
    content: u64,
    /// Whether the object has been seen since.
    is_seen: bool,
}

impl Ledger {
    /// Whether an object has to be sent.
    pub(super) fn is_due(
        &mut self,
        object: &DesiredObject,
        live: Option<&DynamicObject>,
        now: Duration,
    ) -> bool {
        let Some(known) = self.0.get_mut(&object.key) else {
            return true;
        };
        if known.sent != hash(&object.value) {
            return true;
        }
        let due = known.due();
        let Some(result) = &mut known.result else {
            return due <= now;
        };
        match live {
            None => result.is_seen || known.at + UNSEEN <= now,
            Some(live) => {
                if is_older(live, result.version.as_deref()) {
                    return false;
                }
                result.is_seen = true;
                result.content != content(live) && due <= now
            }
        }
    }

    /// Records what came of sending an object; `is_stripped` if additions of others were taken away.
    pub(super) fn sent(
        &mut self,
        object: &DesiredObject,
        outcome: Result<(&DynamicObject, bool), WriteFault>,
        now: Duration,
    ) {
        let before = self.0.get(&object.key);
        let sent = hash(&object.value);
        // Another object may have another fate.
        let failures = before.filter(|before| before.sent == sent);
        let failures = failures.map_or(0, |before| before.failures);
        let stripped = before.filter(|before| now < before.at + TRUCE);
        let stripped = stripped.map_or(0, |before| before.stripped);
        let known = match outcome {
            Ok((live, is_stripped)) => SentObject {
                sent,
                at: now,
                result: Some(SentResult {
                    version: live.metadata.resource_version.clone(),
                    content: content(live),
                    is_seen: false,
                }),
                fault: None,
                failures: 0,
                stripped: stripped + u32::from(is_stripped),
            },
            Err(fault) => SentObject {
                sent,
                at: now,
                result: None,
                fault: Some(fault),
                failures: failures.saturating_add(1),
                stripped,
            },
        };
        self.0.insert(object.key.clone(), known);
    }

    /// Why an object could not be written.
    pub(super) fn fault(&self, key: &ChildKey) -> Option<&WriteFault> {
        self.0.get(key)?.fault.as_ref()
    }

    /// Makes everything due that has failed: the reason may be gone.
    pub(super) fn begin_anew(&mut self) {
        self.0.retain(|_, known| known.fault.is_none());
    }

    /// Forgets the objects that are not wanted any more.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&ChildKey) -> bool) {
        self.0.retain(|key, _| is_wanted(key));
    }

    /// The time until an object is due that is not now; `None` if there is none.
    pub(super) fn next_in(&self, now: Duration) -> Option<Duration> {
        let waiting = self.0.values().filter_map(|known| match &known.result {
            None => Some(known.due()),
            Some(result) if !result.is_seen => Some(known.at + UNSEEN),
            Some(_) => (known.stripped > 0).then(|| known.due()),
        });
        let later = waiting.filter(|due| *due > now).min();
        later.map(|due| due - now)
    }
}

impl SentObject {
    /// When the object may be sent again.
    fn due(&self) -> Duration {
        let times = self.failures.saturating_sub(1);
        let wait = match &self.fault {
            Some(WriteFault::NamespaceGone(_)) => doubled(LAST_RETRY, times, LAST_REFUSAL),
            // What is refused is usually refused again, but a permission may have been on its way.
            Some(WriteFault::Refused(_)) => doubled(FIRST_RETRY, times, LAST_REFUSAL),
            Some(WriteFault::Unavailable(_) | WriteFault::Conflict(_)) => {
                doubled(FIRST_RETRY, times, LAST_RETRY)
            }
            // Whoever adds something twice will do it again.
            None if self.stripped > 1 => doubled(FIRST_RETRY, self.stripped, LAST_REFUSAL),
            None => Duration::ZERO,
        };
        self.at + wait
    }
}

fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

/// The hash of all that somebody can have set in an object.
fn content(live: &DynamicObject) -> u64 {
    let mut data = live.data.clone();
    if let Some(fields) = data.as_object_mut() {
        fields.remove("status");
    }
    let mut hasher = DefaultHasher::new();
    data.to_string().hash(&mut hasher);
    let metadata = &live.metadata;
    (&metadata.labels, &metadata.annotations).hash(&mut hasher);
    let owners = metadata.owner_references.iter().flatten();
    owners.for_each(|owner| owner.uid.hash(&mut hasher));
    (&metadata.uid, metadata.deletion_timestamp.is_some()).hash(&mut hasher);
    hasher.finish()
}

/// Whether an object is the version that was written, or an older one that comes late.
fn is_older(live: &DynamicObject, written: Option<&str>) -> bool {
    let live = live.metadata.resource_version.as_deref();
    live.zip(written)
        .is_some_and(|(live, written)| resource::is_older(live, written))
}
