//! What one worker holds of one destination: its addresses as they were last resolved, and the connections to each that
//! wait for a next request.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::name::Port;
use egret_config::snapshot::{BackendSettings, LookupFamily};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::balance::{Candidate, Choice, Standing};
use super::connection::{Connection, Http1, Waiting};
use super::families::Families;
use super::health::Health;
use super::http2::Shared;
use super::pool::{IDLE_TIMEOUT, Pool};
use super::service;
use super::destination_state::Site;
use super::endpoint::Slot;
use crate::clock;
use crate::dns::Resolved;
use crate::dns::family::Family;
use crate::dns::query::Service;
use crate::task;

mod queue;
mod shared;

pub(super) use shared::Dialling;

/// How long a connection may take to become ready after a response has ended.
const SETTLE: Duration = Duration::from_secs(1);

/// How long an HTTPS record that led nowhere is left out.
const WITHOUT_RECORD: Duration = Duration::from_secs(5 * 60);

/// One destination of one worker.
pub(crate) struct Shelf {
    pub(crate) site: Arc<Site>,
    pool: Weak<Pool>,
    settings: RefCell<Arc<BackendSettings>>,
    slots: RefCell<Vec<Slot>>,
    /// The family that is tried first.
    leading: Cell<Family>,
    turn: Cell<usize>,
    /// Connections in use.
    leased: Cell<usize>,
    /// Whether a connection was taken since the last sweep.
    used: Cell<bool>,
    /// Until when its HTTPS record is not gone by.
    plainly_until: Cell<Option<Instant>>,
    /// Requests that wait here for a connection to come back.
    queued: Cell<usize>,
    returned: Notify,
    /// Connections that are being opened and that others wait for.
    dialling: Cell<usize>,
    /// Rung when one of them can be shared, or will not be.
    opened: Notify,
    failed_dials: Cell<u32>,
    /// Whether the last connection over TLS agreed on HTTP/1.1.
    agreed_on_http1: Cell<bool>,
}

/// What a request finds.
pub(crate) struct Taken {
    /// A connection, if one waits at any address that will do.
    pub(crate) connection: Option<Connection>,
    /// An address that should be connected to in the background: the one whose turn it was, if the connection is to
    /// another; or one that has to prove that it works again.
    pub(crate) connect: Option<SocketAddr>,
}

impl Shelf {
    pub(super) fn new(site: Arc<Site>, settings: Arc<BackendSettings>, pool: Weak<Pool>) -> Self {
        Self {
            site,
            pool,
            settings: RefCell::new(settings),
            slots: RefCell::default(),
            leading: Cell::new(Family::V6),
            // Anywhere, so that workers and processes do not all begin with the same address.
            turn: Cell::new(rand::random_range(0..usize::MAX / 2)),
            leased: Cell::default(),
            used: Cell::default(),
            plainly_until: Cell::default(),
            queued: Cell::default(),
            returned: Notify::new(),
            dialling: Cell::default(),
            opened: Notify::new(),
            failed_dials: Cell::default(),
            agreed_on_http1: Cell::default(),
        }
    }

    /// The settings as of the last request.
    pub(crate) fn settings(&self) -> Arc<BackendSettings> {
        Arc::clone(&self.settings.borrow())
    }

    pub(super) fn follow(&self, settings: &Arc<BackendSettings>) {
        let mut current = self.settings.borrow_mut();
        if !Arc::ptr_eq(&current, settings) {
            *current = Arc::clone(settings);
        }
    }

    /// Takes over what the name resolves to.
    pub(crate) fn resolved(
        &self,
        known: &Resolved,
        family: LookupFamily,
        families: &Families,
        now: Instant,
    ) {
        if let Some(first) = known.addresses.first() {
            let leading = families.leading(Family::of(first), now);
            let service = known.service.as_deref();
            let by_record = service
                .filter(|_| self.follows_record(now))
                .and_then(|service| self.by_record(service, &known.addresses, family));
            let sockets = by_record.unwrap_or_else(|| self.plain(&known.addresses));
            self.update(&sockets, leading, now);
        }
    }

    /// Takes over that the name leads nowhere any more.
    pub(crate) fn leads_nowhere(&self, now: Instant) {
        self.update(&[], self.leading.get(), now);
    }

    /// Where the addresses are connected to.
    pub(crate) fn plain(&self, addresses: &[IpAddr]) -> Vec<SocketAddr> {
        service::plain(addresses, self.site.destination.port)
    }

    /// Where the destination is by its HTTPS record, if that says anything for us. The records of a name are those of
    /// port 443; other ports have names of their own for them (RFC 9460 9.1), which are not asked for.
    pub(crate) fn by_record(
        &self,
        service: &Service,
        addresses: &[IpAddr],
        family: LookupFamily,
    ) -> Option<Vec<SocketAddr>> {
        let destination = &self.site.destination;
        let offered = destination.offered();
        (destination.port == Port::HTTPS && service::is_for(service, offered))
            .then(|| service::by_record(service, addresses, family, destination.port))
            .flatten()
    }

    /// Whether the destination's HTTPS record is gone by.
    pub(crate) fn follows_record(&self, now: Instant) -> bool {
        self.plainly_until.get().is_none_or(|until| now >= until)
    }

    /// The record led nowhere, or where not every rule may go: without it for a while, for all rules alike, so that they
    /// do not close each other's connections.
    pub(crate) fn leave_record(&self, now: Instant) {
        self.plainly_until.set(Some(now + WITHOUT_RECORD));
    }

    /// Takes over what the name resolves to, and which family to begin with. Connections to other addresses are closed,
    /// now or when their requests have ended, unless the settings keep them.
    pub(crate) fn update(&self, addresses: &[SocketAddr], leading: Family, now: Instant) {
        self.leading.set(leading);
        let mut slots = self.slots.borrow_mut();
        if slots.iter().map(|slot| &slot.address).eq(addresses) {
            return;
        }
        let mut old = std::mem::take(&mut *slots);
        let health = self.site.health(addresses, now);
        slots.extend(addresses.iter().zip(health).map(|(&address, health)| {
            let known = old.iter().position(|slot| slot.address == address);
            match known {
                Some(index) => old.swap_remove(index),
                None => Slot::new(address, health),
            }
        }));
        if self.settings.borrow().close_on_address_change {
            for slot in &mut old {
                self.left(slot.idle.len());
                self.discard(slot, |_| true);
            }
        } else {
            old.retain(|slot| !slot.is_empty());
            slots.append(&mut old);
        }
    }

    /// Takes a connection to one of the addresses that the request may go to, preferably none of those that it has
    /// tried.
    pub(crate) fn take(
        &self,
        may_go: impl Fn(SocketAddr) -> bool,
        tried: &[SocketAddr],
        now: Instant,
    ) -> Taken {
        self.used.set(true);
        let mut slots = self.slots.borrow_mut();
        if let [only] = slots.as_mut_slice() {
            let connection = may_go(only.address).then(|| self.pop(only)).flatten();
            return Taken {
                connection,
                connect: None,
            };
        }
        let candidates = slots.iter().enumerate();
        let mut candidates: Vec<_> = candidates
            .map(|(index, slot)| slot.candidate(index, tried, now))
            .collect();
        candidates.retain(|one| may_go(slots[one.address].address));
        let unproven = candidates
            .iter()
            .find(|one| one.standing == Standing::Unproven && !slots[one.address].warming)
            .map(|one| slots[one.address].address);
        let Some(first) = self.choose(|choice| choice.first(&candidates)) else {
            return Taken {
                connection: None,
                connect: None,
            };
        };
        if let Some(connection) = self.pop(&mut slots[first]) {
            self.next_turn();
            return Taken {
                connection: Some(connection),
                connect: unproven,
            };
        }
        // No worse than the one whose turn it is: better a new connection there than an open one to what is ill.
        let best = candidates.iter().map(|one| one.standing).min();
        candidates.retain(|one| Some(one.standing) == best && best != Some(Standing::Tried));
        let mut others = candidates.iter();
        let connection = others.find_map(|one| self.pop(&mut slots[one.address]));
        let in_turn = connection.as_ref().map(|_| {
            self.next_turn();
            slots[first].address
        });
        Taken {
            connection,
            connect: unproven.or(in_turn),
        }
    }

    /// The order in which to connect to `addresses`, each in its turn.
    pub(crate) fn order<A: Copy + PartialEq>(
        &self,
        addresses: &[A],
        socket: impl Fn(A) -> SocketAddr,
        tried: &[SocketAddr],
        now: Instant,
    ) -> VecDeque<A> {
        let slots = self.slots.borrow();
        let candidate = |&address: &A| {
            let slot = slots.iter().find(|slot| slot.address == socket(address));
            slot.map_or_else(
                // It is not in the latest answer any more.
                || Candidate::unknown(address),
                |slot| slot.candidate(address, tried, now),
            )
        };
        let candidates: Vec<_> = addresses.iter().map(candidate).collect();
        let order = self.choose(|choice| choice.order(&candidates));
        self.next_turn();
        order
    }

    /// How the destination as a whole does, as one of several hosts of a backend.
    pub(super) fn as_candidate<A>(&self, address: A, now: Instant) -> Candidate<A> {
        let slots = self.slots.borrow();
        let standing = slots.iter().map(|slot| slot.health.standing(now)).min();
        Candidate {
            address,
            family: self.leading.get(),
            standing: standing.unwrap_or(Standing::Well),
            active: slots.iter().map(|slot| slot.health.active()).sum(),
        }
    }

    /// Whether there is an address that the request has not been to.
    pub(crate) fn has_other_than(&self, tried: &[SocketAddr]) -> bool {
        let slots = self.slots.borrow();
        slots.iter().any(|slot| !tried.contains(&slot.address))
    }

    /// How one of the addresses does.
    pub(crate) fn health(&self, address: SocketAddr, now: Instant) -> Arc<Health> {
        let slots = self.slots.borrow();
        let slot = slots.iter().find(|slot| slot.address == address);
        slot.map_or_else(
            // It is not in the latest answer any more.
            || Arc::new(Health::new(now)),
            |slot| Arc::clone(&slot.health),
        )
    }

    /// Begins to connect to an address that no request waits for. False if that is being done already.
    pub(crate) fn begin_warming(&self, address: SocketAddr) -> bool {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.iter_mut().find(|slot| slot.address == address);
        slot.is_some_and(|slot| !std::mem::replace(&mut slot.warming, true))
    }

    pub(crate) fn end_warming(&self, address: SocketAddr) {
        let mut slots = self.slots.borrow_mut();
        if let Some(slot) = slots.iter_mut().find(|slot| slot.address == address) {
            slot.warming = false;
        }
    }

    /// A connection that can take a next request.
    pub(crate) fn put(&self, connection: Http1) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let wanted_elsewhere = !self.is_queued_for() && self.site.limits.is_queued_for();
        if self.is_worn(connection.served) || wanted_elsewhere || !pool.has_room() {
            return;
        }
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = self.slot_of(&mut slots, connection.peer, &connection.health) else {
            return;
        };
        slot.idle.push(Waiting {
            connection,
            since: clock::now(),
        });
        pool.came();
        if self.is_queued_for() {
            self.returned.notify_one();
        }
    }

    /// The place of a connection to this address, unless such are not kept any more.
    fn slot_of<'a>(
        &self,
        slots: &'a mut Vec<Slot>,
        peer: SocketAddr,
        health: &Arc<Health>,
    ) -> Option<&'a mut Slot> {
        let at = slots.iter().position(|slot| slot.address == peer);
        if at.is_none() {
            if self.settings.borrow().close_on_address_change {
                return None;
            }
            slots.push(Slot::new(peer, Arc::clone(health)));
        }
        let at = at.unwrap_or(slots.len() - 1);
        Some(&mut slots[at])
    }

    /// Whether a connection has served as many requests as it may.
    fn is_worn(&self, served: u32) -> bool {
        let most = self.settings.borrow().max_requests_per_connection;
        most.is_some_and(|most| served >= most)
    }

    /// The same once it can: it is new, or a request's body is still being sent. One that is shared needs no putting
    /// back: the pool has it, or not.
    pub(crate) fn put_when_ready(self: &Rc<Self>, connection: Connection) {
        let Connection::Http1(mut connection) = connection else {
            return;
        };
        if connection.sender.is_ready() {
            self.put(connection);
        } else if !connection.sender.is_closed() {
            let shelf = Rc::clone(self);
            task::spawn(async move {
                let ready = poll_fn(|cx| connection.sender.poll_ready(cx));
                if matches!(timeout(SETTLE, ready).await, Ok(Ok(()))) {
                    shelf.put(connection);
                }
            });
        }
    }

    pub(super) fn lent(&self) {
        self.leased.set(self.leased.get() + 1);
        self.used.set(true);
    }

    pub(super) fn came_back(&self) {
        self.leased.set(self.leased.get() - 1);
    }

    /// Whether connections are out, or one was taken since the last time.
    pub(super) fn was_used(&self) -> bool {
        self.used.replace(false) || self.leased.get() > 0
    }

    pub(super) fn has_idle(&self) -> bool {
        self.slots.borrow().iter().any(|slot| !slot.is_empty())
    }

    pub(super) fn sweep(&self, now: Instant) {
        let limit = self.settings.borrow().idle_timeout.unwrap_or(IDLE_TIMEOUT);
        for slot in self.slots.borrow_mut().iter_mut() {
            let gone: Vec<_> = slot
                .idle
                .extract_if(.., |one| {
                    now - one.since >= limit || one.connection.sender.is_closed()
                })
                .collect();
            self.left(gone.len());
            self.discard(slot, |one| {
                let waits = one.is_idle() && now - one.idle_since.get() >= limit;
                waits || one.is_closed()
            });
        }
    }

    /// Closes what waits.
    pub(super) fn clear(&self) {
        for slot in self.slots.borrow_mut().iter_mut() {
            self.left(std::mem::take(&mut slot.idle).len());
            self.discard(slot, Shared::is_idle);
        }
    }

    fn pop(&self, slot: &mut Slot) -> Option<Connection> {
        while let Some(Waiting { connection, .. }) = slot.idle.pop() {
            self.left(1);
            if connection.sender.is_ready() {
                return Some(Connection::Http1(connection));
            }
        }
        self.stream_on(slot).map(Connection::Http2)
    }

    fn left(&self, count: usize) {
        if count > 0
            && let Some(pool) = self.pool.upgrade()
        {
            pool.left(count);
        }
    }

    fn next_turn(&self) {
        self.turn.set(self.turn.get().wrapping_add(1));
    }

    fn choose<T>(&self, with: impl FnOnce(&mut Choice<'_>) -> T) -> T {
        with(&mut Choice {
            load_balancing: self.settings.borrow().load_balancing,
            leading: self.leading.get(),
            turn: self.turn.get(),
            draw: &mut |below| rand::random_range(0..below),
        })
    }
}
