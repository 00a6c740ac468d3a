//! One listener of a Gateway while it is compiled.

use std::collections::BTreeSet;

use crate::api::gateway::{AllowedRoutes, GatewayListener, RouteKind as KindSpec};
use crate::compile::backend::port_of;
use crate::compile::log::{Fault, join};
use crate::compile::namespace::Namespaces;
use crate::name::{HostPattern, Port};
use crate::report::{Condition, ListenerStatus, RouteKind};
use crate::resources::{GATEWAY_GROUP, Kind, ObjectRef, Resources};
use crate::route::Entry;
use crate::snapshot::Misconfiguration;

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
    /// The kinds of route that it takes.
    kinds: Vec<Kind>,
    /// Reason and fault, by condition; the first of a condition is its reason.
    not_accepted: Vec<(&'static str, Fault)>,
    not_resolved: Vec<Fault>,
    conflicted: bool,
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
            kinds: Vec::new(),
            not_accepted: Vec::new(),
            not_resolved: Vec::new(),
            conflicted: false,
            replaced: false,
            field,
        };
        if protocol != "HTTP" {
            let message = format!("{protocol} is not supported yet; HTTP is");
            draft.refuse("UnsupportedProtocol", "protocol", message);
        } else if tls.is_some() {
            draft.refuse(
                "UnsupportedValue",
                "tls",
                "not for a listener of protocol HTTP".to_owned(),
            );
        }
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
                    self.not_resolved
                        .push(Fault::new(format!("{field}.kinds[{index}]"), message));
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

    /// What must differ between the listeners of one Gateway.
    pub(super) fn place(&self) -> Option<(Port, Option<HostPattern>)> {
        let port = self.port_if_fine()?;
        Some((port, self.hostname.clone()))
    }

    pub(super) fn port_if_fine(&self) -> Option<Port> {
        self.port.filter(|_| self.not_accepted.is_empty())
    }

    pub(super) fn port_to_serve(&self) -> Option<Port> {
        self.port
            .filter(|_| self.not_accepted.is_empty() || self.replaced)
    }

    pub(super) fn conflict(&mut self) {
        self.conflicted = true;
        let message = "another listener of this Gateway has the same port and hostname".to_owned();
        self.refuse("HostnameConflict", "hostname", message);
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
        self.not_accepted
            .iter()
            .map(|(_, fault)| fault)
            .chain(&self.not_resolved)
    }

    pub(super) fn is_programmed(&self) -> bool {
        self.not_accepted.is_empty()
    }

    pub(super) fn status(&self, gateway_accepted: bool) -> ListenerStatus {
        let accepted = match self.not_accepted.first() {
            None => Condition::new(
                "Accepted",
                true,
                "Accepted",
                "Successfully accepted Listener",
            ),
            Some((reason, _)) => {
                let message = join(self.not_accepted.iter().map(|(_, fault)| fault));
                Condition::new("Accepted", false, reason, message)
            }
        };
        let conflicted = if self.conflicted {
            let message = "Another listener of this Gateway has the same port and hostname";
            Condition::new("Conflicted", true, "HostnameConflict", message)
        } else {
            let message = "Successfully verified that Listener has no conflicts";
            Condition::new("Conflicted", false, "NoConflicts", message)
        };
        let resolved = if self.not_resolved.is_empty() {
            Condition::new(
                "ResolvedRefs",
                true,
                "ResolvedRefs",
                "Successfully resolved all references",
            )
        } else {
            Condition::new(
                "ResolvedRefs",
                false,
                "InvalidRouteKinds",
                join(&self.not_resolved),
            )
        };
        let programmed = if self.is_programmed() && gateway_accepted {
            Condition::new(
                "Programmed",
                true,
                "Programmed",
                "Successfully programmed Listener",
            )
        } else {
            Condition::new(
                "Programmed",
                false,
                "Invalid",
                "Not programmed, because it is not accepted",
            )
        };
        ListenerStatus {
            name: self.name().to_owned(),
            supported_kinds: self.kinds.iter().copied().map(RouteKind).collect(),
            attached_routes: self.attached.len(),
            conditions: vec![accepted, conflicted, resolved, programmed],
        }
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
