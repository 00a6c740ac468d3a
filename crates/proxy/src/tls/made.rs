//! What is made of settings and kept as long as they are configured: costly to make, and with a memory of sessions.

use std::sync::{Arc, Mutex, PoisonError};

/// What was made, by the settings it was made of.
pub(super) struct Memo<S, M>(Mutex<Vec<(Arc<S>, M)>>);

impl<S, M> Default for Memo<S, M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S: PartialEq, M: Clone> Memo<S, M> {
    /// What belongs to these settings; made if it is not there.
    pub(super) fn get(&self, settings: &Arc<S>, make: impl FnOnce(&S) -> M) -> M {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, made)) = all.iter_mut().find(|(known, _)| known == settings) {
            // The value of the current configuration, so that the next comparison is one of pointers, and those that
            // nobody else holds are known to be of a former one.
            known.clone_from(settings);
            return made.clone();
        }
        let made = make(settings);
        all.retain(|(known, _)| Arc::strong_count(known) > 1);
        all.push((Arc::clone(settings), made.clone()));
        made
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
