//! The HTTP/2 connections of a pool, and how requests wait for one that is still being opened.

use std::rc::Rc;

use egret_config::snapshot::{HttpVersion, Scheme};

use super::HostPool;
use crate::clock;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::http2::{Http2Connection, Http2Stream};

/// A dial whose connection other requests may wait to share.
pub(in crate::upstream) struct SharedDial(Rc<HostPool>);

impl HostPool {
    /// Whether a new connection can be shared, as far as is known. A version that is to be negotiated is assumed to be
    /// HTTP/2 until it was not: a request that waits in vain does so for one handshake, once.
    fn shares(&self) -> bool {
        let destination = &self.state.destination;
        match destination.version {
            HttpVersion::Http1 => false,
            HttpVersion::Http2 => true,
            HttpVersion::Auto => {
                destination.scheme == Scheme::Https && !self.negotiated_http1.get()
            }
        }
    }

    /// Records which version the last connection negotiated.
    pub(in crate::upstream) fn negotiated(&self, http2: bool) {
        self.negotiated_http1.set(!http2);
    }

    /// Begins to open a connection, if others may wait for it.
    pub(in crate::upstream) fn begin_shared_dial(self: &Rc<Self>) -> Option<Rc<SharedDial>> {
        self.shares().then(|| {
            self.dialing.set(self.dialing.get() + 1);
            Rc::new(SharedDial(Rc::clone(self)))
        })
    }

    /// Records that a dial failed, so that waiting requests dial for themselves.
    pub(in crate::upstream) fn shared_dial_failed(&self) {
        self.failed_dials
            .set(self.failed_dials.get().wrapping_add(1));
    }

    /// Waits until a dial ends. Returns false if there is none to wait for, or it failed: then all waiting requests
    /// dial for themselves, and not one after the other.
    pub(in crate::upstream) async fn wait_for_dial(&self) -> bool {
        if self.dialing.get() == 0 || !self.shares() {
            return false;
        }
        let failed = self.failed_dials.get();
        self.dial_ended.notified().await;
        self.failed_dials.get() == failed
    }

    /// Adds a connection to the pool.
    pub(in crate::upstream) fn share(&self, shared: Rc<Http2Connection>) {
        let Some(idle_count) = self.idle_count.upgrade() else {
            return;
        };
        let idle = shared.is_idle();
        if shared.is_closed()
            || self.has_reached_max_requests(shared.served())
            || (idle && !idle_count.has_room())
        {
            return;
        }
        let mut endpoints = self.endpoints.borrow_mut();
        let Some(endpoint) = self.endpoint_for(&mut endpoints, shared.peer(), shared.health())
        else {
            return;
        };
        shared.pooled.set(true);
        if idle {
            shared.idle_since.set(clock::now());
            idle_count.add();
        }
        endpoint.shared.push(shared);
        if self.is_queued_for() {
            self.returned.notify_waiters();
        }
    }

    /// Opens a stream on a connection to this address that has room for one.
    pub(super) fn open_stream(&self, endpoint: &mut Endpoint) -> Option<Http2Stream> {
        if endpoint.shared.is_empty() {
            return None;
        }
        self.unpool(endpoint, Http2Connection::is_closed);
        let at = endpoint
            .shared
            .iter()
            .position(|shared| shared.has_room())?;
        let shared = Rc::clone(&endpoint.shared[at]);
        if shared.is_idle() {
            self.idle_removed(1);
        }
        let stream = Http2Stream::new(shared);
        let shared = stream.connection();
        if self.has_reached_max_requests(shared.served()) {
            shared.pooled.set(false);
            endpoint.shared.remove(at);
        }
        Some(stream)
    }

    /// Records that a stream of a pooled connection has ended.
    pub(in crate::upstream) fn stream_ended(&self, shared: &Rc<Http2Connection>) {
        let Some(idle_count) = self.idle_count.upgrade() else {
            return;
        };
        // Another worker may open a connection once all streams of this one have ended, so it takes no new streams.
        let is_wanted_elsewhere = !self.is_queued_for() && self.state.limits.is_queued_for();
        let mut keep = !is_wanted_elsewhere;
        if shared.is_idle() {
            keep &= idle_count.has_room();
            shared.idle_since.set(clock::now());
            idle_count.add();
        }
        if !keep {
            let mut endpoints = self.endpoints.borrow_mut();
            let endpoint = endpoints
                .iter_mut()
                .find(|endpoint| endpoint.address == shared.peer());
            if let Some(endpoint) = endpoint {
                self.unpool(endpoint, |other| std::ptr::eq(other, &**shared));
            }
        }
        if self.is_queued_for() {
            self.returned.notify_one();
        }
    }

    /// Removes connections from the pool. They close when their last stream ends.
    pub(super) fn unpool(&self, endpoint: &mut Endpoint, gone: impl Fn(&Http2Connection) -> bool) {
        let mut idle = 0;
        for shared in endpoint.shared.extract_if(.., |shared| gone(shared)) {
            shared.pooled.set(false);
            idle += usize::from(shared.is_idle());
        }
        self.idle_removed(idle);
    }
}

impl Drop for SharedDial {
    fn drop(&mut self) {
        let host_pool = &self.0;
        host_pool.dialing.set(host_pool.dialing.get() - 1);
        host_pool.dial_ended.notify_waiters();
    }
}
