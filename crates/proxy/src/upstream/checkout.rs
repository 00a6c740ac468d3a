//! Acquiring a connection for a request: an idle one, one that is returned, or a new one.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use egret_config::name::Host;
use egret_config::snapshot::LookupFamily;
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

use super::connection::UpstreamConnection;
use super::endpoint::AddressRequest;
use super::host_pool::{HostPool, SharedDial, TakenConnection};
use super::lease::LeasedConnection;
use super::limits::LimitPermit;
use super::open::ConnectionSetup;
use super::upstreams::Upstreams;
use super::warm::{connect_options, observe, warm};
use crate::clock;
use crate::dial::egress::Permitted;
use crate::dial::failure::ConnectFailure;
use crate::dial::race::{self, LateAddresses};
use crate::dns::PendingFamily;
use crate::dns::family::{AddressFamily, RESOLUTION_DELAY};
use crate::dns::query::HttpsRecord;
use crate::dns::{DnsFailure, ResolveError};
use crate::policy::Cleared;
use crate::record::Trip;
use crate::refusal::{CircuitBreakerLimit, Refusal};

/// The acquisition of one connection for one attempt.
pub(super) struct Checkout<'a> {
    pub(super) cleared: &'a Cleared<'a>,
    pub(super) host_pool: &'a Rc<HostPool>,
    pub(super) upstreams: &'a Rc<Upstreams>,
    pub(super) trip: &'a Trip,
    /// The addresses that the request has attempted.
    pub(super) attempted: &'a [SocketAddr],
    /// Deadline for obtaining a connection.
    pub(super) until: Instant,
}

/// The addresses of a host, and its HTTPS record.
struct ResolvedHost {
    addresses: Arc<[IpAddr]>,
    more: Option<PendingFamily>,
    record: Option<ServiceRecord>,
}

/// The HTTPS record of a host (RFC 9460).
struct ServiceRecord {
    service: Arc<HttpsRecord>,
    /// The address families that the resolver is configured to look up.
    family: LookupFamily,
}

impl Checkout<'_> {
    /// Acquires a connection. The second value is whether the connection was open before.
    ///
    /// # Errors
    /// If a limit of the destination is reached, its name cannot be resolved, or no address can or may be connected to.
    pub(super) async fn acquire(&self) -> Result<(LeasedConnection, bool), Refusal> {
        self.check_target()?;
        self.follow_endpoints()?;
        if let Some(connection) = self.take_pooled() {
            return Ok((self.lease(connection)?, true));
        }
        // Boxed, so that requests that find a connection do not pay for its size.
        Box::pin(self.acquire_later()).await
    }

    /// Acquires a connection that is not there yet.
    async fn acquire_later(&self) -> Result<(LeasedConnection, bool), Refusal> {
        let limits = &self.host_pool.state.limits;
        let breakers = &self.cleared.plan().settings.circuit_breakers;
        let pending = limits.enter(CircuitBreakerLimit::Pending, breakers);
        let _pending = pending.ok_or(Refusal::Limit(CircuitBreakerLimit::Pending))?;
        let _counted = self.upstreams.metrics.pending_requests.hold();
        if let Some(connection) = self.join_dial().await? {
            return Ok((self.lease(connection)?, true));
        }
        let permit = match limits.enter(CircuitBreakerLimit::Connections, breakers) {
            Some(permit) => permit,
            None => match self.wait_in_queue().await? {
                QueueOutcome::Returned(connection) => return Ok((self.lease(connection)?, true)),
                QueueOutcome::MayConnect(permit) => permit,
            },
        };
        let dialed = self.dial(permit).await;
        let connection = dialed.inspect_err(|_| self.host_pool.shared_dial_failed())?;
        Ok((self.lease(connection)?, false))
    }

    /// Waits for a connection that is being opened for another request, if this one may come to share it.
    async fn join_dial(&self) -> Result<Option<UpstreamConnection>, Refusal> {
        loop {
            let dialed = timeout_at(self.until.into(), self.host_pool.wait_for_dial()).await;
            if !dialed.map_err(|_| Refusal::Connect(ConnectFailure::Timeout))? {
                return Ok(None);
            }
            if let Some(connection) = self.take_pooled() {
                return Ok(Some(connection));
            }
        }
    }

    fn lease(&self, connection: UpstreamConnection) -> Result<LeasedConnection, Refusal> {
        let breakers = &self.cleared.plan().settings.circuit_breakers;
        match self
            .host_pool
            .state
            .limits
            .enter(CircuitBreakerLimit::Requests, breakers)
        {
            Some(request) => {
                self.audit(connection.peer());
                Ok(LeasedConnection::new(connection, self.host_pool, request))
            }
            None => {
                self.host_pool.put_when_ready(connection);
                Err(Refusal::Limit(CircuitBreakerLimit::Requests))
            }
        }
    }

    fn audit(&self, peer: SocketAddr) {
        if let Some(policy) = self.cleared.audit_address(peer.ip()) {
            self.trip.audited_by(policy);
        }
    }

    /// A new connection that nobody else will use: the stream, its address, and the permits for it and for what it is
    /// used for.
    ///
    /// # Errors
    /// As [`Checkout::acquire`].
    pub(super) async fn acquire_unpooled(
        &self,
    ) -> Result<(TcpStream, SocketAddr, LimitPermit, LimitPermit), Refusal> {
        self.check_target()?;
        self.follow_endpoints()?;
        let limits = &self.host_pool.state.limits;
        let breakers = &self.cleared.plan().settings.circuit_breakers;
        let pending = limits.enter(CircuitBreakerLimit::Pending, breakers);
        let _pending = pending.ok_or(Refusal::Limit(CircuitBreakerLimit::Pending))?;
        let _counted = self.upstreams.metrics.pending_requests.hold();
        let request = limits.enter(CircuitBreakerLimit::Requests, breakers);
        let request = request.ok_or(Refusal::Limit(CircuitBreakerLimit::Requests))?;
        let permit = self.wait_for_permit().await?;
        let answer = self.prefer_leading_family(self.resolve().await?).await;
        let (stream, peer) = self.connect_socket(&answer).await?;
        self.audit(peer);
        Ok((stream, peer, permit, request))
    }

    /// Waits until one more connection may be opened. Idle connections in pools cannot be used, and are closed for it.
    async fn wait_for_permit(&self) -> Result<LimitPermit, Refusal> {
        let limits = &self.host_pool.state.limits;
        let breakers = &self.cleared.plan().settings.circuit_breakers;
        let enter = || limits.enter(CircuitBreakerLimit::Connections, breakers);
        if let Some(permit) = enter() {
            return Ok(permit);
        }
        let _queued = limits.queue();
        loop {
            let freed = limits.freed().notified();
            if let Some(permit) = enter() {
                return Ok(permit);
            }
            self.upstreams
                .shared
                .release(&self.host_pool.state.destination);
            timeout_at(self.until.into(), freed)
                .await
                .map_err(|_| Refusal::Limit(CircuitBreakerLimit::Connections))?;
        }
    }

    /// Checks the address that a proxy is asked to connect to. Those of a name are the proxy's to find out.
    ///
    /// # Errors
    /// [`Refusal::Address`].
    fn check_target(&self) -> Result<(), Refusal> {
        let destination = &self.cleared.plan().destination;
        if let (Host::Ip(ip), Some(_)) = (&destination.host, &destination.proxy) {
            let address = SocketAddr::new(*ip, destination.port.get());
            let own = self.upstreams.shared.own_addresses.load();
            let denied = self.cleared.target_guard(&own).permit(address);
            denied.map_err(|denied| {
                self.upstreams.metrics.addresses_denied.add(1);
                self.trip.turned_away_from(address);
                Refusal::Address(denied)
            })?;
        }
        Ok(())
    }

    /// Brings the pool of a Service up to the endpoints that the configuration of this request has: connections to those
    /// that are gone are drained. A retry may be of an older configuration than the requests beside it, and leaves the pool
    /// as it is.
    ///
    /// # Errors
    /// [`Refusal::NoEndpoints`] if there are none.
    fn follow_endpoints(&self) -> Result<(), Refusal> {
        let Some(endpoints) = self.cleared.plan().dialled_endpoints() else {
            return Ok(());
        };
        let is_news = self.attempted.is_empty() && !self.host_pool.has_followed(endpoints);
        if endpoints.is_empty() {
            if is_news {
                self.host_pool.clear_addresses(clock::now());
            }
            return Err(Refusal::NoEndpoints);
        }
        if is_news {
            self.update_host_pool(endpoints);
        }
        Ok(())
    }

    /// Takes an idle connection that this rule may use: the connection may date from before a policy changed, or be
    /// from another rule.
    fn take_pooled(&self) -> Option<UpstreamConnection> {
        let own = self.upstreams.shared.own_addresses.load();
        let guard = self.cleared.guard(&own);
        let may_go = |address: SocketAddr| {
            self.cleared.allows_port(address.port()) && guard.permit(address).is_ok()
        };
        let TakenConnection {
            connection,
            connect,
        } = self.host_pool.take(may_go, || self.choice(clock::now()));
        if let Some(address) = connect.and_then(|address| guard.permit(address).ok()) {
            warm(self.host_pool, address, self.upstreams);
        }
        connection
    }

    /// Waits for a connection to be returned, or for a permit to open one.
    async fn wait_in_queue(&self) -> Result<QueueOutcome, Refusal> {
        let breakers = &self.cleared.plan().settings.circuit_breakers;
        let queued = self.host_pool.queue();
        loop {
            if let Some(connection) = self.take_pooled() {
                return Ok(QueueOutcome::Returned(connection));
            }
            let limits = &self.host_pool.state.limits;
            if let Some(permit) = limits.enter(CircuitBreakerLimit::Connections, breakers) {
                return Ok(QueueOutcome::MayConnect(permit));
            }
            // No idle connection here may be used by this request; other workers may hold idle ones that they do not
            // need.
            self.host_pool.close_idle();
            self.upstreams
                .shared
                .release(&self.host_pool.state.destination);
            timeout_at(self.until.into(), queued.wait())
                .await
                .map_err(|_| Refusal::Limit(CircuitBreakerLimit::Connections))?;
        }
    }

    /// Resolves and connects: by the destination's HTTPS record, and without it if there is none or it leads nowhere
    /// (RFC 9460 3).
    async fn dial(&self, permit: LimitPermit) -> Result<UpstreamConnection, Refusal> {
        let dialing = self.host_pool.begin_shared_dial();
        let mut answer = self.prefer_leading_family(self.resolve().await?).await;
        answer.record = answer.record.take().filter(|record| {
            let ServiceRecord { service, family } = record;
            let found = self
                .host_pool
                .by_record(service, &answer.addresses, *family);
            let port = found.as_ref().and_then(|sockets| sockets.first());
            let denied = port.is_some_and(|socket| !self.cleared.allows_port(socket.port()));
            if denied {
                self.host_pool.ignore_https_record(clock::now());
            }
            found.is_some() && self.host_pool.uses_https_record(clock::now())
        });
        if answer.record.is_none() {
            return self.connect(&answer, permit, dialing).await;
        }
        let refusal = match self.connect(&answer, permit, dialing.clone()).await {
            // Without descriptors nothing was tried, which says nothing about the record.
            Err(refusal)
                if refusal.elsewhere()
                    && !matches!(refusal, Refusal::Connect(ConnectFailure::NoDescriptors)) =>
            {
                refusal
            }
            outcome => return outcome,
        };
        self.host_pool.ignore_https_record(clock::now());
        answer.record = None;
        let breakers = &self.cleared.plan().settings.circuit_breakers;
        let limits = &self.host_pool.state.limits;
        match limits.enter(CircuitBreakerLimit::Connections, breakers) {
            Some(permit) => self.connect(&answer, permit, dialing).await,
            None => Err(refusal),
        }
    }

    /// The socket addresses of the destination: its endpoints if it is a Service, or by its HTTPS record if that applies.
    fn sockets(&self, addresses: &[IpAddr], record: Option<&ServiceRecord>) -> Vec<SocketAddr> {
        if let Some(endpoints) = self.cleared.plan().dialled_endpoints() {
            return endpoints.to_vec();
        }
        let by_record = record.and_then(|ServiceRecord { service, family }| {
            self.host_pool.by_record(service, addresses, *family)
        });
        by_record.unwrap_or_else(|| self.host_pool.plain(addresses))
    }

    /// Connects, and sets up TLS and HTTP.
    async fn connect(
        &self,
        answer: &ResolvedHost,
        permit: LimitPermit,
        dialing: Option<Rc<SharedDial>>,
    ) -> Result<UpstreamConnection, Refusal> {
        let clients = &self.upstreams.shared.tls;
        let expected = self.cleared.plan().destination.expected(clients);
        let expected = expected.map_err(Refusal::Tls)?;
        let (stream, peer) = self.connect_socket(answer).await?;
        let setup = ConnectionSetup {
            host_pool: self.host_pool,
            settings: self.cleared.plan().settings,
            upstreams: self.upstreams,
            trip: Some(self.trip),
            until: self.until,
            dialing,
        };
        setup.open(stream, peer, expected, permit).await
    }

    /// Checks every address, and connects to the first that answers.
    async fn connect_socket(
        &self,
        answer: &ResolvedHost,
    ) -> Result<(TcpStream, SocketAddr), Refusal> {
        let settings = self.cleared.plan().settings;
        let ResolvedHost {
            addresses,
            more,
            record,
        } = answer;
        let sockets = self.sockets(addresses, record.as_ref());
        if self.cleared.plan().dialled_endpoints().is_none() {
            self.update_host_pool(&sockets);
        }
        let permitted = match self.permit(&sockets) {
            Ok(permitted) => permitted,
            // Addresses that are still to come may be allowed.
            Err(_) if more.is_some() => Vec::new(),
            Err(denied) => return Err(denied),
        };
        let late = more
            .as_ref()
            .map(|more| self.late_addresses(more.clone(), record.as_ref()));
        let begin = clock::now();
        let order = self
            .host_pool
            .order(&permitted, Permitted::get, self.choice(begin));
        let raced = race::connect(order, late, connect_options(settings), self.until).await;
        let now = clock::now();
        self.trip.connected(now - begin);
        observe(self.host_pool, settings, &raced.attempts, self.upstreams);
        let (stream, peer) = raced.result.map_err(|failure| {
            if let Some(address) = race::blamed(&raced.attempts, failure) {
                self.trip.turned_away_from(address.get());
            }
            // The late addresses were denied too.
            let nothing_tried = raced.attempts.is_empty();
            let denied = nothing_tried.then(|| self.permit(&sockets).err()).flatten();
            denied.unwrap_or_else(|| {
                self.upstreams.metrics.connect_failures.increment(failure);
                Refusal::Connect(failure)
            })
        })?;
        self.upstreams.metrics.connect_duration.observe(now - begin);
        Ok((stream, peer.get()))
    }

    /// Waits a moment for the family that works better from here, if the other one was resolved first.
    async fn prefer_leading_family(&self, answer: ResolvedHost) -> ResolvedHost {
        let (Some(first), Some(more)) = (answer.addresses.first(), &answer.more) else {
            return answer;
        };
        let first = AddressFamily::of(first);
        if self
            .upstreams
            .shared
            .families()
            .leading(first, clock::now())
            == first
        {
            return answer;
        }
        match timeout(RESOLUTION_DELAY, more.clone().all_addresses()).await {
            Ok(all) => ResolvedHost {
                addresses: all.unwrap_or(answer.addresses),
                more: None,
                record: answer.record,
            },
            Err(_) => answer,
        }
    }

    fn choice(&self, now: Instant) -> AddressRequest<'_> {
        AddressRequest {
            attempted: self.attempted,
            affinity: self.cleared.plan().affinity(),
            now,
        }
    }

    /// Filters the addresses that may be connected to.
    fn permit(&self, sockets: &[SocketAddr]) -> Result<Vec<Permitted<SocketAddr>>, Refusal> {
        let own = self.upstreams.shared.own_addresses.load();
        let guard = self.cleared.guard(&own);
        let permitted = guard.permit_all(sockets.iter().copied());
        let denied = sockets.len() - permitted.as_ref().map_or(0, Vec::len);
        self.upstreams.metrics.addresses_denied.add(denied as u64);
        permitted.map_err(|denied| {
            if let Some(first) = sockets.first() {
                self.trip.turned_away_from(*first);
            }
            Refusal::Address(denied)
        })
    }

    /// The addresses of the other family, once they are resolved.
    fn late_addresses<'b>(
        &'b self,
        more: PendingFamily,
        record: Option<&'b ServiceRecord>,
    ) -> LateAddresses<'b, Permitted<SocketAddr>> {
        Box::pin(async move {
            let Some(all) = more.all_addresses().await else {
                return VecDeque::new();
            };
            let sockets = self.sockets(&all, record);
            self.update_host_pool(&sockets);
            self.permit(&sockets).unwrap_or_default().into()
        })
    }

    /// Updates the worker's pool with the resolved addresses.
    fn update_host_pool(&self, sockets: &[SocketAddr]) {
        let now = clock::now();
        if let Some(first) = sockets.first() {
            let first = AddressFamily::of(&first.ip());
            let leading = self.upstreams.shared.families().leading(first, now);
            self.host_pool.update(sockets, leading, now);
        }
    }

    async fn resolve(&self) -> Result<ResolvedHost, Refusal> {
        let destination = &self.cleared.plan().destination;
        let known = |addresses| ResolvedHost {
            addresses,
            more: None,
            record: None,
        };
        let name = match destination.dialled().0 {
            Host::Name(_) if !destination.is_resolved() => return Ok(known([].into())),
            Host::Ip(ip) => return Ok(known([*ip].into())),
            Host::Name(name) => name,
        };
        let Some(resolver) = self.upstreams.shared.resolvers.get(&destination.resolver) else {
            // The configuration of this request was replaced, and its resolver was removed.
            return Err(Refusal::Dns(DnsFailure::Network(
                "the resolver was removed".into(),
            )));
        };
        let begin = clock::now();
        let lookup = resolver.resolve(name, destination.dialled_scheme());
        let resolved = timeout_at(self.until.into(), lookup).await;
        let took = clock::now() - begin;
        match resolved {
            Ok(Ok(resolved)) => {
                self.trip.resolved(resolved.source, took);
                Ok(ResolvedHost {
                    addresses: resolved.addresses,
                    more: resolved.pending_family,
                    record: resolved.https_record.map(|service| ServiceRecord {
                        service,
                        family: resolver.settings().family,
                    }),
                })
            }
            Ok(Err(ResolveError::Failed {
                failure,
                answer_source: how,
            })) => {
                self.trip.resolved(how, took);
                Err(Refusal::Dns(failure))
            }
            Ok(Err(ResolveError::Overloaded)) => Err(Refusal::DnsOverload),
            Err(_) => Err(Refusal::Dns(DnsFailure::Timeout)),
        }
    }
}

/// The outcome of the wait at the limit of connections.
enum QueueOutcome {
    Returned(UpstreamConnection),
    MayConnect(LimitPermit),
}
