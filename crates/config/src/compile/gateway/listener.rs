//! One listener of a Gateway, while it is compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use egret_api::gateway::{
    AllowedRoutes, GatewayListener, ListenerTls, RouteKind as KindSpec, TlsMode,
};
use egret_api::suggest::did_you_mean;

use super::conflict::ListenerConflict;
use super::tls::{GatewayContext, ListenerTlsDraft, TlsListener};
use crate::compile::backend::port_of;
use crate::compile::log::FieldFault;
use crate::compile::namespace::NamespaceSelection;
use crate::compile::policy::{CompiledPolicies, ListenerScope};
use crate::compile::review::FaultCause;
use crate::name::{HostPattern, Port};
use crate::resources::{GATEWAY_GROUP, Kind, ObjectRef, Resources, SourceLocation};
use crate::route::{RouteEntry, RouteTable};
use crate::snapshot::{AlpnProtocol, Listener, ListenerProtocol, Misconfiguration, ServerTls};

mod status;

/// The content of a listener's connections, before its certificates are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionContent {
    Http,
    Https,
    Passthrough,
    /// TLS that is terminated, with anything inside.
    Terminate,
}

/// The object that has a listener, and where it is written.
#[derive(Clone, Copy, Debug)]
pub(in crate::compile) struct ListenerOwner<'a> {
    /// The Gateway, or a ListenerSet.
    pub(in crate::compile) object: &'a ObjectRef,
    pub(in crate::compile) source: &'a SourceLocation,
}

/// A listener with its faults, and the routes that are attached so far.
#[derive(Debug)]
pub(in crate::compile) struct ListenerDraft<'a> {
    pub(in crate::compile) hostname: Option<HostPattern>,
    pub(in crate::compile) entries: Vec<RouteEntry>,
    /// The first entry of each kind of route at each host.
    firsts: BTreeMap<Option<HostPattern>, BTreeMap<Kind, usize>>,
    pub(in crate::compile) owner: ListenerOwner<'a>,
    attached: BTreeSet<ObjectRef>,
    spec: &'a GatewayListener,
    field: String,
    port: Option<Port>,
    namespaces: Option<NamespaceSelection>,
    /// The content of connections; `None` if the protocol is not supported.
    content: Option<ConnectionContent>,
    /// The TLS settings of a listener that terminates TLS.
    tls: Option<Arc<ServerTls>>,
    /// The kinds of route that may attach.
    kinds: Vec<Kind>,
    /// Reason and fault, by condition. The first reason is that of the condition.
    not_accepted: Vec<(&'static str, FieldFault)>,
    not_resolved: Vec<(&'static str, FieldFault)>,
    warnings: Vec<FieldFault>,
    conflict: Option<ListenerConflict>,
    /// Whether a policy is not valid: the listener is served, and refuses every request.
    replaced: bool,
}

impl<'a> ListenerDraft<'a> {
    pub(super) fn new(owner: ListenerOwner<'a>, index: usize, spec: &'a GatewayListener) -> Self {
        let GatewayListener {
            allowed_routes,
            hostname,
            name: _,
            port,
            protocol,
            tls,
        } = spec;
        let field = format!("spec.listeners[{index}]");
        let mut draft = Self {
            hostname: None,
            entries: Vec::new(),
            firsts: BTreeMap::new(),
            owner,
            attached: BTreeSet::new(),
            spec,
            port: None,
            namespaces: None,
            content: None,
            tls: None,
            kinds: Vec::new(),
            not_accepted: Vec::new(),
            not_resolved: Vec::new(),
            warnings: Vec::new(),
            conflict: None,
            replaced: false,
            field,
        };
        draft.read_protocol(protocol, tls.as_ref());
        match port_of(*port) {
            Ok(port) => draft.port = Some(port),
            Err(message) => draft.refuse("PortUnavailable", "port", message.to_owned()),
        }
        match hostname
            .as_deref()
            .filter(|text| !text.is_empty())
            .map(HostPattern::parse)
        {
            None => {}
            Some(Ok(pattern)) => draft.hostname = Some(pattern),
            Some(Err(error)) => draft.refuse("UnsupportedValue", "hostname", error.to_string()),
        }
        draft.allow_routes(allowed_routes.as_ref());
        draft
    }

    fn read_protocol(&mut self, protocol: &str, tls: Option<&ListenerTls>) {
        let is_passthrough = tls.is_some_and(|tls| matches!(tls.mode, Some(TlsMode::Passthrough)));
        match (protocol, tls) {
            ("HTTP", None) => self.content = Some(ConnectionContent::Http),
            ("HTTP", Some(_)) => {
                let message = "not for a listener of protocol HTTP";
                self.refuse("UnsupportedValue", "tls", message.to_owned());
            }
            ("HTTPS", _) if is_passthrough => {
                let message = "mode Passthrough needs a listener of protocol TLS";
                self.refuse("UnsupportedValue", "tls.mode", message.to_owned());
            }
            ("HTTPS", _) => self.content = Some(ConnectionContent::Https),
            ("TLS", Some(tls)) if is_passthrough => {
                self.content = Some(ConnectionContent::Passthrough);
                let has_certificates = tls.certificate_refs.iter().flatten().next().is_some();
                let has_options = tls.options.iter().flatten().next().is_some();
                let unused = [
                    ("certificateRefs", has_certificates),
                    ("options", has_options),
                ];
                for (name, _) in unused.into_iter().filter(|(_, is_given)| *is_given) {
                    let field = format!("{}.tls.{name}", self.field);
                    let message = "not used with TLS passthrough";
                    self.warnings.push(FieldFault::new(field, message));
                }
            }
            ("TLS", _) => self.content = Some(ConnectionContent::Terminate),
            (other, _) => {
                let meant = did_you_mean(other, ["HTTP", "HTTPS", "TLS"]);
                let message =
                    format!("{other} is not supported yet; HTTP, HTTPS and TLS are{meant}");
                self.refuse("UnsupportedProtocol", "protocol", message);
            }
        }
    }

    /// Compiles the TLS settings of a listener that terminates TLS.
    pub(super) fn read_tls(&mut self, context: GatewayContext<'_>) {
        let (Some(content), Some(port)) = (self.content, self.terminating_port()) else {
            return;
        };
        let nothing = ListenerTls::default();
        let tls = self.spec.tls.as_ref().unwrap_or(&nothing);
        let ListenerTlsDraft {
            tls,
            not_accepted,
            not_resolved,
            warnings,
        } = ListenerTlsDraft::read(
            context,
            tls,
            TlsListener {
                scope: self.scope(context.gateway),
                port,
                field: &self.field,
                default_alpn: match content {
                    // It is unknown what the backend understands.
                    ConnectionContent::Terminate => &[],
                    _ => &AlpnProtocol::BOTH,
                },
            },
        );
        self.tls = tls.map(Arc::new);
        self.not_accepted.extend(not_accepted);
        self.not_resolved.extend(not_resolved);
        self.warnings.extend(warnings);
    }

    /// The port of a listener that terminates TLS, whether or not it is accepted.
    pub(super) fn terminating_port(&self) -> Option<Port> {
        let content = self.content?;
        let terminates = [ConnectionContent::Https, ConnectionContent::Terminate];
        self.port.filter(|_| terminates.contains(&content))
    }

    fn allow_routes(&mut self, spec: Option<&AllowedRoutes>) {
        let (kinds, namespaces) = match spec {
            Some(AllowedRoutes { kinds, namespaces }) => (kinds.as_deref(), namespaces.as_ref()),
            None => (None, None),
        };
        let field = format!("{}.allowedRoutes", self.field);
        match NamespaceSelection::compile(namespaces, &format!("{field}.namespaces")) {
            Ok(namespaces) => self.namespaces = Some(namespaces),
            Err(fault) => self.not_accepted.push(("UnsupportedValue", fault)),
        }
        let possible = supported_kinds(&self.spec.protocol);
        let kinds = kinds.unwrap_or_default();
        if kinds.is_empty() {
            self.kinds = possible.to_vec();
        }
        for (index, KindSpec { group, kind }) in kinds.iter().enumerate() {
            let group = group.as_deref().unwrap_or(GATEWAY_GROUP);
            match Kind::find(group, kind).filter(|kind| possible.contains(kind)) {
                Some(kind) if self.kinds.contains(&kind) => {}
                Some(kind) => self.kinds.push(kind),
                None => {
                    let names: Vec<&str> = possible.iter().map(|kind| kind.as_str()).collect();
                    let fitting = match names.as_slice() {
                        [] => "no kind of route is",
                        [name] => &format!("{name} is"),
                        names => &format!("{} are", names.join(" and ")),
                    };
                    let message = format!(
                        "{group}/{kind} is not for a listener of protocol {}; {fitting}",
                        self.spec.protocol
                    );
                    let fault = FieldFault::new(format!("{field}.kinds[{index}]"), message);
                    self.not_resolved.push(("InvalidRouteKinds", fault));
                }
            }
        }
        // What is not served takes no routes.
        if self.content.is_none() {
            self.kinds.clear();
        }
    }

    fn refuse(&mut self, reason: &'static str, field: &str, message: String) {
        let field = format!("{}.{field}", self.field);
        self.not_accepted
            .push((reason, FieldFault::new(field, message)));
    }

    pub(in crate::compile) fn name(&self) -> &'a str {
        &self.spec.name
    }

    /// The listener as policies apply to it, as one of this Gateway.
    pub(in crate::compile) fn scope<'s>(&'s self, gateway: &'s ObjectRef) -> ListenerScope<'s> {
        ListenerScope {
            gateway,
            owner: self.owner.object,
            name: self.name(),
        }
    }

    /// Whether the listener is one of a ListenerSet.
    pub(super) fn is_of_set(&self) -> bool {
        self.owner.object.kind != Kind::Gateway
    }

    /// Whether a parentRef with this object, section and port selects the listener.
    pub(in crate::compile) fn matches_parent_ref(
        &self,
        parent: &ObjectRef,
        section: Option<&str>,
        port: Option<i32>,
    ) -> bool {
        parent == self.owner.object
            && section.is_none_or(|section| section == self.name())
            && port.is_none_or(|port| port == self.spec.port)
    }

    /// Whether routes of this kind may attach.
    pub(in crate::compile) fn accepts_kind(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Whether routes of a namespace may attach.
    pub(in crate::compile) fn allows_namespace(&self, resources: &Resources, route: &str) -> bool {
        let own = &self.owner.object.namespace;
        let namespaces = self.namespaces.as_ref();
        namespaces.is_some_and(|namespaces| namespaces.allow(resources, own, route))
    }

    /// Attaches the entries of a route, unless the route is attached already.
    pub(in crate::compile) fn attach(
        &mut self,
        route: &ObjectRef,
        entries: impl IntoIterator<Item = RouteEntry>,
    ) {
        if !self.attached.insert(route.clone()) {
            return;
        }
        for entry in entries {
            let kinds = self.firsts.entry(entry.host.clone()).or_default();
            kinds.entry(route.kind).or_insert(self.entries.len());
            self.entries.push(entry);
        }
    }

    /// The first route of another kind that is attached at one of these hosts.
    pub(in crate::compile) fn first_of_another_kind<'h>(
        &self,
        kind: Kind,
        hosts: impl IntoIterator<Item = &'h Option<HostPattern>>,
    ) -> Option<&ObjectRef> {
        let known = hosts.into_iter().filter_map(|host| self.firsts.get(host));
        let others = known.flatten().filter(|(other, _)| **other != kind);
        let first = others.map(|(_, entry)| *entry).min()?;
        self.entries.get(first).map(|entry| &entry.rule.route)
    }

    /// The port and the content, if the listener is accepted so far.
    pub(super) fn accepted_content(&self) -> Option<(Port, ConnectionContent)> {
        Some((self.accepted_port()?, self.content?))
    }

    pub(super) fn accepted_port(&self) -> Option<Port> {
        self.port.filter(|_| self.not_accepted.is_empty())
    }

    /// The port and the protocol, if the listener is served.
    pub(super) fn served(&self) -> Option<(Port, ListenerProtocol)> {
        let is_served = self.not_accepted.is_empty() || self.replaced;
        let port = self.port.filter(|_| is_served)?;
        let protocol = match self.content? {
            ConnectionContent::Http => ListenerProtocol::Http,
            ConnectionContent::Https => ListenerProtocol::Https(self.tls.clone()?),
            ConnectionContent::Passthrough => ListenerProtocol::Passthrough,
            ConnectionContent::Terminate => ListenerProtocol::Terminate(self.tls.clone()?),
        };
        Some((port, protocol))
    }

    /// Refuses the listener because of a conflict, which comes before whatever else is wrong. `cause` says whether it is
    /// with a listener of the same object.
    pub(super) fn conflict(&mut self, conflict: ListenerConflict, cause: FaultCause) {
        self.conflict = Some(conflict);
        let field = format!("{}.{}", self.field, conflict.field());
        let fault = FieldFault::new(field, conflict.message()).with_cause(cause);
        self.not_accepted.insert(0, (conflict.reason(), fault));
    }

    /// The port of a listener of protocol `TCP`, which is not supported, but would have the whole port if it were.
    pub(super) fn tcp_port(&self) -> Option<Port> {
        self.port.filter(|_| self.spec.protocol == "TCP")
    }

    /// Refuses the listener because another listener of the Gateway has the same name, so that references are
    /// ambiguous.
    pub(super) fn mark_duplicate_name(&mut self) {
        let message = "another listener of this Gateway has the same name".to_owned();
        self.refuse("UnsupportedValue", "name", message);
    }

    /// Refuses the listener because its port belongs to something else.
    pub(super) fn port_unavailable(&mut self, message: String) {
        let field = format!("{}.port", self.field);
        let fault = FieldFault::reference(field, message);
        self.not_accepted.push(("PortUnavailable", fault));
    }

    /// Refuses the listener for a port that every pod of a Gateway has for itself.
    pub(super) fn port_reserved(&mut self, port: Port) {
        let field = format!("{}.port", self.field);
        let message = format!("invalid port {port} in listener: port is reserved");
        self.not_accepted
            .push(("Invalid", FieldFault::new(field, message)));
    }

    /// Makes the listener refuse every request because of a policy.
    pub(super) fn refuse_all(&mut self, broken: &Misconfiguration) {
        if self.not_accepted.is_empty() {
            self.replaced = true;
            let Misconfiguration { object, message } = broken;
            let message = format!("every request is refused, because of {object}: {message}");
            let fault = FieldFault::reference(&self.field, message);
            self.not_accepted.push(("ListenerReplaced", fault));
        }
    }

    /// The listener as it is served for this Gateway, or refuses every request.
    pub(super) fn finish(
        self,
        gateway: &ObjectRef,
        protocol: ListenerProtocol,
        policies: &CompiledPolicies,
        refuse: Option<Misconfiguration>,
    ) -> Listener {
        let access_log = policies.access_log(self.scope(gateway));
        let http = policies.listener_http(self.scope(gateway));
        let ObjectRef {
            namespace, name, ..
        } = gateway;
        let set = self.is_of_set().then(|| self.owner.object.clone());
        let own = match &set {
            None => self.name().to_owned(),
            Some(set) => format!("{}/{}/{}", set.namespace, set.name, self.name()),
        };
        Listener {
            gateway: gateway.clone(),
            set,
            name: self.name().to_owned(),
            full_name: format!("{namespace}/{name}/{own}").into(),
            hostname: self.hostname,
            protocol,
            access_log,
            http,
            routes: RouteTable::new(self.entries),
            refuse,
        }
    }

    pub(super) fn faults(&self) -> impl Iterator<Item = &FieldFault> {
        let wrong = self.not_accepted.iter().chain(&self.not_resolved);
        wrong.map(|(_, fault)| fault)
    }

    /// Warnings about the listener.
    pub(super) fn warnings(&self) -> &[FieldFault] {
        &self.warnings
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.not_accepted.is_empty()
    }

    pub(super) fn has_unresolved_references(&self) -> bool {
        !self.not_resolved.is_empty()
    }

    pub(super) fn is_programmed(&self) -> bool {
        self.not_accepted.is_empty() && self.served().is_some()
    }
}

/// The kinds of route that a listener of this protocol supports.
fn supported_kinds(protocol: &str) -> &'static [Kind] {
    match protocol {
        "HTTP" | "HTTPS" => &[Kind::HttpRoute, Kind::GrpcRoute],
        "TLS" => &[Kind::TlsRoute],
        _ => &[],
    }
}
