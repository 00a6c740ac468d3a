//! Which queries are in the air, and who waits for them.

use std::collections::HashMap;

use egret_config::name::DnsName;
use egret_config::snapshot::ResolverSettings;

#[cfg(doc)]
use super::Cache;

/// A query that has to be made. It comes back through [`Cache::complete`], whatever happens.
#[derive(Debug)]
#[must_use = "a flight that is dropped blocks its name for ever"]
pub struct Flight<W = ()> {
    pub(super) name: DnsName,
    pub(super) number: u64,
    /// Whether HTTPS records are to be asked for beside the addresses.
    pub https: bool,
    /// What those who wait for it share.
    pub waiters: W,
}

/// The part of a flight that is still in the air after its first addresses have landed. It comes back through
/// [`Cache::end`], whatever happens, after what it brings has gone through [`Cache::merge`] and [`Cache::merge_service`].
#[derive(Debug)]
#[must_use = "what is late takes up room until it comes back"]
pub struct Late {
    pub(super) name: DnsName,
    pub(super) number: u64,
}

#[derive(Debug)]
pub(super) struct Flights<W> {
    airborne: HashMap<DnsName, Airborne<W>>,
    /// Those of which a part is late, by their number; with who waits, if addresses are.
    late: HashMap<u64, Option<W>>,
    /// Those that somebody waits for.
    pending: usize,
    /// Those that renew what is served meanwhile.
    refreshing: usize,
    flown: u64,
}

#[derive(Debug)]
struct Airborne<W> {
    waiters: W,
    /// Counted in `refreshing`, else in `pending`.
    refresh: bool,
    /// Whether the answer is wanted, by a request or by [`Cache::keep`], so that it is kept even if the name was evicted
    /// or flushed meanwhile.
    wanted: bool,
}

impl<W> Flight<W> {
    /// The name to ask for.
    #[must_use]
    pub fn name(&self) -> &DnsName {
        &self.name
    }
}

impl<W: Clone + Default> Flights<W> {
    pub(super) fn new() -> Self {
        Self {
            airborne: HashMap::new(),
            late: HashMap::new(),
            pending: 0,
            refreshing: 0,
            flown: 0,
        }
    }

    /// One that a request waits for; `None` when there are as many as allowed.
    pub(super) fn start(
        &mut self,
        name: &DnsName,
        https: bool,
        settings: &ResolverSettings,
    ) -> Option<Flight<W>> {
        (self.pending < settings.max_pending).then(|| self.depart(name, https, false))
    }

    /// One that nobody waits for. `None` when one for this name is in the air, or when there are as many as allowed,
    /// counted apart from those that requests wait for.
    pub(super) fn renew(
        &mut self,
        name: &DnsName,
        https: bool,
        settings: &ResolverSettings,
    ) -> Option<Flight<W>> {
        let room = self.refreshing < settings.max_pending;
        (room && !self.contains(name)).then(|| self.depart(name, https, true))
    }

    fn depart(&mut self, name: &DnsName, https: bool, refresh: bool) -> Flight<W> {
        self.flown += 1;
        let waiters = W::default();
        let airborne = Airborne {
            waiters: waiters.clone(),
            refresh,
            wanted: !refresh,
        };
        *self.running(refresh) += 1;
        self.airborne.insert(name.clone(), airborne);
        Flight {
            name: name.clone(),
            number: self.flown,
            https,
            waiters,
        }
    }

    /// Wants the answer of the one in the air, if there is one.
    pub(super) fn join(&mut self, name: &DnsName) -> Option<&W> {
        let airborne = self.airborne.get_mut(name)?;
        airborne.wanted = true;
        Some(&airborne.waiters)
    }

    /// Whether anybody wants the answer.
    pub(super) fn is_wanted(&self, name: &DnsName) -> bool {
        self.airborne
            .get(name)
            .is_some_and(|airborne| airborne.wanted)
    }

    /// It is in the air no more. Returns whether anybody wanted the answer.
    pub(super) fn arrive(&mut self, name: &DnsName) -> bool {
        let Some(airborne) = self.airborne.remove(name) else {
            return false;
        };
        *self.running(airborne.refresh) -= 1;
        airborne.wanted
    }

    /// A part of it is late: addresses, of which those who come meanwhile are told, or HTTPS records alone. `None` when
    /// as many as allowed are: what a server never answers would otherwise pile up, because nobody waits for it.
    pub(super) fn delay(
        &mut self,
        flight: Flight<W>,
        addresses: bool,
        settings: &ResolverSettings,
    ) -> Option<Late> {
        if self.late.len() >= settings.max_pending {
            return None;
        }
        let Flight { name, number, .. } = flight;
        self.late
            .insert(number, addresses.then_some(flight.waiters));
        Some(Late { name, number })
    }

    /// What those share who wait for addresses of this flight that are late.
    pub(super) fn late(&self, number: u64) -> Option<&W> {
        self.late.get(&number)?.as_ref()
    }

    /// No addresses of it are late any more.
    pub(super) fn complete(&mut self, late: &Late) {
        if let Some(waiters) = self.late.get_mut(&late.number) {
            *waiters = None;
        }
    }

    /// Nothing of it is late any more.
    pub(super) fn end(&mut self, late: Late) {
        self.late.remove(&late.number);
    }

    pub(super) fn contains(&self, name: &DnsName) -> bool {
        self.airborne.contains_key(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &DnsName> {
        self.airborne.keys()
    }

    /// Those that requests wait for, refreshes, and those of which a part is late.
    pub(super) fn count(&self) -> (usize, usize, usize) {
        (self.pending, self.refreshing, self.late.len())
    }

    fn running(&mut self, refresh: bool) -> &mut usize {
        if refresh {
            &mut self.refreshing
        } else {
            &mut self.pending
        }
    }
}
