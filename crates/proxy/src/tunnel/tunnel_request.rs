//! The request that opened a tunnel, kept so that the tunnel can be reevaluated against a later configuration.

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::{BufMut, BytesMut};
use egret_config::name::{Host, Port};
use egret_config::resources::ObjectRef;
use egret_config::route::{RequestFacts, RouteMatch};
use egret_config::snapshot::{
    AllowedUpgrades, BindAddress, ListenerProtocol, RuleAction, Snapshot, WeightedBackend,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

use super::SniWatch;
use crate::client::{ClientConnection, TerminatedTls};
use crate::message::target::{Target, TargetForm};
use crate::plan::destination::DestinationKey;
use crate::plan::{ForwardPlan, PlannedRoute, compared_path};
use crate::policy::{self, ClientIdentity, PolicyContext};
use crate::upstream::SharedUpstreams;

/// The facts that decide whether a configuration allows a tunnel.
pub(crate) struct TunnelRequest {
    bind: BindAddress,
    /// The result of the TLS handshake, if TLS is terminated here.
    tls: Option<Box<TerminatedTls>>,
    /// Who opened the tunnel.
    client: Rc<ClientIdentity>,
    target: Target,
    /// The request as received, with its credentials. It is never logged or exported.
    request: Parts,
    /// The protocol that an Upgrade request asked for; `None` for CONNECT and TLS.
    protocol: Option<Box<str>>,
    /// The backend and the destination that the tunnel was opened to.
    backend: ObjectRef,
    destination: DestinationKey,
    /// The ClientHello inside the tunnel of a CONNECT.
    sni: Option<Rc<SniWatch>>,
}

impl TunnelRequest {
    /// Keeps a request as received: on this connection, from this client.
    pub(crate) fn new(
        (connection, client): (&ClientConnection, &Rc<ClientIdentity>),
        target: &Target,
        request: &Parts,
        plan: &ForwardPlan<'_>,
    ) -> Self {
        Self {
            bind: connection.bind,
            tls: connection.tls.clone().map(Box::new),
            client: Rc::clone(client),
            target: target.clone(),
            request: without_read_buffer(request),
            protocol: None,
            backend: plan.backend.clone(),
            destination: plan.destination.clone(),
            sni: None,
        }
    }

    /// Watches the ClientHello inside the tunnel, which is that of a CONNECT.
    pub(crate) fn watching_sni(self, watch: SniWatch) -> Self {
        Self {
            sni: Some(Rc::new(watch)),
            ..self
        }
    }

    /// The host and port that the tunnel goes to.
    pub(super) fn destination(&self) -> (&Host, Port) {
        (&self.destination.host, self.destination.port)
    }

    /// The client's address.
    pub(super) fn client_address(&self) -> SocketAddr {
        self.client.address
    }

    /// The ClientHello inside the tunnel.
    pub(super) fn sni(&self) -> Option<&Rc<SniWatch>> {
        self.sni.as_ref()
    }

    /// Adds the protocol that an Upgrade request asked for.
    pub(crate) fn with_protocol(self, protocol: &str) -> Self {
        Self {
            protocol: Some(protocol.into()),
            ..self
        }
    }

    /// Keeps the destination that the tunnel was opened to in the end.
    pub(crate) fn with_destination(self, destination: DestinationKey) -> Self {
        Self {
            destination,
            ..self
        }
    }

    /// Whether this configuration would admit the request and lead it to the tunnel's destination and peer address.
    pub(super) fn is_allowed(
        &self,
        snapshot: &Snapshot,
        peer: SocketAddr,
        shared: &SharedUpstreams,
    ) -> bool {
        let own = &shared.own_addresses.load();
        let Some(found) = self.matching_rule(snapshot) else {
            return false;
        };
        let context = PolicyContext {
            rule: found.rule,
            target: &self.target,
            request: &self.request,
            client: &self.client,
            credentials: &shared.credentials,
            asked_before: true,
        };
        let Some(admitted) = policy::readmit(&context) else {
            return false;
        };
        let RuleAction::Forward(backends) = &found.rule.action else {
            return false;
        };
        if !self.is_served(found.rule.policies.upgrades()) {
            return false;
        }
        let mut plans = backends
            .backends
            .iter()
            .filter_map(|backend| self.plan(&found, backend));
        plans.any(|plan| admitted.keeps(&context, &plan, peer, own) && self.keeps_sni(&plan))
    }

    /// Whether the egress policies of the plan allow the ClientHello that was read. One that has not been read yet is judged
    /// by them when it is.
    fn keeps_sni(&self, plan: &ForwardPlan<'_>) -> bool {
        let Some(watch) = &self.sni else {
            return true;
        };
        let requirement = plan.egress.sni(true);
        let is_kept = watch.allows(requirement);
        if is_kept {
            watch.require(requirement);
        }
        is_kept
    }

    /// Whether the rule allows this CONNECT or this upgrade.
    fn is_served(&self, upgrades: &AllowedUpgrades) -> bool {
        match &self.protocol {
            Some(protocol) => upgrades.allow(protocol),
            None => upgrades.connect || self.target.form != TargetForm::Connect,
        }
    }

    fn matching_rule<'a>(&self, snapshot: &'a Snapshot) -> Option<RouteMatch<'a>> {
        let socket = snapshot.sockets.get(&self.bind)?;
        let named = || socket.listener_for_sni(self.target.host.name());
        let listener = match self.target.form {
            TargetForm::Request | TargetForm::Connect => socket.listener_for(&self.target.host),
            TargetForm::Passthrough => {
                named().filter(|named| matches!(named.protocol, ListenerProtocol::Passthrough))
            }
            TargetForm::Terminate => {
                named().filter(|named| matches!(named.protocol, ListenerProtocol::Terminate(_)))
            }
        }?;
        let is_valid = self
            .tls
            .as_ref()
            .is_none_or(|tls| tls.is_valid_for(listener));
        if listener.refuse.is_some() || !is_valid {
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

    /// The plan for this backend, if it leads to the tunnel's destination.
    fn plan<'a>(
        &self,
        found: &RouteMatch<'a>,
        backend: &'a WeightedBackend,
    ) -> Option<ForwardPlan<'a>> {
        let route = PlannedRoute::from(found);
        let mut plan = ForwardPlan::new(&self.target, &route, backend, &self.request).ok()?;
        let is_same = *plan.backend == self.backend
            && (plan.dynamic || self.target.form != TargetForm::Connect)
            && plan.goes_to(&self.destination);
        is_same.then_some(plan)
    }
}

/// Copies a head, so that it does not keep the large buffer alive that it was read into.
fn without_read_buffer(request: &Parts) -> Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = request.method.clone();
    head.version = request.version;
    let uri = (request.method != Method::CONNECT).then(|| request.uri.to_string());
    head.uri = uri
        .and_then(|uri| uri.parse::<Uri>().ok())
        .unwrap_or_default();
    head.headers = copy_headers(&request.headers);
    head
}

/// Copies header fields, with all values in one buffer.
fn copy_headers(headers: &HeaderMap) -> HeaderMap {
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
