//! Objects by their labels, so that a thousand selectors do not look at each of ten thousand objects.

use std::collections::{BTreeMap, HashMap};

use crate::resources::{Kind, ObjectMap, ObjectRef, Resources};

/// The labels of an object.
type Labels = BTreeMap<String, String>;

/// A label of the objects of a kind in a namespace.
type LabelPlace<'a> = (Kind, &'a str, &'a str, &'a str);

/// The objects that have a label, each with all its labels.
#[derive(Default)]
pub(in crate::compile) struct LabelIndex<'a> {
    places: HashMap<LabelPlace<'a>, Vec<(&'a ObjectRef, &'a Labels)>>,
}

impl<'a> LabelIndex<'a> {
    /// All objects that policies can select.
    pub(in crate::compile) fn of(resources: &'a Resources) -> Self {
        let mut index = Self::default();
        index.add(&resources.gateways);
        index.add(&resources.listener_sets);
        index.add(&resources.http_routes);
        index.add(&resources.grpc_routes);
        index.add(&resources.tls_routes);
        index.add(&resources.backends);
        for (reference, service) in &resources.services {
            index.put(reference, &service.value.labels);
        }
        index
    }

    fn add<T: kube::Resource>(&mut self, objects: &'a ObjectMap<T>) {
        for (reference, object) in objects {
            if let Some(labels) = &object.value.meta().labels {
                self.put(reference, labels);
            }
        }
    }

    fn put(&mut self, reference: &'a ObjectRef, labels: &'a Labels) {
        for (key, value) in labels {
            let place = (reference.kind, &*reference.namespace, &**key, &**value);
            let there = self.places.entry(place).or_default();
            there.push((reference, labels));
        }
    }

    /// The objects of a kind in a namespace that have these labels, of which there is at least one, in their order.
    pub(super) fn select(
        &self,
        kind: Kind,
        namespace: &str,
        labels: &Labels,
    ) -> Vec<&'a ObjectRef> {
        let Some((key, value)) = labels.first_key_value() else {
            return Vec::new();
        };
        let found = self.places.get(&(kind, namespace, &**key, &**value));
        let has_all = |has: &Labels| {
            labels
                .iter()
                .all(|(key, value)| has.get(key) == Some(value))
        };
        let found = found.into_iter().flatten();
        let found = found.filter(|(_, has)| has_all(has));
        found.map(|(reference, _)| *reference).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[(&str, &str)]) -> Labels {
        let owned = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        owned.collect()
    }

    #[test]
    fn objects_with_all_labels_are_found_in_their_order() {
        let object = |namespace, name| ObjectRef::new(Kind::HttpRoute, namespace, name);
        let all = [
            (object("a", "z"), labels(&[("app", "x"), ("tier", "web")])),
            (object("a", "y"), labels(&[("app", "x")])),
            (object("a", "x"), labels(&[])),
            (object("b", "w"), labels(&[("app", "x"), ("tier", "web")])),
        ];
        let mut index = LabelIndex::default();
        for (reference, labels) in &all {
            index.put(reference, labels);
        }
        for (namespace, wanted, expected) in [
            ("a", &[("app", "x")][..], &["z", "y"][..]),
            ("a", &[("app", "x"), ("tier", "web")], &["z"]),
            ("b", &[("tier", "web")], &["w"]),
            ("a", &[("app", "y")], &[]),
            ("c", &[("app", "x")], &[]),
            ("a", &[("app", "x"), ("tier", "db")], &[]),
        ] {
            let found = index.select(Kind::HttpRoute, namespace, &labels(wanted));
            let names: Vec<_> = found.iter().map(|found| &*found.name).collect();
            assert_eq!(names, expected, "{namespace} {wanted:?}");
        }
    }
}
