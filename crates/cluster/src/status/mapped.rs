//! Statuses whose lists are maps to the API server: GatewayClass, Gateway, ListenerSet, and all whose status is
//! conditions alone. They are written by server-side apply, which leaves alone what others wrote.

use std::collections::BTreeSet;

use egret_config::report::{ListenerStatus, StatusCondition};
use serde_json::{Map, Value, json};

use super::condition::{ConditionStamp, agree, type_of};
use super::gateways::GatewayAddress;
use super::owners::{FieldOwners, OwnerPath};

/// The types of condition that the Gateway API leaves to the controller of the class, and Egret's own.
const OBJECT_TYPES: [&str; 9] = [
    "Accepted",
    "AddressesAssigned",
    "AttachedListenerSets",
    "InsecureFrontendValidationMode",
    "Programmed",
    "Ready",
    "ResolvedRefs",
    "Scheduled",
    "SupportedVersion",
];

const ATTACHED_SETS: &str = "attachedListenerSets";

/// The same for a listener.
const LISTENER_TYPES: [&str; 7] = [
    "Accepted",
    "Conflicted",
    "Detached",
    "OverlappingTLSConfig",
    "Programmed",
    "Ready",
    "ResolvedRefs",
];

/// A status whose lists are maps, as it should be.
#[derive(Clone, Debug, Default)]
pub(super) struct MappedStatus {
    pub(super) conditions: Vec<StatusCondition>,
    /// `None` for a kind without listeners.
    pub(super) listeners: Option<Vec<ListenerStatus>>,
    pub(super) addresses: AddressStatus,
    /// The number of ListenerSets that are attached; `None` if the Gateway says nothing of ListenerSets.
    pub(super) attached_sets: Option<usize>,
    /// The names of the supported features; `None` for a kind without them.
    pub(super) features: Option<Vec<&'static str>>,
}

/// `status.addresses` as it should be.
#[derive(Clone, Debug, Default)]
pub(super) enum AddressStatus {
    /// The kind has no addresses.
    #[default]
    None,
    /// It is not known yet: what is there stays.
    Kept,
    /// These, in this order.
    Known(Vec<GatewayAddress>),
}

impl AddressStatus {
    /// The list as it is to be stored, beside the one that is.
    fn list(&self, live: &Value) -> Option<Vec<Value>> {
        match self {
            Self::None => None,
            Self::Kept => Some(list(live, "addresses").to_vec()),
            Self::Known(addresses) => Some(addresses.iter().map(GatewayAddress::to_json).collect()),
        }
    }
}

impl MappedStatus {
    /// The live status without what a former controller of the object left in it: listeners that do not exist, and
    /// conditions that are the controller's to write. `None` if there is nothing of the kind. Server-side apply would
    /// leave it there for ever.
    pub(super) fn without_leftovers(
        &self,
        live: &Value,
        owners: &FieldOwners<'_>,
    ) -> Option<Value> {
        let mut kept = live.clone();
        let own = self
            .conditions
            .iter()
            .map(|condition| condition.kind)
            .collect();
        retain_conditions(&mut kept, &own, |kind| {
            OBJECT_TYPES.contains(&kind) || owners.left_behind(&OwnerPath::condition(kind))
        });
        let listeners = list_mut(&mut kept, "listeners");
        if let (Some(wanted), Some(listeners)) = (&self.listeners, listeners) {
            listeners.retain_mut(|listener| {
                let name = listener["name"].as_str().unwrap_or_default().to_owned();
                let Some(wanted) = wanted.iter().find(|it| it.name == name) else {
                    return false;
                };
                let own = wanted.conditions.iter().map(|it| it.kind).collect();
                retain_conditions(listener, &own, |kind| {
                    LISTENER_TYPES.contains(&kind)
                        || owners.left_behind(&OwnerPath::listener_condition(&name, kind))
                });
                true
            });
        }
        let features = list_mut(&mut kept, "supportedFeatures");
        if let (Some(wanted), Some(features)) = (&self.features, features) {
            features.retain(|feature| {
                let name = feature["name"].as_str();
                name.is_some_and(|name| wanted.contains(&name))
            });
        }
        (kept != *live).then_some(kept)
    }

    /// The status to apply; `None` if the live status agrees with it. `undeclared` are the fields that the installed CRD
    /// does not have.
    pub(super) fn to_apply(
        &self,
        live: &Value,
        stamp: ConditionStamp<'_>,
        undeclared: &BTreeSet<String>,
    ) -> Option<Value> {
        let mut status = Map::new();
        let mut differs = false;
        let is_declared = |field: &str| !undeclared.contains(field);
        if is_declared("conditions") {
            let stored = list(live, "conditions");
            let desired = &self.conditions;
            let is_own = |kind: &str| {
                OBJECT_TYPES.contains(&kind) || desired.iter().any(|it| it.kind == kind)
            };
            let conditions = stamp.conditions(desired, stored, is_own);
            differs |= !agree(stored, &conditions, is_own);
            status.insert("conditions".to_owned(), conditions.into());
        }
        if let Some(listeners) = self.listeners.as_ref().filter(|_| is_declared("listeners")) {
            let (written, differ) = listeners_to_apply(listeners, live, stamp, undeclared);
            differs |= differ;
            status.insert("listeners".to_owned(), written);
        }
        let addresses = self.addresses.list(live);
        if let Some(addresses) = addresses.filter(|_| is_declared("addresses")) {
            differs |= list(live, "addresses") != addresses.as_slice();
            status.insert("addresses".to_owned(), addresses.into());
        }
        let stored = &live[ATTACHED_SETS];
        // A number that is there is brought to nothing, too.
        let attached = self
            .attached_sets
            .or_else(|| (!stored.is_null()).then_some(0));
        if let Some(attached) = attached.filter(|_| is_declared(ATTACHED_SETS)) {
            differs |= *stored != attached;
            status.insert(ATTACHED_SETS.to_owned(), attached.into());
        }
        let features = self.features.as_ref();
        if let Some(features) = features.filter(|_| is_declared("supportedFeatures")) {
            let features: BTreeSet<&str> = features.iter().copied().collect();
            let features: Vec<Value> = features.iter().map(|name| json!({"name": name})).collect();
            let stored = list(live, "supportedFeatures");
            differs |= features.iter().any(|feature| !stored.contains(feature));
            status.insert("supportedFeatures".to_owned(), features.into());
        }
        differs.then_some(status.into())
    }
}

/// The listeners to apply, and whether the live ones differ from them. A name occurs once: the API server refuses the
/// whole status otherwise.
fn listeners_to_apply(
    listeners: &[ListenerStatus],
    live: &Value,
    stamp: ConditionStamp<'_>,
    undeclared: &BTreeSet<String>,
) -> (Value, bool) {
    let stored = list(live, "listeners");
    let mut names = BTreeSet::new();
    let mut written = Vec::new();
    let mut differs = false;
    for listener in listeners.iter().filter(|it| names.insert(it.name.as_str())) {
        let nothing = Value::Null;
        let known = stored.iter().find(|it| it["name"] == *listener.name);
        let known = known.unwrap_or(&nothing);
        let desired = &listener.conditions;
        let is_own =
            |kind: &str| LISTENER_TYPES.contains(&kind) || desired.iter().any(|it| it.kind == kind);
        let stored = list(known, "conditions");
        let conditions = stamp.conditions(desired, stored, is_own);
        differs |= !agree(stored, &conditions, is_own);
        let mut entry = json!({
            "name": listener.name,
            "attachedRoutes": listener.attached_routes,
            "supportedKinds": listener.supported_kinds,
        });
        if let Some(entry) = entry.as_object_mut() {
            entry.retain(|field, _| !undeclared.contains(&format!("listeners.{field}")));
            differs |= entry.iter().any(|(field, value)| known[field] != *value);
            entry.insert("conditions".to_owned(), conditions.into());
        }
        written.push(entry);
    }
    (written.into(), differs)
}

/// Removes conditions that are not among these; `is_controllers` says which types a controller writes.
fn retain_conditions(
    status: &mut Value,
    own: &BTreeSet<&str>,
    is_controllers: impl Fn(&str) -> bool,
) {
    if let Some(conditions) = list_mut(status, "conditions") {
        conditions.retain(|condition| {
            let kind = type_of(condition);
            own.contains(kind) || !is_controllers(kind)
        });
    }
}

/// A list of a status; empty if it is not there.
pub(super) fn list<'a>(status: &'a Value, field: &str) -> &'a [Value] {
    status[field].as_array().map_or(&[], Vec::as_slice)
}

/// A list of a status, if it is there.
fn list_mut<'a>(status: &'a mut Value, field: &str) -> Option<&'a mut Vec<Value>> {
    status.get_mut(field)?.as_array_mut()
}
