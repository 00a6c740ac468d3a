//! One listener of a Gateway while it is compiled.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::conflict::Conflict;
use super::tls::{Secured, Site};
use crate::api::gateway::{
    AllowedRoutes, GatewayListener, ListenerTls, RouteKind as KindSpec, TlsMode,
};
use crate::compile::backend::port_of;
use crate::compile::log::Fault;
use crate::compile::namespace::Namespaces;
use crate::name::{HostPattern, Port};
use crate::resources::{GATEWAY_GROUP, Kind, ObjectRef, Resources};
use crate::route::Entry;
use crate::snapshot::{Misconfiguration, Protocol, ServerTls};

mod status;

/// What the connections of a listener carry, before it is known with which certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carries {
    Http,
    Https,
    Passthrough,
}

/// A listener, the routes that attached to it so far, and what is wrong with it.
#[derive(Debug)]
pub(in crate::compile) struct ListenerDraft<'a> {
    pub(in crate::compile) hostname: Option<HostPattern>,
    pub(in crate::compile) entries: Vec<Entry>,
    attached: BTreeSet<ObjectRef>,
    spec: &'a GatewayListener,
    field: String,
    port: Option<Port>,
    namespaces: Option<Namespaces>,
    /// `None` is nothing that is supported.
    carries: Option<Carries>,
    /// Of an HTTPS listener.
    tls: Option<Arc<ServerTls>>,
    /// The kinds of route that it takes.
    kinds: Vec<Kind>,
    /// Reason and fault, by condition; the first of a condition is its reason.
    not_accepted: Vec<(&'static str, Fault)>,
    not_resolved: Vec<(&'static str, Fault)>,
    warnings: Vec<Fault>,
    conflict: Option<Conflict>,
    /// A policy is wrong: it is served, and refuses everything.
    replaced: bool,
}

impl<'a> ListenerDraft<'a> {
    pub(super) fn new(index: usize, spec: &'a GatewayListener) -> Self {
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
            attached: BTreeSet::new(),
            spec,
            port: None,
            namespaces: None,
            carries: None,
            tls: None,
            kinds: Vec::new(),
            not_accepted: Vec::new(),
            not_resolved: Vec::new(),
            warnings: Vec::new(),
            conflict: None,
            replaced: false,
            field,
        };
        draft.carry(protocol, tls.as_ref());
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

    fn carry(&mut self, protocol: &str, tls: Option<&ListenerTls>) {
        let is_passed_on = tls.is_some_and(|tls| matches!(tls.mode, Some(TlsMode::Passthrough)));
        match (protocol, tls) {
            ("HTTP", None) => self.carries = Some(Carries::Http),
            ("HTTP", Some(_)) => {
                let message = "not for a listener of protocol HTTP";
                self.refuse("UnsupportedValue", "tls", message.to_owned());
            }
            ("HTTPS", _) if is_passed_on => {
                let message = "TLS that is passed on is for a listener of protocol TLS";
                self.refuse("UnsupportedValue", "tls.mode", message.to_owned());
            }
            ("HTTPS", _) => self.carries = Some(Carries::Https),
            ("TLS", Some(tls)) if is_passed_on => {
                self.carries = Some(Carries::Passthrough);
                let has_certificates = tls.certificate_refs.iter().flatten().next().is_some();
                let has_options = tls.options.iter().flatten().next().is_some();
                let unused = [
                    ("certificateRefs", has_certificates),
                    ("options", has_options),
                ];
                for (name, _) in unused.into_iter().filter(|(_, is_given)| *is_given) {
                    let field = format!("{}.tls.{name}", self.field);
                    let message = "not used, as TLS is passed on";
                    self.warnings.push(Fault::new(field, message));
                }
            }
            ("TLS", _) => {
                let message =
                    "Terminate is not supported yet on a listener of protocol TLS; Passthrough is";
                self.refuse("UnsupportedValue", "tls.mode", message.to_owned());
            }
            (other, _) => {
                let message = format!("{other} is not supported yet; HTTP, HTTPS and TLS are");
                self.refuse("UnsupportedProtocol", "protocol", message);
            }
        }
    }

    /// Looks up what an HTTPS listener shows, and whom it lets in.
    pub(super) fn secure(&mut self, site: Site<'_>) {
        let (Some(Carries::Https), Some(port)) = (self.carries, self.port) else {
            return;
        };
        let nothing = ListenerTls::default();
        let tls = self.spec.tls.as_ref().unwrap_or(&nothing);
        let Secured {
            tls,
            not_accepted,
            not_resolved,
            warnings,
        } = Secured::read(site, tls, (self.name(), port, &self.field));
        self.tls = tls.map(Arc::new);
        self.not_accepted.extend(not_accepted);
        self.not_resolved.extend(not_resolved);
        self.warnings.extend(warnings);
    }

    /// The port that an HTTPS listener is meant to be on.
    pub(super) fn https_port(&self) -> Option<Port> {
        self.port.filter(|_| self.carries == Some(Carries::Https))
    }

    fn allow_routes(&mut self, spec: Option<&AllowedRoutes>) {
        let (kinds, namespaces) = match spec {
            Some(AllowedRoutes { kinds, namespaces }) => (kinds.as_deref(), namespaces.as_ref()),
            None => (None, None),
        };
        let field = format!("{}.allowedRoutes", self.field);
        match Namespaces::compile(namespaces, &format!("{field}.namespaces")) {
            Ok(namespaces) => self.namespaces = Some(namespaces),
            Err(fault) => self.not_accepted.push(("UnsupportedValue", fault)),
        }
        let possible = kinds_of(&self.spec.protocol);
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
                    let message = format!(
                        "{group}/{kind} is not for a listener of protocol {}; {} is",
                        self.spec.protocol,
                        names.join(", ")
                    );
                    let fault = Fault::new(format!("{field}.kinds[{index}]"), message);
                    self.not_resolved.push(("InvalidRouteKinds", fault));
                }
            }
        }
    }

    fn refuse(&mut self, reason: &'static str, field: &str, message: String) {
        let field = format!("{}.{field}", self.field);
        self.not_accepted.push((reason, Fault::new(field, message)));
    }

    pub(in crate::compile) fn name(&self) -> &'a str {
        &self.spec.name
    }

    /// Whether a parentRef with this section and port means this listener.
    pub(in crate::compile) fn is_meant(&self, section: Option<&str>, port: Option<i32>) -> bool {
        section.is_none_or(|section| section == self.name())
            && port.is_none_or(|port| port == self.spec.port)
    }

    /// Whether routes of this kind may attach.
    pub(in crate::compile) fn takes(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Whether routes of a namespace may attach.
    pub(in crate::compile) fn allows(
        &self,
        resources: &Resources,
        gateway: &str,
        route: &str,
    ) -> bool {
        let namespaces = self.namespaces.as_ref();
        namespaces.is_some_and(|namespaces| namespaces.allow(resources, gateway, route))
    }

    /// Attaches a route's entries, once.
    pub(in crate::compile) fn attach(
        &mut self,
        route: &ObjectRef,
        entries: impl IntoIterator<Item = Entry>,
    ) {
        if self.attached.insert(route.clone()) {
            self.entries.extend(entries);
        }
    }

    /// Where it is, and what it carries there, if it could be served as far as that goes.
    pub(super) fn place(&self) -> Option<(Port, Carries)> {
        Some((self.port_if_fine()?, self.carries?))
    }

    pub(super) fn port_if_fine(&self) -> Option<Port> {
        self.port.filter(|_| self.not_accepted.is_empty())
    }

    /// The port, and what is served there.
    pub(super) fn to_serve(&self) -> Option<(Port, Protocol)> {
        let is_served = self.not_accepted.is_empty() || self.replaced;
        let port = self.port.filter(|_| is_served)?;
        let protocol = match self.carries? {
            Carries::Http => Protocol::Http,
            Carries::Https => Protocol::Https(self.tls.clone()?),
            Carries::Passthrough => Protocol::Passthrough,
        };
        Some((port, protocol))
    }

    pub(super) fn conflict(&mut self, conflict: Conflict) {
        self.conflict = Some(conflict);
        let message = conflict.message().to_owned();
        self.refuse(conflict.reason(), conflict.field(), message);
    }

    /// Another listener of the Gateway has the same name: which one is meant by a reference cannot be told.
    pub(super) fn ambiguous(&mut self) {
        let message = "another listener of this Gateway has the same name".to_owned();
        self.refuse("UnsupportedValue", "name", message);
    }

    pub(super) fn port_unavailable(&mut self, owner: &ObjectRef) {
        self.refuse(
            "PortUnavailable",
            "port",
            format!("the port belongs to the older {owner}"),
        );
    }

    /// Notes that a policy makes it refuse everything.
    pub(super) fn replaced(&mut self, broken: &Misconfiguration) {
        if self.not_accepted.is_empty() {
            self.replaced = true;
            let Misconfiguration { object, message } = broken;
            let fault = Fault::new(
                &self.field,
                format!("every request is refused, because of {object}: {message}"),
            );
            self.not_accepted.push(("ListenerReplaced", fault));
        }
    }

    pub(super) fn faults(&self) -> impl Iterator<Item = &Fault> {
        let wrong = self.not_accepted.iter().chain(&self.not_resolved);
        wrong.map(|(_, fault)| fault)
    }

    /// Fine, but worth a look.
    pub(super) fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    pub(super) fn is_programmed(&self) -> bool {
        self.not_accepted.is_empty() && self.to_serve().is_some()
    }
}

/// The kinds of route that a listener can take, by what its connections carry.
fn kinds_of(protocol: &str) -> &'static [Kind] {
    match protocol {
        "HTTP" | "HTTPS" => &[Kind::HttpRoute, Kind::GrpcRoute],
        "TLS" => &[Kind::TlsRoute],
        _ => &[],
    }
}
