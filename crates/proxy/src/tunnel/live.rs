//! The tunnels of a worker that are open, and whether they still may be. They are looked at when the configuration has
//! changed, once, and cost nothing otherwise.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::{BufMut, BytesMut};
use egret_config::resources::ObjectRef;
use egret_config::route::{Found, RequestFacts};
use egret_config::snapshot::{Action, BindAddress, Protocol, Snapshot, Upgrades, WeightedBackend};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use tokio::sync::Notify;

use crate::dial::egress::{EgressGuard, OwnAddresses};
use crate::message::target::Target;
use crate::plan::destination::Destination;
use crate::plan::{Plan, compared_path};
use crate::policy;
use crate::serve::{Connection, Secured};
use crate::worker::Worker;

/// All of one worker.
#[derive(Default)]
pub(crate) struct Tunnels {
    entries: RefCell<HashMap<u64, Rc<Entry>>>,
    next: Cell<u64>,
}

struct Entry {
    facts: Facts,
    peer: SocketAddr,
    denied: Notify,
}

/// What a tunnel is judged by.
pub(crate) struct Facts {
    bind: BindAddress,
    /// What was settled of the connection, where TLS ends here.
    tls: Option<Secured>,
    target: Target,
    /// The request as it came, with its credentials. It is shown nowhere.
    request: Parts,
    /// What it asked for in place of HTTP, if it is no CONNECT.
    protocol: Option<Box<str>>,
    /// Where it led.
    backend: ObjectRef,
    destination: Destination,
}

/// A tunnel's place among those that are open; it leaves when this is dropped.
pub(crate) struct Place<'a> {
    tunnels: &'a Tunnels,
    id: u64,
    entry: Rc<Entry>,
}

impl Tunnels {
    pub(super) fn enter(&self, facts: Facts, peer: SocketAddr) -> Place<'_> {
        let id = self.next.get();
        self.next.set(id + 1);
        let entry = Rc::new(Entry {
            facts,
            peer,
            denied: Notify::new(),
        });
        self.entries.borrow_mut().insert(id, Rc::clone(&entry));
        Place {
            tunnels: self,
            id,
            entry,
        }
    }

    /// Ends those that this configuration does not allow.
    pub(crate) fn judge(&self, snapshot: &Snapshot, own: &OwnAddresses) {
        for entry in self.entries.borrow().values() {
            if !entry.allowed_by(snapshot, own) {
                entry.denied.notify_one();
            }
        }
    }
}

impl Place<'_> {
    pub(super) fn is_allowed(&self, snapshot: &Snapshot, worker: &Worker) -> bool {
        let own = worker.shared.own.load();
        self.entry.allowed_by(snapshot, &own)
    }

    /// Ends when the tunnel has to.
    pub(super) async fn denied(&self) {
        self.entry.denied.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut entries = self.tunnels.entries.borrow_mut();
        entries.remove(&self.id);
        if entries.capacity() > 4 * entries.len() + 1024 {
            entries.shrink_to_fit();
        }
    }
}

impl Facts {
    /// Of a request as it came.
    pub(crate) fn new(
        connection: &Connection,
        target: &Target,
        request: &Parts,
        plan: &Plan<'_>,
    ) -> Self {
        Self {
            bind: connection.bind,
            tls: connection.tls.clone(),
            target: target.clone(),
            request: detached(request),
            protocol: None,
            backend: plan.backend.clone(),
            destination: plan.destination.clone(),
        }
    }

    /// The same of a request for another protocol.
    pub(crate) fn of_upgrade(self, protocol: &str) -> Self {
        Self {
            protocol: Some(protocol.into()),
            ..self
        }
    }

    /// Whether such tunnels are let through at all.
    fn is_taken(&self, upgrades: &Upgrades) -> bool {
        match &self.protocol {
            Some(protocol) => upgrades.allow(protocol),
            None => upgrades.connect || self.target.is_passthrough(),
        }
    }

    fn rule_of<'a>(&self, snapshot: &'a Snapshot) -> Option<Found<'a>> {
        let socket = snapshot.sockets.get(&self.bind)?;
        let listener = if self.target.is_passthrough() {
            let named = socket.listener_named(self.target.host.name())?;
            Some(named).filter(|named| matches!(named.protocol, Protocol::Passthrough))
        } else {
            socket.listener_for(&self.target.host)
        }?;
        let is_good = self
            .tls
            .as_ref()
            .is_none_or(|tls| tls.is_good_for(listener));
        if listener.refuse.is_some() || !is_good {
            return None;
        }
        let Parts {
            method,
            uri,
            headers,
            ..
        } = &self.request;
        listener.routes.find(&RequestFacts {
            host: &self.target.host,
            method,
            path: &compared_path(uri.path(), method),
            query: uri.query(),
            headers,
        })
    }

    /// How it would be sent by that backend, if it would be sent where it went.
    fn plan<'a>(&self, found: &Found<'a>, backend: &'a WeightedBackend) -> Option<Plan<'a>> {
        let mut plan = Plan::decide(&self.target, found, backend, &self.request).ok()?;
        let is_same = *plan.backend == self.backend
            && (plan.dynamic || !self.target.connect || self.target.is_passthrough())
            && plan.goes_to(&self.destination);
        is_same.then_some(plan)
    }
}

impl Entry {
    /// Whether a request like it would be let through now, to where it went.
    fn allowed_by(&self, snapshot: &Snapshot, own: &OwnAddresses) -> bool {
        let Some(found) = self.facts.rule_of(snapshot) else {
            return false;
        };
        let Facts {
            target, request, ..
        } = &self.facts;
        if !policy::lets_in(found.rule, target, request) {
            return false;
        }
        let Action::Forward(backends) = &found.rule.action else {
            return false;
        };
        if !self.facts.is_taken(&found.rule.upgrades) {
            return false;
        }
        let mut plans = backends
            .backends
            .iter()
            .filter_map(|backend| self.facts.plan(&found, backend));
        plans.any(|plan| {
            let egress = plan.egress.of_open_tunnels();
            let plan = plan.under(&egress);
            let guard = EgressGuard {
                egress: plan.egress,
                own,
            };
            guard.permit(self.peer).is_ok() && policy::allows(&plan, &self.facts.request.method)
        })
    }
}

/// The head, without the buffer it was read into, which is large.
fn detached(request: &Parts) -> Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = request.method.clone();
    head.version = request.version;
    let uri = (request.method != Method::CONNECT).then(|| request.uri.to_string());
    head.uri = uri
        .and_then(|uri| uri.parse::<Uri>().ok())
        .unwrap_or_default();
    head.headers = copied(&request.headers);
    head
}

/// Values of one buffer of their own.
fn copied(headers: &HeaderMap) -> HeaderMap {
    let size = headers.values().map(HeaderValue::len).sum();
    let mut buffer = BytesMut::with_capacity(size);
    let mut copy = HeaderMap::with_capacity(headers.keys_len());
    for (name, value) in headers {
        buffer.put_slice(value.as_bytes());
        if let Ok(value) = HeaderValue::from_maybe_shared(buffer.split().freeze()) {
            copy.append(name, value);
        }
    }
    copy
}
