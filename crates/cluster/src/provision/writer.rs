//! Applies the objects of Gateways, and deletes those that are not wanted any more.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::DynamicObject;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::fault::WriteFault;
use super::kind::ChildKind;
use super::ledger::{ChildKey, DesiredObject, GatewayObjects, Ledger, LiveObjects};
use super::metadata::MANAGER;
use super::obsolete;
use super::owner;
use super::strip::stripped;
use crate::backoff::{Retries, WriteFailure};
use crate::call;

/// The field manager that takes over the number of pods when the controller lets go of it.
const HANDOVER: &str = "egret-handover";
/// How many Gateways are written at the same time.
const CONCURRENCY: usize = 8;

/// Writes the objects of Gateways to a cluster.
pub struct ProvisionWriter {
    client: Client,
    controller_name: String,
    ledger: Ledger,
    /// The objects that could not be deleted.
    undeleted: Retries<ChildKey>,
    counts: ProvisionCounts,
}

/// What was written since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProvisionCounts {
    /// Objects that were applied.
    pub applied: u64,
    /// Objects from which additions of others were taken.
    pub stripped: u64,
    /// Objects that were deleted.
    pub deleted: u64,
    /// Writes that failed.
    pub failed: u64,
}

/// What a pass over all Gateways came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProvisionPass {
    /// When another pass is worth the while, although nothing may have changed.
    pub retry_in: Option<Duration>,
}

/// What came of sending an object.
struct Sent {
    live: DynamicObject,
    is_stripped: bool,
}

impl ProvisionWriter {
    /// A writer for the controller of this name.
    #[must_use]
    pub fn new(client: Client, controller_name: impl Into<String>) -> Self {
        Self {
            client,
            controller_name: controller_name.into(),
            ledger: Ledger::default(),
            undeleted: Retries::default(),
            counts: ProvisionCounts::default(),
        }
    }

    /// What was written since the start.
    #[must_use]
    pub fn counts(&self) -> ProvisionCounts {
        self.counts
    }

    /// The first fault of the objects of a Gateway; a refusal comes first.
    #[must_use]
    pub fn fault(&self, objects: &[DesiredObject]) -> Option<&WriteFault> {
        let faults = objects.iter().filter_map(|it| self.ledger.fault(&it.key));
        faults.min_by_key(|fault| !fault.is_refusal())
    }

    /// Writes what has to be written of these Gateways, which are all that the controller serves. `at` is the time on a
    /// clock that only goes forward.
    pub async fn write(
        &mut self,
        gateways: &[GatewayObjects],
        live: &LiveObjects,
        at: Duration,
    ) -> ProvisionPass {
        let objects = gateways.iter().filter_map(|it| it.objects.as_ref().ok());
        let wanted: BTreeSet<&ChildKey> = objects.flatten().map(|it| &it.key).collect();
        self.ledger.retain(|key| wanted.contains(key));
        let mut batches = Vec::new();
        for gateway in gateways {
            let objects = gateway.objects.as_deref().unwrap_or_default();
            let due = objects.iter().filter(|object| {
                let live = live.get(&object.key).map(|live| &**live);
                self.ledger.is_due(object, live, at)
            });
            let due: Vec<&DesiredObject> = due.collect();
            if !due.is_empty() {
                batches.push((gateway, due));
            }
        }
        let client = &self.client;
        let runs = batches
            .into_iter()
            .map(|(gateway, due)| send_all(client, gateway, due, live));
        let runs: Vec<_> = stream::iter(runs)
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        for (object, outcome) in runs.into_iter().flatten() {
            self.settle(object, outcome, at);
        }
        let obsolete = obsolete::objects(gateways, live, &self.controller_name);
        self.undeleted
            .retain(|key| obsolete.iter().any(|(obsolete, _)| *obsolete == key));
        for (key, object) in obsolete {
            if self.undeleted.is_due(key, None, at) {
                self.delete(key, object, at).await;
            }
        }
        let retries = [self.ledger.next_in(at), self.undeleted.next_in(at)];
        ProvisionPass {
            retry_in: retries.into_iter().flatten().min(),
        }
    }

    /// Tries at once what has failed: the reason may be gone, because the API server is back or this controller leads anew.
    pub fn begin_anew(&mut self) {
        self.ledger.begin_anew();
        self.undeleted.begin_anew();
    }

    fn settle(&mut self, object: &DesiredObject, outcome: Result<Sent, WriteFault>, at: Duration) {
        match outcome {
            Ok(Sent { live, is_stripped }) => {
                self.counts.applied += 1;
                self.counts.stripped += u64::from(is_stripped);
                self.ledger.sent(object, Ok((&live, is_stripped)), at);
            }
            Err(fault) => {
                self.counts.failed += 1;
                let ChildKey {
                    kind,
                    namespace,
                    name,
                } = &object.key;
                tracing::warn!("{kind:?} {namespace}/{name} could not be written: {fault}");
                self.ledger.sent(object, Err(fault), at);
            }
        }
    }

    /// Deletes an object, if it is still the one that was seen.
    async fn delete(&mut self, key: &ChildKey, object: &DynamicObject, at: Duration) {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: object.uid(),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        let api = api(&self.client, key);
        match limited(api.delete(&key.name, &params)).await {
            Ok(_) => {
                self.counts.deleted += 1;
                self.undeleted.forget(key);
            }
            // It is gone, or another has its name. A watch will tell.
            Err(WriteFault::NamespaceGone(_) | WriteFault::Conflict(_)) => {
                self.undeleted.failed(key, None, WriteFailure::Passing, at);
            }
            Err(fault) => {
                self.counts.failed += 1;
                let failure = match fault.is_refusal() {
                    true => WriteFailure::Refused,
                    false => WriteFailure::Passing,
                };
                self.undeleted.failed(key, None, failure, at);
                let ChildKey {
                    kind,
                    namespace,
                    name,
                } = key;
                tracing::warn!("{kind:?} {namespace}/{name} could not be deleted: {fault}");
            }
        }
    }
}

/// Sends the objects of a Gateway that are due.
async fn send_all<'a>(
    client: &Client,
    gateway: &GatewayObjects,
    due: Vec<&'a DesiredObject>,
    live: &LiveObjects,
) -> Vec<(&'a DesiredObject, Result<Sent, WriteFault>)> {
    let live = |object: &DesiredObject| live.get(&object.key).map(|live| &**live);
    let is_new = |object: &&DesiredObject| {
        live(object).is_none_or(|live| owner::is_of_earlier(live, object))
    };
    let checked = match due.iter().any(is_new) {
        true => owner::check(client, &gateway.gateway, gateway.uid.as_deref()).await,
        false => Ok(()),
    };
    let mut outcomes = Vec::new();
    // In their order: a pod without its account would wait for long.
    for object in due {
        let outcome = match &checked {
            Ok(()) => send(client, object, live(object)).await,
            Err(fault) => Err(fault.clone()),
        };
        outcomes.push((object, outcome));
    }
    outcomes
}

/// Deletes an object that was made for an earlier Gateway of the same name: it is not the one of now.
async fn delete_earlier(
    api: &Api<DynamicObject>,
    live: &DynamicObject,
) -> Result<Sent, WriteFault> {
    if live.metadata.deletion_timestamp.is_none() {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: live.uid(),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        limited(api.delete(&live.name_any(), &params)).await?;
    }
    let message = "it was made for an earlier Gateway of the same name, and is deleted first";
    Err(WriteFault::Conflict(message.to_owned()))
}

/// Applies one object, and takes away what others have added to it.
async fn send(
    client: &Client,
    object: &DesiredObject,
    live: Option<&DynamicObject>,
) -> Result<Sent, WriteFault> {
    let api = api(client, &object.key);
    let name = &*object.key.name;
    if let Some(live) = live.filter(|live| owner::is_of_earlier(live, object)) {
        return delete_earlier(&api, live).await;
    }
    if object.key.kind == ChildKind::Deployment && live.is_some_and(|live| lets_go(object, live)) {
        hand_over(&api, object).await?;
    }
    let params = PatchParams::apply(MANAGER).force();
    let applied = limited(api.patch(name, &params, &Patch::Apply(&object.value))).await?;
    let data = stripped(object.key.kind, &object.value, &applied.data);
    let Some(data) = data else {
        return Ok(Sent {
            live: applied,
            is_stripped: false,
        });
    };
    let mut kept = applied;
    kept.data = data;
    kept.metadata.managed_fields = None;
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let live = limited(api.replace(name, &params, &kept)).await?;
    tracing::info!(
        "{:?} {}/{name}: what others had added was taken away",
        object.key.kind,
        object.key.namespace
    );
    Ok(Sent {
        live,
        is_stripped: true,
    })
}

/// Whether the controller has set the number of pods, and is not to do so any more. To leave it out would set it to one.
fn lets_go(object: &DesiredObject, live: &DynamicObject) -> bool {
    let is_set = object.value.pointer("/spec/replicas").is_some();
    let owners = live.metadata.managed_fields.iter().flatten();
    let mut owners = owners.filter(|it| {
        it.manager.as_deref() == Some(MANAGER) && it.operation.as_deref() == Some("Apply")
    });
    let owns = owners.any(|it| {
        let fields = it.fields_v1.as_ref();
        fields.is_some_and(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
    });
    owns && !is_set
}

/// Lets another manager own the number of pods as it is now.
async fn hand_over(api: &Api<DynamicObject>, object: &DesiredObject) -> Result<(), WriteFault> {
    let name = &*object.key.name;
    let now = limited(api.get(name)).await?;
    let Some(replicas) = now.data.pointer("/spec/replicas").and_then(Value::as_i64) else {
        return Ok(());
    };
    let patch = json!({
        "apiVersion": object.value["apiVersion"],
        "kind": object.value["kind"],
        "metadata": {"name": name, "namespace": &*object.key.namespace},
        "spec": {"replicas": replicas},
    });
    // Without force: whoever has changed the number meanwhile has taken it over already.
    let params = PatchParams::apply(HANDOVER);
    match limited(api.patch(name, &params, &Patch::Apply(&patch))).await {
        Ok(_) | Err(WriteFault::Conflict(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

fn api(client: &Client, key: &ChildKey) -> Api<DynamicObject> {
    let resource = key.kind.resource();
    if key.kind.is_namespaced() {
        Api::namespaced_with(client.clone(), &key.namespace, &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    }
}

async fn limited<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, WriteFault> {
    call::limited(call, WriteFault::of, WriteFault::Unavailable).await
}
