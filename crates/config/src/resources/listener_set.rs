//! ListenerSets, and the Gateways that they add listeners to.

use std::collections::BTreeMap;

use egret_api::gateway::{ListenerSet, ParentGatewayRef};

use super::{
    GATEWAY_GROUP, Kind, LocatedObject, ObjectRef, Resources, SourceLocation, oldest_first,
};

/// ListenerSets with their identities.
pub type ListenerSets<'a> = Vec<(&'a ObjectRef, &'a LocatedObject<ListenerSet>)>;

impl Resources {
    /// The Gateway that a ListenerSet names, whether it exists or not. `None` if there is no such ListenerSet, or its parent
    /// is of another kind.
    #[must_use]
    pub fn gateway_of_set(&self, set: &ObjectRef) -> Option<ObjectRef> {
        parent_of(set, &self.listener_sets.get(set)?.value)
    }

    /// The index of a listener of a Gateway or a ListenerSet, and the place where that is written.
    pub(crate) fn listener(
        &self,
        owner: &ObjectRef,
        name: &str,
    ) -> Option<(usize, &SourceLocation)> {
        let (listeners, source) = match owner.kind {
            Kind::Gateway => {
                let object = self.gateways.get(owner)?;
                (&object.value.spec.listeners, &object.source)
            }
            _ => {
                let object = self.listener_sets.get(owner)?;
                (&object.value.spec.listeners, &object.source)
            }
        };
        let index = listeners.iter().position(|it| it.name == name)?;
        Some((index, source))
    }

    /// The ListenerSets by the Gateways that they name, in the order of their precedence: oldest first.
    pub(crate) fn sets_by_gateway(&self) -> BTreeMap<ObjectRef, ListenerSets<'_>> {
        let mut sets: BTreeMap<ObjectRef, ListenerSets<'_>> = BTreeMap::new();
        for (reference, object) in oldest_first(&self.listener_sets) {
            if let Some(gateway) = parent_of(reference, &object.value) {
                sets.entry(gateway).or_default().push((reference, object));
            }
        }
        sets
    }
}

fn parent_of(reference: &ObjectRef, set: &ListenerSet) -> Option<ObjectRef> {
    let ParentGatewayRef {
        group,
        kind,
        name,
        namespace,
    } = &set.spec.parent_ref;
    let group = group.as_deref().unwrap_or(GATEWAY_GROUP);
    let kind = kind.as_deref().unwrap_or("Gateway");
    let namespace = namespace.as_deref().unwrap_or(&reference.namespace);
    (Kind::find(group, kind) == Some(Kind::Gateway))
        .then(|| ObjectRef::new(Kind::Gateway, namespace, name))
}
