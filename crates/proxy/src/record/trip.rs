//! What sending a request to an upstream found out about the way there.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Duration;

use egret_config::name::{Host, Port};
use egret_config::resources::ObjectRef;

use super::{RetryEnd, UpstreamFacts};
use crate::dns::AnswerSource;
use crate::plan::session::SessionPlace;

/// The way of one request to its upstream, filled in by whoever sends it. Of several attempts it tells the last.
#[derive(Debug, Default)]
pub(crate) struct Trip {
    destination: RefCell<Option<(Host, Port)>>,
    resolution: Cell<Option<(AnswerSource, Duration)>>,
    connect: Cell<Option<Duration>>,
    tls: Cell<Option<Duration>>,
    upstream: Cell<Option<SocketAddr>>,
    reused: Cell<bool>,
    retries: Cell<u32>,
    facts: Cell<UpstreamFacts>,
    audited_by: RefCell<Option<ObjectRef>>,
}

/// Where a request went, apart from how long that took.
#[derive(Debug)]
pub(crate) struct TripPosition {
    destination: Option<(Host, Port)>,
    upstream: Option<SocketAddr>,
    reused: bool,
    facts: UpstreamFacts,
}

impl TripPosition {
    /// The host and port that the request was sent to.
    pub(crate) const fn destination(&self) -> Option<&(Host, Port)> {
        self.destination.as_ref()
    }
}

impl Trip {
    /// Where the request went.
    pub(crate) fn position(&self) -> TripPosition {
        TripPosition {
            destination: self.destination(),
            upstream: self.upstream.get(),
            reused: self.reused.get(),
            facts: self.facts.get(),
        }
    }

    /// The response is from there, wherever the request was to be sent since.
    pub(crate) fn returns_to(&self, position: TripPosition) {
        let TripPosition {
            destination,
            upstream,
            reused,
            facts,
        } = position;
        self.destination.replace(destination);
        self.upstream.set(upstream);
        self.reused.set(reused);
        self.facts.set(facts);
    }

    /// The request is to be sent to this host.
    pub(crate) fn heads_for(&self, host: &Host, port: Port) {
        self.destination.replace(Some((host.clone(), port)));
    }

    /// The name was resolved, or could not be, after the request had waited for `took`.
    pub(crate) fn resolved(&self, how: AnswerSource, took: Duration) {
        self.resolution.set(Some((how, took)));
    }

    /// A TCP connection was made, or could not be, after the request had waited for `took`.
    pub(crate) fn connected(&self, took: Duration) {
        self.connect.set(Some(took));
    }

    /// The TLS handshake with the upstream ended, either way, after the request had waited for `took`.
    pub(crate) fn secured(&self, took: Duration) {
        self.tls.set(Some(took));
    }

    /// The request has a connection to this address.
    pub(crate) fn has_connection(&self, address: SocketAddr, reused: bool) {
        self.upstream.set(Some(address));
        self.reused.set(reused);
        self.update(|facts| facts.is_connected = true);
    }

    /// The connection that the request has: the gateway's end of it, and the protocol that is spoken there.
    pub(crate) fn speaks(&self, protocol: &'static str, local: Option<SocketAddr>) {
        self.update(|facts| {
            facts.protocol = Some(protocol);
            facts.local = local;
        });
    }

    /// The upstream has answered, with a response that is passed on.
    pub(crate) fn answered(&self) {
        self.update(|facts| facts.has_answered = true);
    }

    /// The request is not retried once more, although the policy asks for it.
    pub(crate) fn gave_up(&self, why: RetryEnd) {
        self.update(|facts| facts.last_retry = Some(why));
    }

    fn update(&self, change: impl FnOnce(&mut UpstreamFacts)) {
        let mut facts = self.facts.get();
        change(&mut facts);
        self.facts.set(facts);
    }

    /// The request got no connection to this address, which was denied, could not be connected to, or failed
    /// in the TLS handshake.
    pub(crate) fn turned_away_from(&self, address: SocketAddr) {
        self.upstream.set(Some(address));
        self.reused.set(false);
        self.update(|facts| {
            *facts = UpstreamFacts {
                last_retry: facts.last_retry,
                ..UpstreamFacts::default()
            }
        });
    }

    /// The request is being retried.
    pub(crate) fn retried(&self) {
        self.retries.set(self.retries.get() + 1);
    }

    /// A policy in audit mode would have denied the address.
    pub(crate) fn audited_by(&self, policy: &ObjectRef) {
        self.audited_by.replace(Some(policy.clone()));
    }

    /// The host and port that the request is to be sent to.
    pub(crate) fn destination(&self) -> Option<(Host, Port)> {
        self.destination.borrow().clone()
    }

    /// The host and port that the request was last to be sent to.
    pub(crate) fn take_destination(&self) -> Option<(Host, Port)> {
        self.destination.take()
    }

    /// How the name was resolved, and how long that took.
    pub(crate) fn resolution(&self) -> Option<(AnswerSource, Duration)> {
        self.resolution.get()
    }

    /// How long connecting took.
    pub(crate) fn connect_duration(&self) -> Option<Duration> {
        self.connect.get()
    }

    /// How long the TLS handshake took.
    pub(crate) fn tls_duration(&self) -> Option<Duration> {
        self.tls.get()
    }

    /// The address of the upstream.
    pub(crate) fn upstream(&self) -> Option<SocketAddr> {
        self.upstream.get()
    }

    /// Where the response comes from, if an upstream has answered.
    pub(crate) fn place(&self) -> Option<SessionPlace> {
        let (host, port) = self.destination()?;
        let address = self.upstream.get()?;
        self.facts.get().has_answered.then_some(SessionPlace {
            address,
            host,
            port,
        })
    }

    /// Whether the connection came from the pool.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused.get()
    }

    /// How often the request was retried.
    pub(crate) fn retries(&self) -> u32 {
        self.retries.get()
    }

    /// What only configured formats tell.
    pub(crate) fn facts(&self) -> UpstreamFacts {
        self.facts.get()
    }

    /// The policy in audit mode that would have denied the address.
    pub(crate) fn take_audited_by(&self) -> Option<ObjectRef> {
        self.audited_by.take()
    }
}
