//! Routes: which listeners they attach to, and what their rules become there.

use std::sync::Arc;

use super::context::Context;
use super::gateway::{GatewayDraft, ListenerDraft};
use super::log::{Fault, Log};
use super::policy::Place;
use super::target::{Presence, Target, Targets};
use crate::api::gateway::ParentRef;
use crate::name::HostPattern;
use crate::report::{ParentStatus, Reference, RouteStatus, Status};
use crate::resources::{GATEWAY_GROUP, Kind, ObjectRef, Seniority};
use crate::route::Entry;

mod backend_ref;
mod filter;
mod header;
mod matches;
mod place;
mod rule;
mod spec;
mod status;

use rule::RuleDraft;
use spec::RouteSpec;
use status::RouteFaults;

/// Why a route is not attached to a parent: the reason and the message.
type NotJoined = (&'static str, String);

/// Why a route that is attached to a parent is not attached to some of its listeners.
type PassedOver = Vec<String>;

/// A route while it is compiled: what does not depend on the listener.
struct RouteDraft<'a> {
    reference: &'a ObjectRef,
    seniority: Seniority,
    /// Empty is every host.
    hostnames: Vec<HostPattern>,
    /// No hostname could be read, so that it matches nothing.
    matches_nothing: bool,
    rules: Vec<RuleDraft>,
    faults: RouteFaults,
}

/// Compiles every route, and attaches it to the listeners that take it.
pub(super) fn compile(context: &mut Context<'_>, gateways: &mut [GatewayDraft<'_>], log: &mut Log) {
    for spec in spec::all(context.resources) {
        let RouteSpec {
            reference, source, ..
        } = spec;
        let route = RouteDraft::new(context, &spec, log);
        let mut status = RouteStatus::default();
        for (index, parent) in spec.parents.iter().enumerate() {
            let Some(joined) = route.join(context, parent, gateways) else {
                continue;
            };
            let field = format!("spec.parentRefs[{index}]");
            let refused = match joined {
                Ok(passed_over) => {
                    for message in passed_over {
                        log.warn(reference, source, &Fault::new(&field, message));
                    }
                    None
                }
                Err((reason, message)) => {
                    let fault = Fault::new(field, message);
                    log.problems(reference, source, [&fault]);
                    Some((reason, fault))
                }
            };
            status.parents.push(ParentStatus {
                parent_ref: parent.clone().into(),
                conditions: route.faults.conditions(refused.as_ref()),
            });
        }
        if spec.parents.is_empty() {
            let message = "without parentRefs the route is attached to nothing";
            log.warn(reference, source, &Fault::new("spec.parentRefs", message));
        }
        // A route of parents that are all somebody else's is for them to judge.
        if spec.parents.is_empty() || !status.parents.is_empty() {
            log.problems(reference, source, route.faults.all());
        }
        if !status.parents.is_empty() {
            log.object(reference, source, Status::Route(status));
        }
    }
}

/// The Gateway that a parentRef means; `None` if it is something else's.
fn gateway_of(namespace: &str, parent: &ParentRef) -> Option<ObjectRef> {
    let ParentRef {
        group,
        kind,
        name,
        namespace: other,
        port: _,
        section_name: _,
    } = parent;
    let group = group.as_deref().unwrap_or(GATEWAY_GROUP);
    let kind = kind.as_deref().unwrap_or("Gateway");
    let namespace = other.as_deref().unwrap_or(namespace);
    (Kind::find(group, kind) == Some(Kind::Gateway))
        .then(|| ObjectRef::new(Kind::Gateway, namespace, name))
}

/// What is wrong with a parentRef that means no Gateway; `None` if it is of a group that somebody else may serve. In the
/// Gateway API's own, `Gatway` is a typo, and nobody else would tell.
fn wrong_kind(parent: &ParentRef) -> Option<String> {
    let group = parent.group.as_deref().unwrap_or(GATEWAY_GROUP);
    let kind = parent.kind.as_deref().unwrap_or("Gateway");
    // A group is also written with a version by mistake, as in apiVersion.
    let is_gateway_api = group.split('/').next() == Some(GATEWAY_GROUP);
    let message = || format!("{group}/{kind} cannot be a parent here; {GATEWAY_GROUP}/Gateway can");
    is_gateway_api.then(message)
}

impl<'a> RouteDraft<'a> {
    fn new(context: &Context<'_>, spec: &RouteSpec<'a>, log: &mut Log) -> Self {
        let mut faults = RouteFaults::default();
        if spec.default_gateways {
            faults
                .unsupported
                .push(Fault::unsupported("spec.useDefaultGateways"));
        }
        if spec.rules.is_empty() {
            let fault = Fault::new("spec.rules", "at least one is needed");
            faults.unsupported.push(fault);
        }
        if spec.reference.kind == Kind::TlsRoute {
            let unused = (1..spec.rules.len()).map(|index| {
                let message = "never used: the first rule takes every name of a TLSRoute";
                Fault::new(format!("spec.rules[{index}]"), message)
            });
            faults.warnings.extend(unused);
        }
        let hostnames = hostnames(spec, &mut faults);
        let rules = rule::compile(context, spec.reference, &spec.rules, &mut faults);
        for warning in &faults.warnings {
            log.warn(spec.reference, spec.source, warning);
        }
        Self {
            reference: spec.reference,
            seniority: spec.seniority.clone(),
            matches_nothing: hostnames.is_empty()
                && (spec.needs_hostnames || !spec.hostnames.is_empty()),
            hostnames,
            rules,
            faults,
        }
    }

    /// Attaches to what a parentRef means; `None` if that is somebody else's.
    fn join(
        &self,
        context: &mut Context<'_>,
        parent: &ParentRef,
        gateways: &mut [GatewayDraft<'_>],
    ) -> Option<Result<PassedOver, NotJoined>> {
        let Some(gateway) = gateway_of(&self.reference.namespace, parent) else {
            return wrong_kind(parent).map(|message| Err(("NoMatchingParent", message)));
        };
        let targets = Targets {
            resources: context.resources,
            classes: &context.classes,
        };
        if targets.presence(&Target::new(&gateway, None)) == Presence::Foreign {
            return None;
        }
        let draft = gateways
            .iter_mut()
            .find(|draft| *draft.reference == gateway);
        let joined = match draft {
            None => Err(("NoMatchingParent", format!("{gateway} not found"))),
            Some(draft) => self.attach(context, parent, draft),
        };
        if joined.is_ok() {
            self.note_uses(context, &gateway);
        }
        Some(joined)
    }

    /// Attaches to every listener that the parentRef means and that takes the route. The error is the reason and the
    /// message why none does.
    fn attach(
        &self,
        context: &Context<'_>,
        parent: &ParentRef,
        gateway: &mut GatewayDraft<'_>,
    ) -> Result<PassedOver, NotJoined> {
        let name = gateway.reference;
        let section = parent.section_name.as_deref();
        let mut meant: Vec<_> = gateway
            .listeners
            .iter_mut()
            .filter(|listener| listener.is_meant(section, parent.port))
            .collect();
        if meant.is_empty() {
            return Err(("NoMatchingParent", format!("{name} has no such listener")));
        }
        let ObjectRef {
            kind, namespace, ..
        } = self.reference;
        meant.retain(|listener| {
            listener.takes(*kind) && listener.allows(context.resources, &name.namespace, namespace)
        });
        if meant.is_empty() {
            let message =
                format!("no listener of {name} allows {kind}s from the namespace {namespace}");
            return Err(("NotAllowedByListeners", message));
        }
        let mut attached = false;
        let mut passed_over = Vec::new();
        for listener in meant {
            let hosts = self.hosts(listener.hostname.as_ref());
            if let Some(owner) = self.older_owner(listener, &hosts) {
                let listener = listener.name();
                let message = format!(
                    "a hostname at the listener {listener} of {name} belongs to the older {owner}"
                );
                passed_over.push(message);
            } else if !hosts.is_empty() {
                self.attach_to(context, name, listener, &hosts);
                attached = true;
            }
        }
        if attached {
            return Ok(passed_over);
        }
        if !passed_over.is_empty() {
            return Err(("HostnameConflict", passed_over.join("; ")));
        }
        let message = format!("no hostname is within that of a listener of {name}");
        Err(("NoMatchingListenerHostname", message))
    }

    /// An older route of another kind that has one of the hostnames under a listener: HTTPRoutes and GRPCRoutes are not
    /// mixed (Gateway API, GRPCRoute), because nothing says whose rule goes first.
    fn older_owner<'l>(
        &self,
        listener: &'l ListenerDraft<'_>,
        hosts: &[Option<HostPattern>],
    ) -> Option<&'l ObjectRef> {
        let mut owners = listener.entries.iter().filter(|entry| {
            entry.rule.route.kind != self.reference.kind && hosts.contains(&entry.host)
        });
        owners.next().map(|entry| &entry.rule.route)
    }

    /// The hosts that both the route and a listener mean.
    fn hosts(&self, listener: Option<&HostPattern>) -> Vec<Option<HostPattern>> {
        if self.hostnames.is_empty() {
            let hosts = (!self.matches_nothing).then(|| listener.cloned());
            return hosts.into_iter().collect();
        }
        let within = |pattern: &HostPattern| match listener {
            None => Some(pattern.clone()),
            Some(listener) => pattern.intersection(listener),
        };
        let mut hosts: Vec<_> = self.hostnames.iter().filter_map(within).map(Some).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    fn attach_to(
        &self,
        context: &Context<'_>,
        gateway: &ObjectRef,
        listener: &mut ListenerDraft<'_>,
        hosts: &[Option<HostPattern>],
    ) {
        let mut entries = Vec::new();
        for draft in &self.rules {
            let place = Place {
                gateway,
                listener: listener.name(),
                route: self.reference,
                rule: draft.name.as_deref(),
            };
            let rule = Arc::new(draft.at(context, place));
            for (match_index, matches) in draft.matches.iter().enumerate() {
                entries.extend(hosts.iter().map(|host| Entry {
                    host: host.clone(),
                    matches: matches.clone(),
                    seniority: self.seniority.clone(),
                    match_index,
                    rule: rule.clone(),
                }));
            }
        }
        listener.attach(self.reference, entries);
    }

    /// Notes for DirectResponses and Backends that the routes of a Gateway refer to them.
    fn note_uses(&self, context: &mut Context<'_>, gateway: &ObjectRef) {
        for rule in &self.rules {
            let response = rule.response.as_ref();
            if let Some(response) = response.and_then(|name| context.responses.get_mut(name)) {
                response.gateways.insert(gateway.clone());
            }
            for backend in &rule.backends {
                let users = context.uses.entry(backend.clone()).or_default();
                users.insert(gateway.clone());
            }
        }
    }
}

/// The hostnames that can be read.
fn hostnames(spec: &RouteSpec<'_>, faults: &mut RouteFaults) -> Vec<HostPattern> {
    const FIELD: &str = "spec.hostnames";
    if spec.needs_hostnames && spec.hostnames.is_empty() {
        faults
            .unsupported
            .push(Fault::new(FIELD, "at least one is needed"));
    }
    let mut patterns = Vec::new();
    for (index, hostname) in spec.hostnames.iter().enumerate() {
        match HostPattern::parse(hostname) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                let field = format!("{FIELD}[{index}]");
                faults
                    .unsupported
                    .push(Fault::new(field, error.to_string()));
            }
        }
    }
    patterns
}

impl From<ParentRef> for Reference {
    fn from(parent: ParentRef) -> Self {
        let ParentRef {
            group,
            kind,
            name,
            namespace,
            port,
            section_name,
        } = parent;
        Self {
            group,
            kind,
            namespace,
            name,
            section_name,
            port,
        }
    }
}
