//! Gateways and their ListenerSets: which sockets are opened, and which listeners share them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::annotation;
use super::class::{CompileOptions, GatewayClasses, GatewayPlacement};
use super::log::{FieldFault, ReportLog};
use super::namespace::NamespaceSelection;
use super::parameters;
use super::policy::{CompiledPolicies, ListenerScope};
use crate::name::Port;
use crate::report::ObjectStatus;
use crate::resources::{LocatedObject, ObjectRef, Resources, oldest_first};
use crate::snapshot::{BindAddress, Listener, ListenerSocket, Misconfiguration, TlsIdentity};

mod backend;
mod conflict;
mod frontend;
mod listener;
mod listener_set;
mod sharing;
mod status;
mod tls;

use backend::BackendTls;
use egret_api::gateway::{Address, DefaultScope, Gateway, GatewaySpec};
use frontend::FrontendTls;
use listener::ListenerOwner;
use listener_set::ListenerSetDraft;
use status::{GatewayStatusDraft, SetStatusDraft};
use tls::GatewayContext;

pub(super) use listener::ListenerDraft;

/// A Gateway that Egret serves, while it is compiled.
#[derive(Debug)]
pub(super) struct GatewayDraft<'a> {
    pub(super) reference: &'a ObjectRef,
    pub(super) object: &'a LocatedObject<Gateway>,
    /// Its listeners, then those of its ListenerSets, by precedence.
    pub(super) listeners: Vec<ListenerDraft<'a>>,
    /// The namespaces whose ListenerSets it allows.
    allowed_sets: NamespaceSelection,
    /// The ListenerSets that name it, attached or not.
    sets: Vec<ListenerSetDraft<'a>>,
    /// The addresses to bind; `None` is every local address.
    addresses: Vec<Option<IpAddr>>,
    /// The reason and the faults, if the Gateway is not accepted.
    refused: Option<(&'static str, Vec<FieldFault>)>,
    frontend: FrontendTls,
    backend: BackendTls,
}

/// Compiles every Gateway that Egret serves, oldest first, and resolves conflicts between their listeners.
pub(super) fn compile<'a>(
    resources: &'a Resources,
    classes: &GatewayClasses,
    options: &CompileOptions,
    policies: &CompiledPolicies,
    log: &mut ReportLog,
) -> Vec<GatewayDraft<'a>> {
    let mut gateways = Vec::new();
    let mut claims: BTreeMap<BindAddress, ObjectRef> = BTreeMap::new();
    let mut sets = resources.sets_by_gateway();
    for (reference, object) in oldest_first(&resources.gateways) {
        if !classes.is_ours(&object.value) {
            let class = &object.value.spec.gateway_class_name;
            let fault = FieldFault::new(
                "spec.gatewayClassName",
                format!("{class} is not a class of Egret; not served"),
            );
            log.warn(reference, &object.source, &fault);
            continue;
        }
        let mut gateway = GatewayDraft::new(reference, object, resources, options.placement);
        gateway.attach_sets(&mut sets, resources);
        gateway.mark_duplicate_names();
        sharing::settle(&mut gateway.listeners);
        gateway.leave_reserved_ports(options);
        if options.placement == GatewayPlacement::Shared {
            gateway.claim_ports(&mut claims);
        }
        gateway.read_tls(resources, policies);
        gateway.warn(log);
        gateways.push(gateway);
    }
    listener_set::report_others(&sets, resources, log);
    gateways
}

impl<'a> GatewayDraft<'a> {
    fn new(
        reference: &'a ObjectRef,
        object: &'a LocatedObject<Gateway>,
        resources: &Resources,
        placement: GatewayPlacement,
    ) -> Self {
        let GatewaySpec {
            addresses,
            allowed_listeners,
            default_scope,
            gateway_class_name: _,
            // These are for the objects that a controller creates; the proxy has no use for them.
            infrastructure: _,
            listeners,
            tls,
        } = &object.value.spec;
        let mut unsupported = annotation::faults(reference.kind, &object.value.metadata);
        let allowed_sets = listener_set::allowed(allowed_listeners.as_ref(), &mut unsupported);
        if matches!(default_scope, Some(DefaultScope::All)) {
            unsupported.push(FieldFault::unsupported("spec.defaultScope"));
        }
        let frontend = FrontendTls::read(tls.as_ref(), resources, reference, &mut unsupported);
        let mut refused = (!unsupported.is_empty()).then_some(("Invalid", unsupported));
        if let Some(fault) = parameters::gateway_fault(resources, reference, &object.value) {
            refused = Some(("InvalidParameters", vec![fault]));
        }
        let requested = addresses.as_deref().unwrap_or_default();
        let addresses = match placement {
            GatewayPlacement::Shared => bind_addresses(requested),
            GatewayPlacement::Apart => service_addresses(requested),
        };
        let addresses = addresses.unwrap_or_else(|faults| {
            refused = Some(("UnsupportedAddress", faults));
            Vec::new()
        });
        let owner = ListenerOwner {
            object: reference,
            source: &object.source,
        };
        let listeners = listeners.iter().enumerate();
        let listeners = listeners.map(|(index, spec)| ListenerDraft::new(owner, index, spec));
        Self {
            reference,
            object,
            listeners: listeners.collect(),
            allowed_sets,
            sets: Vec::new(),
            addresses,
            refused,
            frontend,
            backend: BackendTls::read(tls.as_ref(), resources, reference),
        }
    }

    /// The certificate that the Gateway shows to backends.
    pub(super) fn backend_identity(&self) -> Option<&TlsIdentity> {
        self.backend.identity.as_ref()
    }

    /// Marks listeners that share a name, because routes and policies refer to listeners by name.
    fn mark_duplicate_names(&mut self) {
        let mut seen = BTreeMap::new();
        let mut twice = BTreeSet::new();
        for (at, listener) in self.listeners.iter().enumerate() {
            let name = (listener.owner.object, listener.name());
            if let Some(other) = seen.insert(name, at) {
                twice.extend([at, other]);
            }
        }
        for at in twice {
            self.listeners[at].mark_duplicate_name();
        }
    }

    fn read_tls(&mut self, resources: &Resources, policies: &CompiledPolicies) {
        let Self {
            reference: gateway,
            listeners,
            frontend,
            ..
        } = self;
        for listener in listeners {
            listener.read_tls(GatewayContext {
                resources,
                policies,
                gateway,
                frontend,
            });
        }
    }

    fn warn(&self, log: &mut ReportLog) {
        let listeners = self.listeners.iter();
        let ports: BTreeSet<Port> = listeners
            .filter_map(ListenerDraft::terminating_port)
            .collect();
        for listener in &self.listeners {
            let ListenerOwner { object, source } = listener.owner;
            for fault in listener.warnings() {
                log.warn(object, source, fault);
            }
        }
        for fault in self.frontend.unused(&ports) {
            log.warn(self.reference, &self.object.source, &fault);
        }
    }

    /// Refuses listeners that would take the port of one of the gateway's own servers.
    fn leave_reserved_ports(&mut self, options: &CompileOptions) {
        let Self {
            listeners,
            addresses,
            ..
        } = self;
        for listener in listeners {
            let Some(port) = listener.accepted_port() else {
                continue;
            };
            let is_taken = |reserved: &&SocketAddr| {
                let mut binds = addresses.iter().map(|ip| BindAddress { ip: *ip, port });
                bind_of(**reserved)
                    .is_some_and(|reserved| binds.any(|bind| overlap(reserved, bind)))
            };
            let Some(taken) = options.reserved.iter().find(is_taken) else {
                continue;
            };
            match options.placement {
                GatewayPlacement::Shared => listener.port_unavailable(format!(
                    "the port is that of the gateway's own server at {taken}"
                )),
                GatewayPlacement::Apart => listener.port_reserved(port),
            }
        }
    }

    /// Whether the ListenerSet is attached to the Gateway.
    pub(super) fn has_set(&self, set: &ObjectRef) -> bool {
        let mut sets = self.sets.iter();
        sets.any(|draft| draft.reference == set && draft.is_attached())
    }

    /// Gives each port to the oldest Gateway that has it; the listeners of younger Gateways are refused.
    fn claim_ports(&mut self, claims: &mut BTreeMap<BindAddress, ObjectRef>) {
        if self.refused.is_some() {
            return;
        }
        for listener in &mut self.listeners {
            let Some(port) = listener.accepted_port() else {
                continue;
            };
            let binds = self
                .addresses
                .iter()
                .map(|ip| BindAddress { ip: *ip, port });
            let taken = claims.iter().find(|(claim, owner)| {
                *owner != self.reference && binds.clone().any(|bind| overlap(**claim, bind))
            });
            if let Some((_, owner)) = taken {
                listener.port_unavailable(format!("the port belongs to the older {owner}"));
            } else {
                claims.extend(binds.map(|bind| (bind, self.reference.clone())));
            }
        }
    }

    /// Adds the listeners to the sockets that they share, and reports the status.
    pub(super) fn finish(
        self,
        policies: &CompiledPolicies,
        sockets: &mut BTreeMap<BindAddress, ListenerSocket>,
        log: &mut ReportLog,
    ) {
        let Self {
            reference,
            object,
            listeners,
            allowed_sets: _,
            sets,
            addresses,
            refused,
            frontend: _,
            backend,
        } = self;
        let mut status = GatewayStatusDraft::default();
        let mut of_sets: BTreeMap<&ObjectRef, SetStatusDraft> = BTreeMap::new();
        for mut draft in listeners {
            let ListenerOwner {
                object: owner,
                source,
            } = draft.owner;
            let unprotected = policies.missing_egress_policy(draft.scope(reference));
            let broken = policies.broken_listener(draft.scope(reference));
            let broken = broken.or(unprotected.as_ref());
            if let Some(broken) = broken {
                draft.refuse_all(broken);
            }
            log.problems(owner, source, draft.faults());
            let served = draft.served().filter(|_| refused.is_none());
            if draft.is_of_set() {
                of_sets.entry(owner).or_default().add(&draft);
                status.add_of_set(&draft);
            } else {
                status.add(&draft, refused.is_none());
            }
            let Some((port, protocol)) = served else {
                continue;
            };
            if let Some(Misconfiguration { message, .. }) = &unprotected {
                log.unprotected(owner, draft.name(), message);
            }
            log.listener(
                (owner.clone(), draft.name().to_owned()),
                policies.egress_policies(draft.scope(reference)),
            );
            let listener = draft.finish(reference, protocol, policies, broken.cloned());
            let binds = addresses.iter().map(|ip| BindAddress { ip: *ip, port });
            add_to_sockets(Arc::new(listener), binds, policies, sockets);
        }
        if let Some((_, faults)) = &refused {
            log.problems(reference, &object.source, faults);
        }
        if let Some((reason, fault)) = backend.unresolved {
            log.problems(reference, &object.source, [&fault]);
            status.unresolved(reason, fault);
        }
        let mut attached = 0;
        for set in &sets {
            let status = of_sets.remove(set.reference).unwrap_or_default();
            attached += usize::from(set.report(status, log));
        }
        if object.value.spec.allowed_listeners.is_some() || !sets.is_empty() {
            status.attached_sets(attached);
        }
        let status = ObjectStatus::Gateway(status.finish(refused.as_ref()));
        log.object(reference, &object.source, status);
    }
}

/// Adds a listener to its sockets.
fn add_to_sockets(
    listener: Arc<Listener>,
    binds: impl Iterator<Item = BindAddress>,
    policies: &CompiledPolicies,
    sockets: &mut BTreeMap<BindAddress, ListenerSocket>,
) {
    let scope = ListenerScope::from(&*listener);
    let limits = policies.connection_limits(scope);
    let proxy_protocol = policies.proxy_protocol(scope);
    for bind in binds {
        let socket = sockets.entry(bind).or_insert_with(|| ListenerSocket {
            listeners: Vec::new(),
            limits,
            proxy_protocol,
        });
        socket.limits = socket.limits.strictest(limits);
        socket.proxy_protocol = socket.proxy_protocol.max(proxy_protocol);
        socket.add(listener.clone());
    }
}

/// The addresses to bind behind a Service, which are all: `spec.addresses` are those of the Service. Whether it can have
/// them is not known here, but whether they can be addresses at all.
fn service_addresses(addresses: &[Address]) -> Result<Vec<Option<IpAddr>>, Vec<FieldFault>> {
    let known = |address: &Address| {
        let kind = address.r#type.as_deref();
        matches!(kind, None | Some("IPAddress" | "Hostname"))
    };
    let unknown = addresses.iter().enumerate().filter(|(_, it)| !known(it));
    let field = |(index, _)| format!("spec.addresses[{index}].type");
    let faults = unknown.map(|it| FieldFault::new(field(it), "Unknown address kind"));
    let faults: Vec<FieldFault> = faults.collect();
    match faults.is_empty() {
        true => Ok(vec![None]),
        false => Err(faults),
    }
}

/// Parses `spec.addresses`; without any, every local address is bound.
fn bind_addresses(addresses: &[Address]) -> Result<Vec<Option<IpAddr>>, Vec<FieldFault>> {
    let mut faults = Vec::new();
    let mut ips: Vec<Option<IpAddr>> = Vec::new();
    for (index, Address { r#type, value }) in addresses.iter().enumerate() {
        let field = format!("spec.addresses[{index}]");
        if !matches!(r#type.as_deref(), None | Some("IPAddress")) {
            faults.push(FieldFault::new(
                format!("{field}.type"),
                "not supported yet; IPAddress is",
            ));
            continue;
        }
        match value.as_deref().map(str::parse::<IpAddr>) {
            Some(Ok(ip)) if ips.contains(&Some(ip)) => {}
            Some(Ok(ip))
                if ips
                    .iter()
                    .flatten()
                    .any(|other| ip.is_unspecified() || other.is_unspecified()) =>
            {
                faults.push(FieldFault::new(
                    format!("{field}.value"),
                    "overlaps another address of this Gateway",
                ));
            }
            Some(Ok(ip)) => ips.push(Some(ip)),
            Some(Err(_)) => faults.push(FieldFault::new(
                format!("{field}.value"),
                "not an IP address",
            )),
            None => faults.push(FieldFault::new(
                format!("{field}.value"),
                "an IP address is needed",
            )),
        }
    }
    match (faults.is_empty(), ips.is_empty()) {
        (false, _) => Err(faults),
        (true, true) => Ok(vec![None]),
        (true, false) => Ok(ips),
    }
}

/// The socket of a server at an address; `None` if it takes any port.
fn bind_of(address: SocketAddr) -> Option<BindAddress> {
    let port = Port::new(address.port())?;
    let ip = Some(address.ip());
    Some(BindAddress { ip, port })
}

/// Whether two sockets cannot be bound at the same time.
fn overlap(a: BindAddress, b: BindAddress) -> bool {
    let any = |ip: Option<IpAddr>| ip.is_none_or(|ip| ip.is_unspecified());
    a.port == b.port && (a.ip == b.ip || any(a.ip) || any(b.ip))
}
