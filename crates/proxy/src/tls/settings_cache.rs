//! A cache of values that are made from settings and kept as long as the settings are configured: they are costly to
//! make, and hold TLS sessions.

use std::sync::{Arc, Mutex, PoisonError};

/// The values, by the settings that they were made from.
pub(super) struct SettingsCache<S, V>(Mutex<Vec<(Arc<S>, V)>>);

impl<S, V> Default for SettingsCache<S, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S: PartialEq, V: Clone> SettingsCache<S, V> {
    /// The value for these settings, which is made if there is none.
    pub(super) fn get(&self, settings: &Arc<S>, make: impl FnOnce(&S) -> V) -> V {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, value)) = all.iter_mut().find(|(known, _)| known == settings) {
            // Takes the `Arc` of the current configuration, so that the next comparison is one of pointers, and
            // settings that nobody else holds are known to belong to a former configuration.
            known.clone_from(settings);
            return value.clone();
        }
        let value = make(settings);
        all.retain(|(known, _)| Arc::strong_count(known) > 1);
        all.push((Arc::clone(settings), value.clone()));
        value
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
