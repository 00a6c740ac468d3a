//! Routes: which listeners they attach to, and how their rules are compiled for each listener.

use std::collections::BTreeMap;
use std::sync::Arc;

use egret_api::gateway::ParentRef;
use egret_api::suggest::{did_you_mean, edits};

use super::ancestor::RouteGateways;
use super::annotation::{self, RedirectStatuses};
use super::class::GatewayClasses;
use super::context::RouteContext;
use super::gateway::{GatewayDraft, ListenerDraft};
use super::log::{FieldFault, ReportLog, join};
use super::missing;
use super::policy::PolicyScope;
use super::target::{LabelIndex, PolicyTarget, TargetLookup, TargetPresence};
use crate::name::HostPattern;
use crate::report::{ObjectStatus, ParentReference, ParentStatus, RouteStatus};
use crate::resources::{
    GATEWAY_GROUP, GATEWAY_TRIAL_GROUP, Kind, ObjectRef, ObjectSeniority, Resources,
};
use crate::route::{HostSpecificity, RouteEntry};

mod backend_ref;
mod filter;
mod header;
mod matches;
mod mirror;
mod place;
mod rule;
mod session;
mod spec;
mod status;

use rule::RuleDraft;
use spec::RouteSpec;
use status::RouteFaults;

/// The hosts at a listener that a route matches; `None` is every host.
type AttachedHosts = BTreeMap<Option<HostPattern>, HostSpecificity>;

/// The reason and the message why a route is not attached to a parent.
type AttachError = (&'static str, String);

/// For a route that is attached to a parent: the messages about listeners that it is not attached to.
type SkippedListeners = Vec<String>;

/// The parts of a route that do not depend on the listener, while it is compiled.
struct RouteDraft<'a> {
    reference: &'a ObjectRef,
    weight: i64,
    seniority: ObjectSeniority,
    /// The hostnames; empty matches every host.
    hostnames: Vec<HostPattern>,
    /// Whether no hostname could be read, so that the route matches nothing.
    matches_nothing: bool,
    rules: Vec<RuleDraft>,
    faults: RouteFaults,
}

/// Compiles every route, and attaches it to the listeners that accept it.
pub(super) fn compile(
    context: &mut RouteContext<'_>,
    gateways: &mut [GatewayDraft<'_>],
    log: &mut ReportLog,
) {
    for spec in spec::all(context.resources) {
        let RouteSpec {
            reference, source, ..
        } = spec;
        let route = RouteDraft::new(context, &spec, log);
        let mut status = RouteStatus::default();
        for (index, parent) in spec.parents.iter().enumerate() {
            let Some(attached_to) = route.attach_to_parent(context, parent, gateways) else {
                continue;
            };
            let field = format!("spec.parentRefs[{index}]");
            let refused = match attached_to {
                Ok(skipped) => {
                    for message in skipped {
                        log.warn(reference, source, &FieldFault::new(&field, message));
                    }
                    None
                }
                Err((reason, message)) => {
                    // A kind that cannot be a parent is wrong whatever the other objects are.
                    let is_parent = parent_of(&reference.namespace, parent).is_some();
                    let fault = match is_parent {
                        true => FieldFault::reference(field, message),
                        false => FieldFault::new(field, message),
                    };
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
            log.warn(
                reference,
                source,
                &FieldFault::new("spec.parentRefs", message),
            );
        }
        // A route whose parents are all served by other controllers is for them to report.
        if spec.parents.is_empty() || !status.parents.is_empty() {
            log.problems(reference, source, route.faults.all());
        }
        if !status.parents.is_empty() {
            log.object(reference, source, ObjectStatus::Route(status));
        }
    }
}

/// The Gateways of Egret that each route and each ListenerSet names.
pub(super) fn gateways(resources: &Resources, classes: &GatewayClasses) -> RouteGateways {
    let ours = |gateway: &ObjectRef| {
        let gateway = resources.gateways.get(gateway);
        gateway.is_some_and(|gateway| classes.is_ours(&gateway.value))
    };
    let of_route = |(route, parents): (&ObjectRef, Vec<ParentRef>)| {
        let parents = parents.iter();
        let named = parents.filter_map(|parent| parent_of(&route.namespace, parent));
        let named = named.filter_map(|parent| gateway_of(resources, &parent));
        (route.clone(), named.filter(&ours).collect())
    };
    let of_set = |set: &ObjectRef| {
        let gateway = resources.gateway_of_set(set);
        (set.clone(), gateway.into_iter().filter(&ours).collect())
    };
    let routes = spec::parents(resources).map(of_route);
    let sets = resources.listener_sets.keys().map(of_set);
    RouteGateways(routes.chain(sets).collect())
}

/// The Gateway of a parent; `None` if that is a ListenerSet which does not exist.
fn gateway_of(resources: &Resources, parent: &ObjectRef) -> Option<ObjectRef> {
    match parent.kind {
        Kind::ListenerSet => resources.gateway_of_set(parent),
        _ => Some(parent.clone()),
    }
}

/// The Gateway or the ListenerSet that a parentRef names; `None` if its kind is another.
fn parent_of(namespace: &str, parent: &ParentRef) -> Option<ObjectRef> {
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
    let kind = Kind::find(group, kind)?;
    matches!(kind, Kind::Gateway | Kind::ListenerSet).then(|| ObjectRef::new(kind, namespace, name))
}

/// The fault of a parentRef of another kind than these; `None` if another controller may serve its group. In the groups of
/// the Gateway API, `Gatway` is a typo that no other controller would report.
fn wrong_kind_message(parent: &ParentRef) -> Option<String> {
    let group = parent.group.as_deref().unwrap_or(GATEWAY_GROUP);
    let kind = parent.kind.as_deref().unwrap_or("Gateway");
    if Kind::find(group, kind).is_some_and(|kind| kind.versions().is_empty()) {
        return Some(format!(
            "{kind} is not supported yet as a parent; Gateway and ListenerSet are"
        ));
    }
    // A version after the group, as in `apiVersion`, is a common mistake.
    let group_name = group.split('/').next().unwrap_or_default();
    let is_gateway_api = [GATEWAY_GROUP, GATEWAY_TRIAL_GROUP]
        .iter()
        .any(|known| edits(group_name, known).is_some());
    let message = || {
        format!(
            "{group}/{kind} cannot be a parent here; {GATEWAY_GROUP}/Gateway and ListenerSet can"
        )
    };
    is_gateway_api.then(message)
}

impl<'a> RouteDraft<'a> {
    fn new(context: &RouteContext<'_>, spec: &RouteSpec<'a>, log: &mut ReportLog) -> Self {
        let mut faults = RouteFaults::default();
        if spec.default_gateways {
            faults
                .unsupported
                .push(FieldFault::unsupported("spec.useDefaultGateways"));
        }
        if spec.rules.is_empty() {
            let fault = FieldFault::new("spec.rules", "at least one is needed");
            faults.unsupported.push(fault);
        }
        if spec.reference.kind == Kind::TlsRoute {
            let unused = (1..spec.rules.len()).map(|index| {
                let message = "never used: the first rule takes every name of a TLSRoute";
                FieldFault::new(format!("spec.rules[{index}]"), message)
            });
            faults.warnings.extend(unused);
        }
        let annotations = annotation::faults(spec.reference.kind, spec.meta);
        let hostnames = hostnames(spec, &mut faults);
        let mut rules = rule::compile(context, spec.reference, &spec.rules, &mut faults);
        let redirects = RedirectStatuses::of(spec.meta);
        for rule in &mut rules {
            if !annotations.is_empty() {
                rule.refuse(spec.reference, &join(&annotations));
            } else if let Some(status) = redirects.for_rule(rule.name.as_deref()) {
                rule.set_redirect_status(status);
            }
        }
        faults.unsupported.extend(annotations);
        for warning in &faults.warnings {
            log.warn(spec.reference, spec.source, warning);
        }
        Self {
            reference: spec.reference,
            weight: annotation::route_weight(spec.meta),
            seniority: spec.seniority.clone(),
            matches_nothing: hostnames.is_empty() && !spec.hostnames.is_empty(),
            hostnames,
            rules,
            faults,
        }
    }

    /// Attaches the route to the Gateway or the ListenerSet of a parentRef; `None` if another controller serves it.
    fn attach_to_parent(
        &self,
        context: &mut RouteContext<'_>,
        parent: &ParentRef,
        gateways: &mut [GatewayDraft<'_>],
    ) -> Option<Result<SkippedListeners, AttachError>> {
        const NONE: &str = "NoMatchingParent";
        let resources = context.resources;
        let Some(owner) = parent_of(&self.reference.namespace, parent) else {
            return wrong_kind_message(parent).map(|message| Err((NONE, message)));
        };
        let Some(gateway) = gateway_of(resources, &owner) else {
            return Some(Err((NONE, missing::message(resources, &owner))));
        };
        let labels = LabelIndex::default();
        let targets = TargetLookup {
            resources,
            classes: &context.classes,
            labels: &labels,
        };
        if targets.presence(&PolicyTarget::new(&gateway, None)) == TargetPresence::Foreign {
            return None;
        }
        let draft = gateways
            .iter_mut()
            .find(|draft| *draft.reference == gateway);
        let attached_to = match draft {
            None => Err((NONE, missing::message(resources, &gateway))),
            Some(draft) if owner != gateway && !draft.has_set(&owner) => {
                Err((NONE, format!("{owner} is not attached to {gateway}")))
            }
            Some(draft) => self.attach(context, (parent, &owner), draft),
        };
        if attached_to.is_ok() {
            self.record_uses(context, &gateway);
        }
        Some(attached_to)
    }

    /// Attaches the route to every listener that the parentRef selects and that accepts the route. `name` is the parent.
    fn attach(
        &self,
        context: &RouteContext<'_>,
        (parent, name): (&ParentRef, &ObjectRef),
        gateway: &mut GatewayDraft<'_>,
    ) -> Result<SkippedListeners, AttachError> {
        let section = parent.section_name.as_deref();
        let of_parent = gateway.listeners.iter();
        let of_parent = of_parent.filter(|listener| listener.owner.object == name);
        let names: Vec<_> = of_parent.map(ListenerDraft::name).collect();
        let mut candidates: Vec<_> = gateway
            .listeners
            .iter_mut()
            .filter(|listener| listener.matches_parent_ref(name, section, parent.port))
            .collect();
        if candidates.is_empty() {
            let names = names.iter().copied();
            // A listener of this name may be there, on another port.
            let unknown = section.filter(|name| names.clone().all(|known| known != *name));
            let suggestion = unknown.map_or_else(String::new, |name| meant_or_all(name, names));
            let message = format!("{name} has no such listener{suggestion}");
            return Err(("NoMatchingParent", message));
        }
        let ObjectRef {
            kind, namespace, ..
        } = self.reference;
        candidates.retain(|listener| {
            listener.accepts_kind(*kind) && listener.allows_namespace(context.resources, namespace)
        });
        if candidates.is_empty() {
            let message =
                format!("no listener of {name} allows {kind}s from the namespace {namespace}");
            return Err(("NotAllowedByListeners", message));
        }
        let mut attached = false;
        let mut skipped = Vec::new();
        for listener in candidates {
            let hosts = self.hosts(listener.hostname.as_ref());
            if let Some(owner) = self.older_conflicting_route(listener, &hosts) {
                let listener = listener.name();
                let message = format!(
                    "a hostname at the listener {listener} of {name} belongs to the older {owner}"
                );
                skipped.push(message);
            } else if !hosts.is_empty() {
                self.attach_to(context, gateway.reference, listener, &hosts);
                attached = true;
            }
        }
        if attached {
            return Ok(skipped);
        }
        if !skipped.is_empty() {
            return Err(("HostnameConflict", skipped.join("; ")));
        }
        let message = format!("no hostname is within that of a listener of {name}");
        Err(("NoMatchingListenerHostname", message))
    }

    /// An older route of another kind with one of the hostnames at a listener, if there is one. HTTPRoutes and
    /// GRPCRoutes do not share a hostname (Gateway API, GRPCRoute), because the precedence of their rules is not
    /// defined.
    fn older_conflicting_route<'l>(
        &self,
        listener: &'l ListenerDraft<'_>,
        hosts: &AttachedHosts,
    ) -> Option<&'l ObjectRef> {
        listener.first_of_another_kind(self.reference.kind, hosts.keys())
    }

    /// The hosts that both the route and a listener match, each with the specificity of the most specific hostname of
    /// the route that leads to it.
    fn hosts(&self, listener: Option<&HostPattern>) -> AttachedHosts {
        if self.hostnames.is_empty() {
            let host = (listener.cloned(), HostSpecificity::default());
            return (!self.matches_nothing)
                .then_some(host)
                .into_iter()
                .collect();
        }
        let mut hosts = AttachedHosts::new();
        for own in &self.hostnames {
            let within = match listener {
                None => Some(own.clone()),
                Some(listener) => own.intersection(listener),
            };
            if let Some(host) = within {
                let known = hosts.entry(Some(host)).or_default();
                *known = HostSpecificity::from(own).max(*known);
            }
        }
        hosts
    }

    fn attach_to(
        &self,
        context: &RouteContext<'_>,
        gateway: &ObjectRef,
        listener: &mut ListenerDraft<'_>,
        hosts: &AttachedHosts,
    ) {
        let mut entries = Vec::new();
        for draft in &self.rules {
            let scope = PolicyScope {
                listener: listener.scope(gateway),
                route: self.reference,
                rule: draft.name.as_deref(),
            };
            let rule = Arc::new(draft.at(context, scope));
            for (match_index, matches) in draft.matches.iter().enumerate() {
                entries.extend(hosts.iter().map(|(host, specificity)| RouteEntry {
                    host: host.clone(),
                    specificity: *specificity,
                    matches: matches.clone(),
                    weight: self.weight,
                    seniority: self.seniority.clone(),
                    match_index,
                    rule: rule.clone(),
                }));
            }
        }
        listener.attach(self.reference, entries);
    }

    /// Records for DirectResponses and Backends that routes of this Gateway refer to them.
    fn record_uses(&self, context: &mut RouteContext<'_>, gateway: &ObjectRef) {
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

/// The hostnames that can be parsed.
fn hostnames(spec: &RouteSpec<'_>, faults: &mut RouteFaults) -> Vec<HostPattern> {
    const FIELD: &str = "spec.hostnames";
    let mut patterns = Vec::new();
    for (index, hostname) in spec.hostnames.iter().enumerate() {
        match HostPattern::parse(hostname) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                let field = format!("{FIELD}[{index}]");
                faults
                    .unsupported
                    .push(FieldFault::new(field, error.to_string()));
            }
        }
    }
    patterns
}

impl From<ParentRef> for ParentReference {
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

/// What was probably meant, or else all that there are.
fn meant_or_all<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let meant = did_you_mean(name, known.clone());
    if !meant.is_empty() {
        return meant;
    }
    match known.collect::<Vec<_>>()[..] {
        [] => String::new(),
        ref known => format!("; there are {}", known.join(", ")),
    }
}
