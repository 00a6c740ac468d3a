//! The connections of a shelf that many requests share, and how they come to one that is still being opened.

use std::rc::Rc;

use egret_config::snapshot::{HttpVersion, Scheme};

use super::Shelf;
use crate::clock;
use crate::upstream::http2::{OpenStream, Shared};
use crate::upstream::endpoint::Slot;

/// A connection that is being opened, and that others than who opens it may wait for.
pub(in crate::upstream) struct Dialling(Rc<Shelf>);

impl Shelf {
    /// Whether a connection can be shared, as far as is known. What is agreed on over TLS is taken for HTTP/2 until it
    /// was not: who then waited in vain did so once, and for one handshake.
    fn shares(&self) -> bool {
        let destination = &self.site.destination;
        match destination.version {
            HttpVersion::Http1 => false,
            HttpVersion::Http2 => true,
            HttpVersion::Auto => destination.scheme == Scheme::Https && !self.agreed_on_http1.get(),
        }
    }

    /// The last connection agreed on this.
    pub(in crate::upstream) fn agreed_on(&self, http2: bool) {
        self.agreed_on_http1.set(!http2);
    }

    /// Begins to open a connection, if others may wait for it.
    pub(in crate::upstream) fn begin_dialling(self: &Rc<Self>) -> Option<Rc<Dialling>> {
        self.shares().then(|| {
            self.dialling.set(self.dialling.get() + 1);
            Rc::new(Dialling(Rc::clone(self)))
        })
    }

    /// Whoever waits has to see for himself.
    pub(in crate::upstream) fn dialling_failed(&self) {
        self.failed_dials
            .set(self.failed_dials.get().wrapping_add(1));
    }

    /// Waits until one that is being opened can be shared, or will not. False if there is none to wait for, or opening it
    /// failed: then all who waited connect for themselves, and not one after the other.
    pub(in crate::upstream) async fn dialled(&self) -> bool {
        if self.dialling.get() == 0 || !self.shares() {
            return false;
        }
        let failed = self.failed_dials.get();
        self.opened.notified().await;
        self.failed_dials.get() == failed
    }

    /// Gives a connection to requests from now on.
    pub(in crate::upstream) fn share(&self, shared: Rc<Shared>) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let idle = shared.is_idle();
        if shared.is_closed() || self.is_worn(shared.served()) || (idle && !pool.has_room()) {
            return;
        }
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = self.slot_of(&mut slots, shared.peer(), shared.health()) else {
            return;
        };
        shared.pooled.set(true);
        if idle {
            shared.idle_since.set(clock::now());
            pool.came();
        }
        slot.shared.push(shared);
        if self.is_queued_for() {
            self.returned.notify_waiters();
        }
    }

    /// A stream of a connection to this address that has room for one.
    pub(super) fn stream_on(&self, slot: &mut Slot) -> Option<OpenStream> {
        if slot.shared.is_empty() {
            return None;
        }
        self.discard(slot, Shared::is_closed);
        let at = slot.shared.iter().position(|shared| shared.has_room())?;
        let shared = Rc::clone(&slot.shared[at]);
        if shared.is_idle() {
            self.left(1);
        }
        let stream = OpenStream::new(shared);
        let shared = stream.connection();
        if self.is_worn(shared.served()) {
            shared.pooled.set(false);
            slot.shared.remove(at);
        }
        Some(stream)
    }

    /// A connection that the pool has carries one stream less.
    pub(in crate::upstream) fn stream_ended(&self, shared: &Rc<Shared>) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        // Another worker may open one once all that is on this has ended, so nothing new comes on it.
        let wanted_elsewhere = !self.is_queued_for() && self.site.limits.is_queued_for();
        let mut keep = !wanted_elsewhere;
        if shared.is_idle() {
            keep &= pool.has_room();
            shared.idle_since.set(clock::now());
            pool.came();
        }
        if !keep {
            let mut slots = self.slots.borrow_mut();
            let slot = slots.iter_mut().find(|slot| slot.address == shared.peer());
            if let Some(slot) = slot {
                self.discard(slot, |other| std::ptr::eq(other, &**shared));
            }
        }
        if self.is_queued_for() {
            self.returned.notify_one();
        }
    }

    /// Gives some to no request any more. They close when nothing is on them.
    pub(super) fn discard(&self, slot: &mut Slot, gone: impl Fn(&Shared) -> bool) {
        let mut idle = 0;
        for shared in slot.shared.extract_if(.., |shared| gone(shared)) {
            shared.pooled.set(false);
            idle += usize::from(shared.is_idle());
        }
        self.left(idle);
    }
}

impl Drop for Dialling {
    fn drop(&mut self) {
        let shelf = &self.0;
        shelf.dialling.set(shelf.dialling.get() - 1);
        shelf.opened.notify_waiters();
    }
}
