//! The calls to the API server that read and write the status of one object.

use egret_config::resources::ObjectRef;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use serde_json::{Value, json};

use super::desired::StatusWrite;
use super::fault::WriteFault;
use crate::{call, resource};

/// The status of one object at the API server.
pub(super) struct StatusApi {
    api: Api<DynamicObject>,
    resource: ApiResource,
    object: ObjectRef,
    manager: &'static str,
}

impl StatusApi {
    /// The status of an object that was read; `manager` is the field manager of writes.
    pub(super) fn of(
        client: &Client,
        object: &ObjectRef,
        read: &DynamicObject,
        manager: &'static str,
    ) -> Self {
        let version = version_of(object, read);
        let namespace = object.kind.is_namespaced().then_some(&*object.namespace);
        Self {
            api: resource::api(client.clone(), object.kind, &version, namespace),
            resource: resource::of(object.kind, &version),
            object: object.clone(),
            manager,
        }
    }

    /// Reads the object as it is now.
    pub(super) async fn read(&self) -> Result<DynamicObject, WriteFault> {
        limited(self.api.get_status(&self.object.name)).await
    }

    /// Writes a status, if the object is still in this version.
    pub(super) async fn write(
        &self,
        write: StatusWrite,
        read: &DynamicObject,
    ) -> Result<DynamicObject, WriteFault> {
        let name = &*self.object.name;
        match write {
            StatusWrite::Apply(status) => {
                let patch = Patch::Apply(self.to_apply(status, read));
                let params = PatchParams::apply(self.manager).force();
                limited(self.api.patch_status(name, &params, &patch)).await
            }
            // A reader may leave out the spec of an object. A patch needs none.
            StatusWrite::Replace(status) => {
                let version = &read.metadata.resource_version;
                let metadata = json!({"resourceVersion": version});
                let patch = Patch::Merge(json!({"metadata": metadata, "status": status}));
                let params = PatchParams {
                    field_manager: Some(self.manager.to_owned()),
                    ..PatchParams::default()
                };
                limited(self.api.patch_status(name, &params, &patch)).await
            }
        }
    }

    /// What is sent by server-side apply. The version keeps the status of an object from another one that has taken its
    /// name: the identifier would not.
    fn to_apply(&self, status: Value, read: &DynamicObject) -> Value {
        let mut metadata = json!({
            "name": self.object.name,
            "resourceVersion": read.metadata.resource_version,
        });
        if self.object.kind.is_namespaced() {
            metadata["namespace"] = (*self.object.namespace).into();
        }
        json!({
            "apiVersion": self.resource.api_version,
            "kind": self.resource.kind,
            "metadata": metadata,
            "status": status,
        })
    }
}

/// The version of the API in which an object was read.
fn version_of(object: &ObjectRef, read: &DynamicObject) -> String {
    let types = read.types.as_ref();
    let version = types.and_then(|types| types.api_version.rsplit('/').next());
    let version = version.or_else(|| object.kind.versions().first().copied());
    version.unwrap_or("v1").to_owned()
}

async fn limited<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, WriteFault> {
    call::limited(call, WriteFault::of, WriteFault::Unavailable).await
}
