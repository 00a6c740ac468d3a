//! What is different between two sets of objects.

use std::fmt;
use std::sync::Arc;

use super::{LocatedObject, ObjectMap, ObjectRef, Resources, SourceLocation};

/// An object that has come, changed or gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectChange {
    /// The object.
    pub object: ObjectRef,
    /// What became of it.
    pub change: ChangeKind,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// The object is new.
    Added,
    /// The content of the object is different.
    Changed,
    /// The object is gone.
    Removed,
}

/// Defines what goes over the map of every kind.
macro_rules! over_maps {
    ($($map:ident),*) => {
        impl Resources {
            /// The objects that differ from those of older resources, by kind, namespace and name. Where an object is
            /// written does not count.
            #[must_use]
            pub fn changes_since(&self, older: &Self) -> Vec<ObjectChange> {
                // A map that is not in the list does not compile.
                let Self { $($map),* } = self;
                let mut changes = Vec::new();
                $(compare($map, &older.$map, &mut changes);)*
                changes.sort_by(|a, b| a.object.cmp(&b.object));
                changes
            }

            /// Removes an object. Returns whether it was there.
            pub fn remove(&mut self, object: &ObjectRef) -> bool {
                let mut is_removed = false;
                $(is_removed |= self.$map.remove(object).is_some();)*
                is_removed
            }

            /// Takes the version of an object that other resources have. Returns whether they have one that differs from
            /// the version here.
            pub(crate) fn restore(&mut self, object: &ObjectRef, from: &Self) -> bool {
                let mut is_restored = false;
                $(is_restored |= restore(&mut self.$map, object, &from.$map);)*
                is_restored
            }

            /// Takes an object that other resources have, as it is written at another place now: a file, a line, and the
            /// number of lines before its document. Returns whether they have it.
            pub(crate) fn adopt(
                &mut self,
                object: &ObjectRef,
                from: &Self,
                place: (&Arc<str>, usize, usize),
            ) -> bool {
                let mut is_adopted = false;
                $(is_adopted |= adopt(&mut self.$map, object, &from.$map, place);)*
                is_adopted
            }
        }
    };
}

over_maps! {
    gateway_classes,
    gateways,
    listener_sets,
    http_routes,
    grpc_routes,
    tls_routes,
    backend_tls_policies,
    backend_traffic_policies,
    reference_grants,
    backends,
    backend_config_policies,
    traffic_policies,
    direct_responses,
    gateway_extensions,
    gateway_parameters,
    listener_policies,
    http_listener_policies,
    egress_policies,
    resolver_policies,
    services,
    endpoint_slices,
    unread_policies,
    namespaces,
    secrets,
    config_maps,
    files,
    unsupported
}

fn compare<T: PartialEq>(
    newer: &ObjectMap<T>,
    older: &ObjectMap<T>,
    changes: &mut Vec<ObjectChange>,
) {
    let mut push = |object: &ObjectRef, change| {
        let object = object.clone();
        changes.push(ObjectChange { object, change });
    };
    for (object, new) in newer {
        match older.get(object) {
            None => push(object, ChangeKind::Added),
            Some(old) if !is_same(old, new) => push(object, ChangeKind::Changed),
            Some(_) => {}
        }
    }
    for object in older.keys().filter(|object| !newer.contains_key(object)) {
        push(object, ChangeKind::Removed);
    }
}

fn is_same<T: PartialEq>(a: &LocatedObject<T>, b: &LocatedObject<T>) -> bool {
    Arc::ptr_eq(&a.value, &b.value) || a.value == b.value
}

fn restore<T: PartialEq>(to: &mut ObjectMap<T>, object: &ObjectRef, from: &ObjectMap<T>) -> bool {
    let Some(older) = from.get(object) else {
        return false;
    };
    if to.get(object).is_some_and(|newer| is_same(newer, older)) {
        return false;
    }
    to.insert(object.clone(), older.clone());
    true
}

fn adopt<T>(
    to: &mut ObjectMap<T>,
    object: &ObjectRef,
    from: &ObjectMap<T>,
    (file, line, lines_before): (&Arc<str>, usize, usize),
) -> bool {
    let Some(LocatedObject { value, source }) = from.get(object) else {
        return false;
    };
    let value = value.clone();
    let source = SourceLocation {
        file: file.clone(),
        line,
        lines_before,
        positions: source.positions.clone(),
    };
    to.insert(object.clone(), LocatedObject { value, source });
    true
}

/// Writes `Kind namespace/name added`.
impl fmt::Display for ObjectChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, change } = self;
        write!(f, "{object} {change}")
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        })
    }
}
