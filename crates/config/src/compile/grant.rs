//! ReferenceGrants: which references across namespaces are allowed.

use egret_api::gateway::{ReferenceGrantFrom, ReferenceGrantSpec, ReferenceGrantTo};

use crate::resources::{ObjectRef, Resources};

/// Whether `from` may refer to `to`: always within a namespace, and across namespaces if a grant in the namespace of
/// `to` allows it.
pub(super) fn allows(resources: &Resources, from: &ObjectRef, to: &ObjectRef) -> bool {
    from.namespace == to.namespace
        || resources
            .reference_grants
            .iter()
            .filter(|(grant, _)| grant.namespace == to.namespace)
            .any(|(_, grant)| grants(&grant.value.spec, from, to))
}

fn grants(spec: &ReferenceGrantSpec, from: &ObjectRef, to: &ObjectRef) -> bool {
    let ReferenceGrantSpec {
        from: froms,
        to: tos,
    } = spec;
    let from = froms.iter().any(
        |ReferenceGrantFrom {
             group,
             kind,
             namespace,
         }| {
            group == from.kind.group()
                && kind == from.kind.as_str()
                && **namespace == *from.namespace
        },
    );
    let to = tos.iter().any(|ReferenceGrantTo { group, kind, name }| {
        group == to.kind.group()
            && kind == to.kind.as_str()
            && name
                .as_deref()
                .is_none_or(|name| name.is_empty() || name == &*to.name)
    });
    from && to
}
