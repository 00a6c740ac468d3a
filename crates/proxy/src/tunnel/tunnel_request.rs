//! The request that opened a tunnel, kept so that a later configuration can judge the tunnel by it.

use std::net::SocketAddr;

use bytes::{BufMut, BytesMut};
use egret_config::resources::ObjectRef;
use egret_config::route::{Found, RequestFacts};
use egret_config::snapshot::{Action, BindAddress, Protocol, Snapshot, Upgrades, WeightedBackend};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

use crate::client::{ClientConnection, TerminatedTls};
use crate::dial::egress::{Guard, OwnAddresses};
use crate::message::target::Target;
use crate::plan::destination::DestinationKey;
use crate::plan::{ForwardPlan, PlannedRoute, compared_path};
use crate::policy::{self, PolicyContext};

/// The facts by which a tunnel is judged.
pub(crate) struct TunnelRequest {
    bind: BindAddress,
    /// What the TLS handshake settled, if TLS is terminated here.
    tls: Option<TerminatedTls>,
    target: Target,
    /// The request as it came, with its credentials. It is shown nowhere.
    request: Parts,
    /// The protocol that the request asked for in place of HTTP, if it is not a CONNECT.
    protocol: Option<Box<str>>,
    /// The backend and the destination that the tunnel was opened to.
    backend: ObjectRef,
    destination: DestinationKey,
}

impl TunnelRequest {
    /// Keeps a request as it came.
    pub(crate) fn new(
        connection: &ClientConnection,
        target: &Target,
        request: &Parts,
        plan: &ForwardPlan<'_>,
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

    /// Keeps the protocol that the request asked for in place of HTTP.
    pub(crate) fn with_protocol(self, protocol: &str) -> Self {
        Self {
            protocol: Some(protocol.into()),
            ..self
        }
    }

    /// Whether this configuration would let a request like it through, to where the tunnel leads.
    pub(super) fn is_allowed(
        &self,
        snapshot: &Snapshot,
        peer: SocketAddr,
        own: &OwnAddresses,
    ) -> bool {
        let Some(found) = self.rule_of(snapshot) else {
            return false;
        };
        let context = PolicyContext {
            rule: found.rule,
            target: &self.target,
            request: &self.request,
        };
        if !policy::readmit(&context) {
            return false;
        }
        let Action::Forward(backends) = &found.rule.action else {
            return false;
        };
        if !self.is_taken(found.rule.policies.upgrades()) {
            return false;
        }
        let mut plans = backends
            .backends
            .iter()
            .filter_map(|backend| self.plan(&found, backend));
        plans.any(|plan| {
            let egress = plan.egress.of_open_tunnels();
            let plan = plan.under(&egress);
            let guard = Guard {
                egress: plan.egress,
                own,
            };
            guard.permit(peer).is_ok() && policy::allows(&plan, &self.request.method)
        })
    }

    /// Whether the rule serves tunnels of this kind at all.
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

    /// The plan for this backend, if it leads where the tunnel does.
    fn plan<'a>(&self, found: &Found<'a>, backend: &'a WeightedBackend) -> Option<ForwardPlan<'a>> {
        let route = PlannedRoute::from(found);
        let mut plan = ForwardPlan::new(&self.target, &route, backend, &self.request).ok()?;
        let is_same = *plan.backend == self.backend
            && (plan.dynamic || !self.target.connect || self.target.is_passthrough())
            && plan.goes_to(&self.destination);
        is_same.then_some(plan)
    }
}

/// The head without the buffer it was read into, which is large.
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

/// The same fields, with their values in one buffer of their own.
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
