//! Saves the caches of all resolvers to the state folder.

use std::time::{Duration, SystemTime};

use egret_config::snapshot::ResolverId;

use super::ResolverSet;
use super::saved::system_servers;
use crate::dns::store::{CacheOwner, MAX_NAMES, encode};

/// How often the caches are saved, if they have changed.
pub(crate) const SAVE_INTERVAL: Duration = Duration::from_secs(60);

impl ResolverSet {
    /// Does what [`ResolverSet::save`] does, unless the caches are as they were saved last.
    pub(crate) fn save_if_changed(&self, wall: SystemTime) {
        if let Some(saved) = &self.saved
            && *saved.revisions() != self.revisions()
        {
            self.save(wall);
        }
    }

    /// Writes the caches to the state folder, if there is one; `wall` is the time. Blocks. A failure is logged and
    /// counted.
    pub(crate) fn save(&self, wall: SystemTime) {
        let Some(saved) = &self.saved else { return };
        let mut saved_revisions = saved.revisions();
        let all = self.all();
        // Read before the caches are, so that what changes meanwhile is saved the next time.
        let revisions = self.revisions();
        let system = system_servers();
        let owners = all.iter().map(|(id, resolver)| {
            let owner = CacheOwner::new(id, &resolver.settings(), &system);
            (owner, resolver.saved_entries(MAX_NAMES))
        });
        let owners: Vec<_> = owners.collect();
        let names = owners.iter().flat_map(|(owner, names)| {
            let names = names.iter().cloned();
            names.map(move |entry| (owner, entry))
        });
        match saved.store.save(&encode(names.collect(), wall)) {
            Ok(()) => *saved_revisions = revisions,
            Err(error) => {
                saved.failures.increment();
                let path = saved.store.path();
                tracing::warn!("cannot write {}: {error}", path.display());
            }
        }
    }

    fn revisions(&self) -> Vec<(ResolverId, u64)> {
        let all = self.all();
        let revisions = all
            .iter()
            .map(|(id, resolver)| (id.clone(), resolver.revision()));
        revisions.collect()
    }

    /// How many times the caches could not be written.
    #[must_use]
    pub(crate) fn save_failures(&self) -> u64 {
        let saved = self.saved.as_ref();
        saved.map_or(0, |saved| saved.failures.get())
    }
}
