//! Whether the Gateway is there that objects are made for. A Gateway may be deleted and made again under the same name,
//! before a watch has told either; what is made for the old one would be deleted at once, and what was made for it is not
//! the new one's.

use egret_config::resources::{Kind, ObjectRef};
use kube::Client;
use kube::core::DynamicObject;

use super::fault::WriteFault;
use super::ledger::DesiredObject;
use crate::call;
use crate::resource;

/// Asks whether the Gateway of this name has this uid.
///
/// # Errors
/// If it has another, or there is none, or nobody can tell.
pub(super) async fn check(
    client: &Client,
    gateway: &ObjectRef,
    uid: Option<&str>,
) -> Result<(), WriteFault> {
    let namespace = Some(&*gateway.namespace);
    let api = resource::api(client.clone(), Kind::Gateway, "v1", namespace);
    let found = api.get_metadata(&gateway.name);
    let found = call::limited(found, WriteFault::of, WriteFault::Unavailable).await?;
    match found.metadata.uid.as_deref() == uid {
        true => Ok(()),
        false => Err(WriteFault::Conflict(format!(
            "{gateway} has been deleted and made again"
        ))),
    }
}

/// Whether an object that is there was made for an earlier Gateway of the same name.
pub(super) fn is_of_earlier(live: &DynamicObject, object: &DesiredObject) -> bool {
    let owner = object.value.pointer("/metadata/ownerReferences/0");
    let text = |field: &str| owner.and_then(|owner| owner[field].as_str());
    let (Some(name), Some(uid)) = (text("name"), text("uid")) else {
        return false;
    };
    let owners = live.metadata.owner_references.iter().flatten();
    let mut gateways = owners.filter(|owner| owner.kind == "Gateway" && owner.name == name);
    let mut has_other = false;
    let has_this = gateways.any(|owner| {
        has_other |= owner.uid != uid;
        owner.uid == uid
    });
    has_other && !has_this
}
