//! Finding a connection for a request: one that waits, one that comes back, or a new one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use egret_config::name::Host;
use egret_config::snapshot::BackendSettings;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

use super::connection::{Connection, Lease, Open, Outlet, Switch};
use super::health::Observed;
use super::limits::Permit;
use super::shelf::{Shelf, Taken};
use crate::dial::egress::{Guard, Permitted};
use crate::dial::race::{self, Attempt, Late, Manner};
use crate::dns::family::{Family, RESOLUTION_DELAY};
use crate::dns::resolver::More;
use crate::dns::{Failure, ResolveError};
use crate::plan::Plan;
use crate::record::Exchange;
use crate::refusal::{ConnectFailure, Limit, Refusal};
use crate::task;
use crate::telemetry::clock;
use crate::worker::Worker;

/// Octets that are buffered of one direction of a connection.
const BUFFER: usize = 64 * 1024;
/// Octets that a response's head may have.
const MAX_HEAD: usize = 60 * 1024;

/// One search for one sending of a request.
pub(super) struct Seeker<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) shelf: &'a Rc<Shelf>,
    pub(super) worker: &'a Rc<Worker>,
    pub(super) exchange: &'a Exchange,
    /// Where the request has been already.
    pub(super) tried: &'a [SocketAddr],
    /// When it is too late.
    pub(super) until: Instant,
}

/// What a host resolved to.
struct Answer {
    sockets: Vec<SocketAddr>,
    more: Option<More>,
}

impl Seeker<'_> {
    /// A connection, and whether it has been used before.
    ///
    /// # Errors
    /// If a limit of the destination is reached, its name cannot be resolved, or no address of it can or may be
    /// connected to.
    pub(super) async fn find(&self) -> Result<(Lease, bool), Refusal> {
        if let Some(connection) = self.pooled() {
            return Ok((self.lease(connection)?, true));
        }
        let limits = &self.shelf.site.limits;
        let breakers = &self.plan.settings.circuit_breakers;
        let pending = limits.enter(Limit::Pending, breakers);
        let _pending = pending.ok_or(Refusal::Limit(Limit::Pending))?;
        let _counted = self.worker.metrics.pending_requests.hold();
        let permit = match limits.enter(Limit::Connections, breakers) {
            Some(permit) => permit,
            None => match self.queue().await? {
                Turn::Returned(connection) => return Ok((self.lease(connection)?, true)),
                Turn::MayConnect(permit) => permit,
            },
        };
        let connection = self.dial(permit).await?;
        Ok((self.lease(connection)?, false))
    }

    fn lease(&self, connection: Connection) -> Result<Lease, Refusal> {
        let breakers = &self.plan.settings.circuit_breakers;
        match self.shelf.site.limits.enter(Limit::Requests, breakers) {
            Some(request) => {
                self.audit(connection.peer);
                Ok(Lease::new(connection, self.shelf, request))
            }
            None => {
                self.shelf.put_when_ready(connection);
                Err(Refusal::Limit(Limit::Requests))
            }
        }
    }

    fn audit(&self, peer: SocketAddr) {
        if let Some(policy) = self.plan.egress.audit_address(peer.ip()) {
            self.exchange.decided_address("audit", Some(policy));
        }
    }

    /// A new connection that nobody else will use: the stream, its address, and the permits for it and for what it is
    /// used for.
    ///
    /// # Errors
    /// As [`Seeker::find`].
    pub(super) async fn find_alone(
        &self,
    ) -> Result<(TcpStream, SocketAddr, Permit, Permit), Refusal> {
        let limits = &self.shelf.site.limits;
        let breakers = &self.plan.settings.circuit_breakers;
        let pending = limits.enter(Limit::Pending, breakers);
        let _pending = pending.ok_or(Refusal::Limit(Limit::Pending))?;
        let _counted = self.worker.metrics.pending_requests.hold();
        let request = limits.enter(Limit::Requests, breakers);
        let request = request.ok_or(Refusal::Limit(Limit::Requests))?;
        let permit = self.turn_to_connect().await?;
        let (stream, peer) = self.connect().await?;
        self.audit(peer);
        Ok((stream, peer, permit, request))
    }

    /// Waits until there may be one more connection. Those that wait in a pool are of no use, and are closed for it.
    async fn turn_to_connect(&self) -> Result<Permit, Refusal> {
        let limits = &self.shelf.site.limits;
        let breakers = &self.plan.settings.circuit_breakers;
        let enter = || limits.enter(Limit::Connections, breakers);
        if let Some(permit) = enter() {
            return Ok(permit);
        }
        let _queued = limits.queue();
        loop {
            let freed = limits.freed().notified();
            if let Some(permit) = enter() {
                return Ok(permit);
            }
            self.worker.shared.give_up(&self.shelf.site.destination);
            timeout_at(self.until.into(), freed)
                .await
                .map_err(|_| Refusal::Limit(Limit::Connections))?;
        }
    }

    /// A connection that waits and that this rule may use: it may be from before a policy changed, or from under another
    /// rule.
    fn pooled(&self) -> Option<Connection> {
        let own = self.worker.shared.own.load();
        let guard = Guard {
            egress: self.plan.egress,
            own: &own,
        };
        let may_go = |address| guard.permit(address).is_ok();
        let Taken {
            connection,
            connect,
        } = self.shelf.take(may_go, self.tried, clock::now());
        if let Some(address) = connect.and_then(|address| guard.permit(address).ok()) {
            warm(self.shelf, address, self.worker);
        }
        connection
    }

    /// Waits for one of as many connections as there may be.
    async fn queue(&self) -> Result<Turn, Refusal> {
        let breakers = &self.plan.settings.circuit_breakers;
        let queued = self.shelf.queue();
        loop {
            if let Some(connection) = self.pooled() {
                return Ok(Turn::Returned(connection));
            }
            let limits = &self.shelf.site.limits;
            if let Some(permit) = limits.enter(Limit::Connections, breakers) {
                return Ok(Turn::MayConnect(permit));
            }
            // What waits here is of no use to this request, and others may have what is of none to them.
            self.shelf.clear();
            self.worker.shared.give_up(&self.shelf.site.destination);
            timeout_at(self.until.into(), queued.wait())
                .await
                .map_err(|_| Refusal::Limit(Limit::Connections))?;
        }
    }

    async fn dial(&self, permit: Permit) -> Result<Connection, Refusal> {
        let (stream, peer) = self.connect().await?;
        handshake(stream, peer, self.shelf, permit, self.worker).await
    }

    /// Resolves, checks every address, and connects to the first that answers.
    async fn connect(&self) -> Result<(TcpStream, SocketAddr), Refusal> {
        let settings = self.plan.settings;
        let Answer { sockets, more } = self.with_leading(self.resolve().await?).await;
        self.learn(&sockets);
        let permitted = match self.permit(&sockets) {
            Ok(permitted) => permitted,
            // Those that come may be allowed.
            Err(_) if more.is_some() => Vec::new(),
            Err(denied) => return Err(denied),
        };
        let late = more.map(|more| self.late(more));
        let begin = clock::now();
        let order = self
            .shelf
            .order(&permitted, Permitted::get, self.tried, begin);
        let raced = race::connect(order, late, manner(settings), self.until).await;
        let now = clock::now();
        self.exchange.connected(now - begin);
        observe(self.shelf, settings, &raced.attempts, self.worker);
        let (stream, peer) = raced.outcome.map_err(|failure| {
            // Those that came late were denied too.
            let nothing_tried = raced.attempts.is_empty();
            let denied = nothing_tried.then(|| self.permit(&sockets).err()).flatten();
            denied.unwrap_or_else(|| {
                self.worker.metrics.connect_failure(failure);
                Refusal::Connect(failure)
            })
        })?;
        self.worker.metrics.connect_duration.observe(now - begin);
        Ok((stream, peer.get()))
    }

    /// Gives the family that works better from here a moment to come, if the other one came first.
    async fn with_leading(&self, answer: Answer) -> Answer {
        let (Some(first), Some(more)) = (answer.sockets.first(), &answer.more) else {
            return answer;
        };
        let first = Family::of(&first.ip());
        if self.worker.shared.families().leading(first, clock::now()) == first {
            return answer;
        }
        match timeout(RESOLUTION_DELAY, more.clone().all()).await {
            Ok(all) => Answer {
                sockets: all.map_or(answer.sockets, |all| self.plan.sockets(&all)),
                more: None,
            },
            Err(_) => answer,
        }
    }

    /// Those that may be connected to.
    fn permit(&self, sockets: &[SocketAddr]) -> Result<Vec<Permitted<SocketAddr>>, Refusal> {
        let own = self.worker.shared.own.load();
        let guard = Guard {
            egress: self.plan.egress,
            own: &own,
        };
        guard.permit_all(sockets.iter().copied()).map_err(|denied| {
            self.exchange
                .decided_address("deny", denied.policy.as_ref());
            Refusal::Address(denied)
        })
    }

    /// What the other family brings, once it has answered.
    fn late<'b>(&'b self, more: More) -> Late<'b, Permitted<SocketAddr>> {
        Box::pin(async move {
            let Some(all) = more.all().await else {
                return VecDeque::new();
            };
            let sockets = self.plan.sockets(&all);
            self.learn(&sockets);
            self.permit(&sockets).unwrap_or_default().into()
        })
    }

    /// Tells the worker what the name resolves to.
    fn learn(&self, sockets: &[SocketAddr]) {
        let now = clock::now();
        if let Some(first) = sockets.first() {
            let first = Family::of(&first.ip());
            let leading = self.worker.shared.families().leading(first, now);
            self.shelf.update(sockets, leading, now);
        }
    }

    async fn resolve(&self) -> Result<Answer, Refusal> {
        let destination = &self.plan.destination;
        let name = match &destination.host {
            Host::Ip(ip) => {
                let sockets = self.plan.sockets(&[*ip]);
                return Ok(Answer {
                    sockets,
                    more: None,
                });
            }
            Host::Name(name) => name,
        };
        let Some(resolver) = self.worker.shared.resolvers.get(&destination.resolver) else {
            // The configuration that this request began under is gone, and its resolver with it.
            return Err(Refusal::Dns(Failure::Network(
                "the resolver was removed".into(),
            )));
        };
        let begin = clock::now();
        let lookup = resolver.resolve(name, destination.scheme);
        let resolved = timeout_at(self.until.into(), lookup).await;
        let took = clock::now() - begin;
        match resolved {
            Ok(Ok(resolved)) => {
                self.exchange.resolved(resolved.how, took);
                Ok(Answer {
                    sockets: self.plan.sockets(&resolved.addresses),
                    more: resolved.more,
                })
            }
            Ok(Err(ResolveError::Failed { failure, how })) => {
                self.exchange.resolved(how, took);
                Err(Refusal::Dns(failure))
            }
            Ok(Err(ResolveError::Overloaded)) => Err(Refusal::DnsOverload),
            Err(_) => Err(Refusal::Dns(Failure::Timeout)),
        }
    }
}

/// What ends the wait at the limit of connections.
enum Turn {
    Returned(Connection),
    MayConnect(Permit),
}

/// Connects to an address that requests should go to and have no connection to, while they go elsewhere: what it costs
/// to connect, or to find that it is dead, costs no request.
fn warm(shelf: &Rc<Shelf>, address: Permitted<SocketAddr>, worker: &Rc<Worker>) {
    let settings = shelf.settings();
    let limits = &shelf.site.limits;
    if !shelf.begin_warming(address.get()) {
        return;
    }
    let Some(permit) = limits.enter(Limit::Connections, &settings.circuit_breakers) else {
        shelf.end_warming(address.get());
        return;
    };
    let (shelf, worker) = (Rc::clone(shelf), Rc::clone(worker));
    task::spawn(async move {
        let until = clock::now() + settings.connect_timeout;
        let raced = race::connect([address].into(), None, manner(&settings), until).await;
        observe(&shelf, &settings, &raced.attempts, &worker);
        if let Ok((stream, peer)) = raced.outcome
            && let Ok(connection) = handshake(stream, peer.get(), &shelf, permit, &worker).await
        {
            shelf.put_when_ready(connection);
        }
        shelf.end_warming(address.get());
    });
}

fn manner(settings: &BackendSettings) -> Manner {
    Manner {
        timeout: settings.connect_timeout,
        keepalive: settings.tcp_keepalive,
    }
}

/// Remembers and counts what came of every attempt.
fn observe(
    shelf: &Shelf,
    settings: &BackendSettings,
    attempts: &[(Permitted<SocketAddr>, Attempt)],
    worker: &Worker,
) {
    let now = clock::now();
    let family = |address: Permitted<SocketAddr>| Family::of(&address.get().ip());
    for (address, attempt) in attempts {
        worker.metrics.connect_attempt(*attempt);
        let health = shelf.health(address.get(), now);
        if attempt.is_lost() {
            health.connect_failed(now);
        }
        match attempt {
            Attempt::Connected => health.connected(),
            Attempt::Failed(ConnectFailure::NoDescriptors) => worker.make_room(),
            Attempt::Failed(_) => {
                let site = &shelf.site;
                super::observe(site, settings, &health, Observed::LocalFailure, worker);
            }
            Attempt::Overtaken | Attempt::Abandoned => {}
        }
    }
    let connected = |(_, attempt): &&(_, Attempt)| *attempt == Attempt::Connected;
    if let Some((winner, _)) = attempts.iter().find(connected) {
        let winner = family(*winner);
        let mut others = attempts
            .iter()
            .filter(|(address, _)| family(*address) != winner);
        let lost = others.any(|(_, attempt)| attempt.is_lost());
        worker.shared.families().won(winner, lost, now);
    }
}

async fn handshake(
    stream: TcpStream,
    peer: SocketAddr,
    shelf: &Shelf,
    permit: Permit,
    worker: &Rc<Worker>,
) -> Result<Connection, Refusal> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER).max_header_size(MAX_HEAD);
    let (sender, mut connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Refusal::Connect(ConnectFailure::Terminated))?;
    let open = Open::new(worker, permit);
    let switch = Switch::default();
    let waiting = Rc::clone(&switch);
    task::spawn(async move {
        // Its errors are those of the requests on it, which tell them.
        let over = (&mut connection).await;
        // Taken in any case, so that nobody waits in vain.
        let waiting = waiting.take();
        if over.is_ok()
            && let Some(waiting) = waiting
        {
            let parts = connection.into_parts();
            let outlet = Outlet {
                stream: parts.io.into_inner(),
                read: parts.read_buf,
                open,
            };
            // Who does not wait any more lets it be closed.
            let _ = waiting.send(outlet);
        }
    });
    let health = shelf.health(peer, clock::now());
    Ok(Connection::new(sender, switch, peer, health))
}
