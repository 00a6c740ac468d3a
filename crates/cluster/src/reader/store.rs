//! The objects of a cluster as they are known, without the calls that bring them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use egret_config::load::{self, UnreadObject};
use egret_config::report::ReportProblem;
use egret_config::resources::{EndpointSlice, ObjectRef, Resources};
use kube::api::DynamicObject;

use super::object::{has_status, raw_of, reference, strip, value_of, version};
use super::scope::{Intake, NamedObjects, ReadScope};
use super::source::{Source, SourcePart};

/// What is known of a cluster, source by source.
#[derive(Debug)]
pub(super) struct Stores {
    scope: ReadScope,
    sources: BTreeMap<Source, SourceStore>,
    resources: Resources,
    /// The objects as they are, with their statuses.
    raw: BTreeMap<ObjectRef, Arc<DynamicObject>>,
    /// What is wrong with the objects that cannot be read.
    unread: BTreeMap<ObjectRef, Vec<ReportProblem>>,
    /// The objects that exist and are for others.
    elsewhere: BTreeSet<ObjectRef>,
    /// The objects that others name.
    named: BTreeMap<ObjectRef, NamedObjects>,
    /// The number of changes.
    changes: u64,
}

#[derive(Debug, Default)]
struct SourceStore {
    /// Whether all of its objects are known.
    is_complete: bool,
    /// The objects, each in the version that is known.
    known: BTreeMap<ObjectRef, Box<str>>,
    refill: Option<Refill>,
    /// Why nothing is known.
    problem: Option<ReportProblem>,
}

/// A list of everything, while it arrives. What was known before stays until its end.
#[derive(Debug, Default)]
struct Refill {
    seen: BTreeSet<ObjectRef>,
    elsewhere: BTreeSet<ObjectRef>,
    objects: Vec<(ObjectRef, DynamicObject)>,
}

/// The objects of a cluster at one time.
#[derive(Clone, Debug, Default)]
pub struct ClusterObjects {
    resources: Resources,
    problems: Vec<ReportProblem>,
    raw: BTreeMap<ObjectRef, Arc<DynamicObject>>,
    services: BTreeSet<ObjectRef>,
}

impl ClusterObjects {
    /// The Services to which requests are sent; only in the scope of one Gateway.
    pub(super) fn services(&self) -> &BTreeSet<ObjectRef> {
        &self.services
    }

    /// The objects, to be compiled.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// What is wrong with the objects that cannot be read. The others do not depend on them.
    #[must_use]
    pub fn problems(&self) -> &[ReportProblem] {
        &self.problems
    }

    /// An object as it is in the cluster, with its status; only in the scope [`ReadScope::All`]. There are many routes, so
    /// that of their specs only the parents are there.
    #[must_use]
    pub fn raw(&self, object: &ObjectRef) -> Option<&Arc<DynamicObject>> {
        self.raw.get(object)
    }

    /// All objects as they are in the cluster, likewise.
    pub(crate) fn all_raw(&self) -> impl Iterator<Item = (&ObjectRef, &Arc<DynamicObject>)> {
        self.raw.iter()
    }
}

impl Stores {
    pub(super) fn new(scope: ReadScope) -> Self {
        Self {
            scope,
            sources: BTreeMap::new(),
            resources: Resources::default(),
            raw: BTreeMap::new(),
            unread: BTreeMap::new(),
            elsewhere: BTreeSet::new(),
            named: BTreeMap::new(),
            changes: 0,
        }
    }

    pub(super) fn add(&mut self, source: &Source) {
        self.sources.entry(source.clone()).or_default();
    }

    /// Forgets a source, and what no other source has.
    pub(super) fn remove(&mut self, source: &Source) {
        let Some(store) = self.sources.remove(source) else {
            return;
        };
        for object in store.known.keys() {
            self.forget(object);
        }
        self.changes += 1;
    }

    /// Whether everything is known.
    pub(super) fn is_complete(&self) -> bool {
        self.sources.values().all(|store| store.is_complete)
    }

    /// Whether everything of a source is known.
    pub(super) fn is_known(&self, source: &Source) -> bool {
        let store = self.sources.get(source);
        store.is_some_and(|store| store.is_complete)
    }

    /// The sources of which not everything is known yet.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Source> {
        let sources = self.sources.iter();
        let missing = sources.filter(|(_, store)| !store.is_complete);
        missing.map(|(source, _)| source)
    }

    /// Whether a list arrives of what was known before.
    pub(super) fn is_refilling(&self) -> bool {
        let mut sources = self.sources.values();
        sources.any(|store| store.is_complete && store.refill.is_some())
    }

    /// The number of changes so far.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// A list of everything begins. What is known in the same version need not be read again, if it is `trusted`.
    pub(super) fn begin(&mut self, source: &Source, trusted: bool) {
        let Some(store) = self.sources.get_mut(source) else {
            return;
        };
        store.refill = Some(Refill::default());
        if !trusted {
            store
                .known
                .values_mut()
                .for_each(|version| *version = "".into());
        }
    }

    /// A part of the list.
    pub(super) fn fill(&mut self, source: &Source, objects: Vec<DynamicObject>) {
        for object in objects {
            let Some(reference) = reference(source.kind, &object) else {
                continue;
            };
            let Some(store) = self.sources.get_mut(source) else {
                return;
            };
            let is_first = !store.is_complete;
            let Some(refill) = &mut store.refill else {
                return;
            };
            if self.scope.intake(&reference, &object) == Intake::Elsewhere {
                refill.elsewhere.insert(reference);
                continue;
            }
            refill.seen.insert(reference.clone());
            let known = store.known.get(&reference);
            if known.is_some_and(|known| **known == *version(&object)) {
                continue;
            }
            // Nobody sees what is known before all is, so that the first list need not be kept aside.
            match is_first {
                true => self.apply(source, reference, object),
                false => refill.objects.push((reference, object)),
            }
        }
    }

    /// The list is complete: what is not in it is gone.
    pub(super) fn complete(&mut self, source: &Source) {
        self.complete_with(source, None);
    }

    fn complete_with(&mut self, source: &Source, problem: Option<ReportProblem>) {
        let Some(store) = self.sources.get_mut(source) else {
            return;
        };
        let Some(refill) = store.refill.take() else {
            return;
        };
        let Refill {
            seen,
            mut elsewhere,
            objects,
        } = refill;
        if source.part == SourcePart::All {
            self.elsewhere.retain(|other| other.kind != source.kind);
            self.elsewhere.append(&mut elsewhere);
        }
        let was_known = store.is_complete;
        store.is_complete = true;
        let is_other_problem = store.problem != problem;
        store.problem = problem;
        let gone: Vec<ObjectRef> = store.known.keys().cloned().collect();
        let gone: Vec<ObjectRef> = gone.into_iter().filter(|one| !seen.contains(one)).collect();
        if !was_known || is_other_problem {
            self.changes += 1;
        }
        for object in gone {
            self.drop_from(source, &object);
        }
        for (reference, object) in objects {
            self.apply(source, reference, object);
        }
    }

    /// There is nothing of this source: no such kind, or it may not be read, which is a problem then.
    pub(super) fn nothing(&mut self, source: &Source, problem: Option<ReportProblem>) {
        self.begin(source, false);
        self.complete_with(source, problem);
    }

    /// The list has failed on its way.
    pub(super) fn abandon(&mut self, source: &Source) {
        if let Some(store) = self.sources.get_mut(source) {
            store.refill = None;
        }
    }

    /// An object has come or changed.
    pub(super) fn applied(&mut self, source: &Source, object: DynamicObject) {
        let Some(reference) = reference(source.kind, &object) else {
            return;
        };
        if self.scope.intake(&reference, &object) == Intake::Elsewhere {
            self.drop_from(source, &reference);
            self.elsewhere.insert(reference);
            return;
        }
        let Some(store) = self.sources.get(source) else {
            return;
        };
        let known = store.known.get(&reference);
        if known.is_some_and(|known| **known == *version(&object)) {
            return;
        }
        self.apply(source, reference, object);
    }

    /// An object is gone, or no longer selected.
    pub(super) fn deleted(&mut self, source: &Source, object: &DynamicObject) {
        if let Some(reference) = reference(source.kind, object) {
            self.elsewhere.remove(&reference);
            self.drop_from(source, &reference);
        }
    }

    fn drop_from(&mut self, source: &Source, object: &ObjectRef) {
        let Some(store) = self.sources.get_mut(source) else {
            return;
        };
        if store.known.remove(object).is_some() {
            self.forget(object);
            self.changes += 1;
        }
    }

    fn apply(&mut self, source: &Source, reference: ObjectRef, mut object: DynamicObject) {
        if let Some(store) = self.sources.get_mut(source) {
            let version = version(&object).into();
            store.known.insert(reference.clone(), version);
        }
        self.elsewhere.remove(&reference);
        match self.scope.intake(&reference, &object) {
            Intake::Keep(named) if named != NamedObjects::default() => {
                self.named.insert(reference.clone(), named);
            }
            Intake::Keep(_) | Intake::Elsewhere => _ = self.named.remove(&reference),
        }
        strip(&mut object);
        let keeps_raw = self.scope == ReadScope::All && has_status(reference.kind);
        let value = match keeps_raw {
            true => {
                let raw = Arc::new(raw_of(reference.kind, &object));
                self.raw.insert(reference.clone(), raw);
                self.changes += 1;
                value_of(object)
            }
            false => value_of(object),
        };
        let slice = self.slice(&reference);
        match load::object(reference.kind, value, &mut self.resources) {
            Ok(read) => {
                let was_unread = self.unread.remove(&reference).is_some();
                let is_same = self.scope == ReadScope::All
                    && slice.is_some_and(|before| self.says_the_same(&reference, &before));
                let is_news = read.is_changed && !is_same || was_unread;
                self.changes += u64::from(is_news);
            }
            Err(UnreadObject { problems, .. }) => {
                if self.unread.get(&reference) != Some(&problems) {
                    self.unread.insert(reference, problems);
                    self.changes += 1;
                }
            }
        }
    }

    fn slice(&self, object: &ObjectRef) -> Option<Arc<EndpointSlice>> {
        let known = self.resources.endpoint_slices.get(object)?;
        Some(known.value.clone())
    }

    /// Whether a slice is as it was to somebody who serves nothing. Endpoints come and go all the time in a large cluster,
    /// and no status depends on where they are, only on whether there are any.
    fn says_the_same(&self, object: &ObjectRef, before: &EndpointSlice) -> bool {
        self.slice(object).is_some_and(|now| {
            let EndpointSlice {
                service,
                addresses,
                ports,
                endpoints,
            } = &*now;
            *service == before.service
                && *addresses == before.addresses
                && *ports == before.ports
                && endpoints.is_empty() == before.endpoints.is_empty()
        })
    }

    /// Forgets an object that no source has any more.
    fn forget(&mut self, object: &ObjectRef) {
        let mut sources = self.sources.values();
        if sources.any(|store| store.known.contains_key(object)) {
            return;
        }
        self.resources.remove(object);
        self.raw.remove(object);
        self.unread.remove(object);
        self.named.remove(object);
    }

    /// The objects as they are known now.
    pub(super) fn objects(&self) -> ClusterObjects {
        let mut resources = self.resources.clone();
        let mut services = BTreeSet::new();
        for (object, named) in &self.named {
            let mut targets = named.targets.iter();
            if !named.targets.is_empty() && targets.all(|target| self.elsewhere.contains(target)) {
                resources.remove(object);
            }
            services.extend(named.services.iter().cloned());
        }
        let problems = self.problems(&resources);
        ClusterObjects {
            problems,
            raw: self.raw.clone(),
            resources,
            services,
        }
    }

    /// What is wrong with the objects that cannot be read. The compilation tells what is wrong with policies that have no
    /// earlier version.
    fn problems(&self, resources: &Resources) -> Vec<ReportProblem> {
        let kinds: BTreeSet<_> = self.unread.keys().map(|object| object.kind).collect();
        let held = kinds
            .into_iter()
            .flat_map(|kind| resources.objects_of(kind));
        let held: BTreeSet<&ObjectRef> = held.collect();
        let mut problems = Vec::new();
        for (object, of_object) in &self.unread {
            if resources.unread_policies.contains_key(object) {
                continue;
            }
            for problem in of_object {
                let mut problem = problem.clone();
                if held.contains(object) {
                    problem.message = format!("{}; the version before stays", problem.message);
                }
                problems.push(problem);
            }
        }
        let of_sources = self.sources.values();
        problems.extend(of_sources.filter_map(|store| store.problem.clone()));
        problems
    }
}

#[cfg(test)]
mod tests;
