//! One worker's connection pool for one destination: its resolved addresses and the idle connections to each.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egret_config::name::Port;
use egret_config::snapshot::{BackendSettings, LookupFamily, SlowStart};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::balance::{EndpointCandidate, EndpointChoice, EndpointStatus, FULL_SHARE};
use super::connection::{Http1Connection, IdleConnection, UpstreamConnection};
use super::destination_state::DestinationState;
use super::endpoint::{AddressRequest, Endpoint};
use super::families::FamilyHistory;
use super::health::EndpointHealth;
use super::http2::Http2Connection;
use super::idle_count::IdleCount;
use super::service;
use crate::clock;
use crate::dns::ResolvedName;
use crate::dns::family::AddressFamily;
use crate::dns::query::HttpsRecord;
use crate::plan::destination::{AnnouncedClient, DestinationKey};
use crate::proxy_protocol;
use crate::task;

mod queue;
mod shared;

pub(super) use shared::SharedDial;

/// How long a connection may take to become ready after the end of a response.
const SETTLE: Duration = Duration::from_secs(1);

/// How long a connection may be idle, unless the destination's settings say otherwise.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an HTTPS record that led nowhere is ignored.
const RECORD_IGNORED_FOR: Duration = Duration::from_secs(5 * 60);

/// One worker's connection pool for one destination.
pub(crate) struct HostPool {
    pub(crate) state: Arc<DestinationState>,
    /// What connections tell about the client, whom they are for alone.
    announced: Option<AnnouncedClient>,
    idle_count: Weak<IdleCount>,
    settings: RefCell<Arc<BackendSettings>>,
    endpoints: RefCell<Vec<Endpoint>>,
    /// The endpoints of a Service that `endpoints` was made of.
    followed: RefCell<Option<Arc<[SocketAddr]>>>,
    /// The family that is tried first.
    leading: Cell<AddressFamily>,
    turn: Cell<usize>,
    /// Connections in use.
    leased: Cell<usize>,
    /// Whether a connection was leased since the last sweep.
    used: Cell<bool>,
    /// Ignore the HTTPS record until then.
    https_record_ignored_until: Cell<Option<Instant>>,
    /// Requests of this worker that wait for a connection to be returned.
    queued: Cell<usize>,
    returned: Notify,
    /// Connections that are being opened and that other requests wait for.
    dialing: Cell<usize>,
    /// Notified when a dial ends, whether or not its connection can be shared.
    dial_ended: Notify,
    failed_dials: Cell<u32>,
    /// Whether the last TLS connection negotiated HTTP/1.1.
    negotiated_http1: Cell<bool>,
    /// Whether the worker's pool has forgotten this one, although requests may still hold it.
    forgotten: Cell<bool>,
}

/// The outcome of a look into the pool.
pub(crate) struct TakenConnection {
    /// An idle connection to an acceptable address, if there is one.
    pub(crate) connection: Option<UpstreamConnection>,
    /// An address to connect to in the background: the one whose turn it was, if the connection is to another; or one
    /// that has to prove that it works again.
    pub(crate) connect: Option<SocketAddr>,
}

impl HostPool {
    pub(super) fn new(
        (state, announced): (Arc<DestinationState>, Option<AnnouncedClient>),
        settings: Arc<BackendSettings>,
        idle_count: Weak<IdleCount>,
    ) -> Self {
        Self {
            state,
            announced,
            idle_count,
            settings: RefCell::new(settings),
            endpoints: RefCell::default(),
            followed: RefCell::default(),
            leading: Cell::new(AddressFamily::V6),
            // Random, so that workers and processes do not all begin with the same address.
            turn: Cell::new(rand::random_range(0..usize::MAX / 2)),
            leased: Cell::default(),
            used: Cell::default(),
            https_record_ignored_until: Cell::default(),
            queued: Cell::default(),
            returned: Notify::new(),
            dialing: Cell::default(),
            dial_ended: Notify::new(),
            failed_dials: Cell::default(),
            negotiated_http1: Cell::default(),
            forgotten: Cell::default(),
        }
    }

    /// Whether this is where connections to a destination are found, and not one that is for one client alone.
    pub(super) fn is_pool_of(&self, destination: &DestinationKey) -> bool {
        !self.forgotten.get() && self.announced.is_none() && *self.state.destination == *destination
    }

    /// The worker's pool forgets this one.
    pub(super) fn forget(&self) {
        self.forgotten.set(true);
    }

    /// The PROXY protocol header that connections begin with, if they have one.
    pub(super) fn proxy_header(&self) -> Option<Vec<u8>> {
        let AnnouncedClient { version, client } = self.announced?;
        Some(proxy_protocol::write(version, client))
    }

    /// The settings as of the last request.
    pub(crate) fn settings(&self) -> Arc<BackendSettings> {
        Arc::clone(&self.settings.borrow())
    }

    pub(super) fn update_settings(&self, settings: &Arc<BackendSettings>) {
        let mut current = self.settings.borrow_mut();
        if !Arc::ptr_eq(&current, settings) {
            *current = Arc::clone(settings);
        }
    }

    /// Updates the pool with what the name resolved to.
    pub(crate) fn resolved(
        &self,
        known: &ResolvedName,
        family: LookupFamily,
        families: &FamilyHistory,
        now: Instant,
    ) {
        if let Some(first) = known.addresses.first() {
            let leading = families.leading(AddressFamily::of(first), now);
            let service = known.https_record.as_deref();
            let by_record = service
                .filter(|_| self.uses_https_record(now))
                .and_then(|service| self.by_record(service, &known.addresses, family));
            let sockets = by_record.unwrap_or_else(|| self.plain(&known.addresses));
            self.update(&sockets, leading, now);
        }
    }

    /// Whether these endpoints of a Service are those of the last call.
    pub(crate) fn has_followed(&self, endpoints: &Arc<[SocketAddr]>) -> bool {
        let mut followed = self.followed.borrow_mut();
        let is_same = |known: &Arc<[SocketAddr]>| Arc::ptr_eq(known, endpoints);
        if followed.as_ref().is_some_and(is_same) {
            return true;
        }
        *followed = Some(Arc::clone(endpoints));
        false
    }

    /// Removes all addresses: the name no longer resolves.
    pub(crate) fn clear_addresses(&self, now: Instant) {
        self.update(&[], self.leading.get(), now);
    }

    /// The socket addresses without the HTTPS record.
    pub(crate) fn plain(&self, addresses: &[IpAddr]) -> Vec<SocketAddr> {
        service::plain(addresses, self.state.destination.dialled().1)
    }

    /// The socket addresses by the HTTPS record, if it applies. The records of a name are those of port 443; other
    /// ports have records at other names (RFC 9460 9.1), which are not looked up.
    pub(crate) fn by_record(
        &self,
        service: &HttpsRecord,
        addresses: &[IpAddr],
        family: LookupFamily,
    ) -> Option<Vec<SocketAddr>> {
        let destination = &self.state.destination;
        let offered = destination.offered();
        let is_direct = destination.proxy.is_none();
        (is_direct && destination.port == Port::HTTPS && service::is_for(service, offered))
            .then(|| service::by_record(service, addresses, family, destination.port))
            .flatten()
    }

    /// Whether the destination's HTTPS record is used.
    pub(crate) fn uses_https_record(&self, now: Instant) -> bool {
        self.https_record_ignored_until
            .get()
            .is_none_or(|until| now >= until)
    }

    /// Ignores the HTTPS record for a while, because it led nowhere or to a port that not every rule may use: for all
    /// rules alike, so that they do not close each other's connections.
    pub(crate) fn ignore_https_record(&self, now: Instant) {
        self.https_record_ignored_until
            .set(Some(now + RECORD_IGNORED_FOR));
    }

    /// Updates the addresses and the leading family. Connections to other addresses are closed, now or when their
    /// requests have ended, unless the settings keep them.
    pub(crate) fn update(&self, addresses: &[SocketAddr], leading: AddressFamily, now: Instant) {
        self.leading.set(leading);
        let mut endpoints = self.endpoints.borrow_mut();
        if endpoints
            .iter()
            .map(|endpoint| &endpoint.address)
            .eq(addresses)
        {
            return;
        }
        let mut old = std::mem::take(&mut *endpoints);
        let health = self.state.health(addresses, now);
        endpoints.extend(addresses.iter().zip(health).map(|(&address, health)| {
            let known = old.iter().position(|endpoint| endpoint.address == address);
            match known {
                Some(index) => old.swap_remove(index),
                None => Endpoint::new(address, health),
            }
        }));
        if self.settings.borrow().close_on_address_change {
            for endpoint in &mut old {
                self.idle_removed(endpoint.idle.len());
                self.unpool(endpoint, |_| true);
            }
        } else {
            old.retain(|endpoint| !endpoint.is_empty());
            endpoints.append(&mut old);
        }
    }

    /// Takes a connection to one of the addresses that `may_go` accepts, preferably to none of the attempted ones.
    pub(crate) fn take<'r>(
        &self,
        may_go: impl Fn(SocketAddr) -> bool,
        request: impl FnOnce() -> AddressRequest<'r>,
    ) -> TakenConnection {
        self.used.set(true);
        let mut endpoints = self.endpoints.borrow_mut();
        if let [only] = endpoints.as_mut_slice() {
            let connection = may_go(only.address).then(|| self.pop(only)).flatten();
            return TakenConnection {
                connection,
                connect: None,
            };
        }
        let request = request();
        let candidates = endpoints.iter().enumerate();
        let mut candidates: Vec<_> = candidates
            .map(|(index, endpoint)| endpoint.candidate(index, request, self.slow_start()))
            .collect();
        candidates.retain(|one| may_go(endpoints[one.address].address));
        let unproven = candidates
            .iter()
            .find(|one| one.status == EndpointStatus::Unproven && !endpoints[one.address].warming)
            .map(|one| endpoints[one.address].address);
        let Some(first) = self.choose(|choice| choice.first(&candidates)) else {
            return TakenConnection {
                connection: None,
                connect: None,
            };
        };
        if let Some(connection) = self.pop(&mut endpoints[first]) {
            self.next_turn();
            return TakenConnection {
                connection: Some(connection),
                connect: unproven,
            };
        }
        if request.affinity.is_some() {
            // No other address will do.
            return TakenConnection {
                connection: None,
                connect: unproven,
            };
        }
        // Only addresses as good as the one in turn: a new connection to that is better than an idle one to a worse
        // address.
        let best = candidates.iter().map(|one| one.status).min();
        candidates
            .retain(|one| Some(one.status) == best && best != Some(EndpointStatus::Attempted));
        let mut others = candidates.iter();
        let connection = others.find_map(|one| self.pop(&mut endpoints[one.address]));
        let in_turn = connection.as_ref().map(|_| {
            self.next_turn();
            endpoints[first].address
        });
        TakenConnection {
            connection,
            connect: unproven.or(in_turn),
        }
    }

    /// The order in which to connect to `addresses`, each in its turn.
    pub(crate) fn order<A: Copy + PartialEq>(
        &self,
        addresses: &[A],
        socket: impl Fn(A) -> SocketAddr,
        request: AddressRequest<'_>,
    ) -> VecDeque<A> {
        let endpoints = self.endpoints.borrow();
        let candidate = |&address: &A| {
            let endpoint = endpoints
                .iter()
                .find(|endpoint| endpoint.address == socket(address));
            endpoint.map_or_else(
                // The address is not in the latest answer any more.
                || EndpointCandidate::unknown(address),
                |endpoint| endpoint.candidate(address, request, self.slow_start()),
            )
        };
        let candidates: Vec<_> = addresses.iter().map(candidate).collect();
        let order = self.choose(|choice| choice.order(&candidates));
        self.next_turn();
        order
    }

    /// The candidate for the destination as a whole, as one of several hosts of a backend.
    pub(super) fn as_candidate<A>(&self, address: A, now: Instant) -> EndpointCandidate<A> {
        let endpoints = self.endpoints.borrow();
        let status = endpoints
            .iter()
            .map(|endpoint| endpoint.health.status(now))
            .min();
        EndpointCandidate {
            address,
            family: self.leading.get(),
            status: status.unwrap_or(EndpointStatus::Healthy),
            active: endpoints
                .iter()
                .map(|endpoint| endpoint.health.active())
                .sum(),
            score: None,
            share: self.slow_start().map_or(FULL_SHARE, |slow| {
                let shares = endpoints.iter().map(|one| slow.share(one.health.age(now)));
                shares.max().unwrap_or(FULL_SHARE)
            }),
        }
    }

    /// Whether there is an address that the request has not attempted.
    pub(crate) fn has_endpoint_besides(&self, attempted: &[SocketAddr]) -> bool {
        let endpoints = self.endpoints.borrow();
        endpoints
            .iter()
            .any(|endpoint| !attempted.contains(&endpoint.address))
    }

    /// The health of one of the addresses.
    pub(crate) fn health(&self, address: SocketAddr, now: Instant) -> Arc<EndpointHealth> {
        let endpoints = self.endpoints.borrow();
        let endpoint = endpoints
            .iter()
            .find(|endpoint| endpoint.address == address);
        endpoint.map_or_else(
            // The address is not in the latest answer any more.
            || Arc::new(EndpointHealth::new(now)),
            |endpoint| Arc::clone(&endpoint.health),
        )
    }

    /// Marks an address as being connected to in the background. Returns false if it is already.
    pub(crate) fn begin_warming(&self, address: SocketAddr) -> bool {
        let mut endpoints = self.endpoints.borrow_mut();
        let endpoint = endpoints
            .iter_mut()
            .find(|endpoint| endpoint.address == address);
        endpoint.is_some_and(|endpoint| !std::mem::replace(&mut endpoint.warming, true))
    }

    pub(crate) fn end_warming(&self, address: SocketAddr) {
        let mut endpoints = self.endpoints.borrow_mut();
        if let Some(endpoint) = endpoints
            .iter_mut()
            .find(|endpoint| endpoint.address == address)
        {
            endpoint.warming = false;
        }
    }

    /// Returns a connection that can take a next request to the pool.
    pub(crate) fn put(&self, connection: Box<Http1Connection>) {
        let Some(idle_count) = self.idle_count.upgrade() else {
            return;
        };
        let is_wanted_elsewhere = !self.is_queued_for() && self.state.limits.is_queued_for();
        if self.has_reached_max_requests(connection.served)
            || is_wanted_elsewhere
            || !idle_count.has_room()
        {
            return;
        }
        let mut endpoints = self.endpoints.borrow_mut();
        let Some(endpoint) = self.endpoint_for(&mut endpoints, connection.peer, &connection.health)
        else {
            return;
        };
        endpoint
            .idle
            .push(IdleConnection::new(connection, clock::now()));
        idle_count.add();
        if self.is_queued_for() {
            self.returned.notify_one();
        }
    }

    /// The endpoint of this address, which is added unless connections to old addresses are closed.
    fn endpoint_for<'a>(
        &self,
        endpoints: &'a mut Vec<Endpoint>,
        peer: SocketAddr,
        health: &Arc<EndpointHealth>,
    ) -> Option<&'a mut Endpoint> {
        let at = endpoints
            .iter()
            .position(|endpoint| endpoint.address == peer);
        if at.is_none() {
            if self.settings.borrow().close_on_address_change {
                return None;
            }
            endpoints.push(Endpoint::new(peer, Arc::clone(health)));
        }
        let at = at.unwrap_or(endpoints.len() - 1);
        Some(&mut endpoints[at])
    }

    /// Whether a connection has served as many requests as the settings allow.
    fn has_reached_max_requests(&self, served: u32) -> bool {
        let most = self.settings.borrow().max_requests_per_connection;
        most.is_some_and(|most| served >= most)
    }

    /// Returns a connection to the pool once it can take a request: it may be new, or still be sending a request's
    /// body. A shared connection needs no return.
    pub(crate) fn put_when_ready(self: &Rc<Self>, connection: UpstreamConnection) {
        let UpstreamConnection::Http1(connection) = connection else {
            return;
        };
        if connection.wire.is_ready() {
            self.put(connection);
        } else if !connection.wire.is_closed() {
            let host_pool = Rc::clone(self);
            task::spawn(async move {
                let ready = poll_fn(|cx| connection.wire.poll_ready(cx));
                if matches!(timeout(SETTLE, ready).await, Ok(true)) {
                    host_pool.put(connection);
                }
            });
        }
    }

    pub(super) fn lease_begins(&self) {
        self.leased.set(self.leased.get() + 1);
        self.used.set(true);
    }

    pub(super) fn lease_ends(&self) {
        self.leased.set(self.leased.get() - 1);
    }

    /// Whether connections are leased, or were since the last call.
    pub(super) fn was_used(&self) -> bool {
        self.used.replace(false) || self.leased.get() > 0
    }

    pub(super) fn has_connections(&self) -> bool {
        self.endpoints
            .borrow()
            .iter()
            .any(|endpoint| !endpoint.is_empty())
    }

    pub(super) fn sweep(&self, now: Instant) {
        let limit = self.settings.borrow().idle_timeout.unwrap_or(IDLE_TIMEOUT);
        for endpoint in self.endpoints.borrow_mut().iter_mut() {
            let idle = std::mem::take(&mut endpoint.idle);
            let before = idle.len();
            let kept = idle.into_iter().filter_map(|one| one.swept(now, limit));
            endpoint.idle = kept.collect();
            self.idle_removed(before - endpoint.idle.len());
            self.unpool(endpoint, |one| {
                let waits = one.is_idle() && now - one.idle_since.get() >= limit;
                waits || one.is_closed()
            });
        }
    }

    /// Closes the idle connections.
    pub(super) fn close_idle(&self) {
        for endpoint in self.endpoints.borrow_mut().iter_mut() {
            self.idle_removed(std::mem::take(&mut endpoint.idle).len());
            self.unpool(endpoint, Http2Connection::is_idle);
        }
    }

    fn pop(&self, endpoint: &mut Endpoint) -> Option<UpstreamConnection> {
        while let Some(idle) = endpoint.idle.pop() {
            self.idle_removed(1);
            if let Some(connection) = idle.take(self.settings.borrow().max_header_fields) {
                return Some(UpstreamConnection::Http1(connection));
            }
        }
        self.open_stream(endpoint).map(UpstreamConnection::Http2)
    }

    fn idle_removed(&self, count: usize) {
        if count > 0
            && let Some(idle_count) = self.idle_count.upgrade()
        {
            idle_count.subtract(count);
        }
    }

    fn slow_start(&self) -> Option<SlowStart> {
        self.settings.borrow().slow_start
    }

    fn next_turn(&self) {
        self.turn.set(self.turn.get().wrapping_add(1));
    }

    fn choose<T>(&self, with: impl FnOnce(&mut EndpointChoice<'_>) -> T) -> T {
        with(&mut EndpointChoice {
            load_balancing: self.settings.borrow().load_balancing,
            leading: self.leading.get(),
            turn: self.turn.get(),
            draw: &mut |below| rand::random_range(0..below),
        })
    }
}
