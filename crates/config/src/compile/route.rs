//! HTTPRoutes: which listeners they attach to, and what their rules become there.

use std::sync::Arc;

use super::Context;
use super::gateway::{GatewayDraft, ListenerDraft};
use super::log::{Fault, Log};
use super::policy::Place;
use super::target::{Presence, Target, Targets};
use crate::api::gateway::{HttpRoute, HttpRouteSpec, ParentRef, UseDefaultGateways};
use crate::name::HostPattern;
use crate::report::{ParentStatus, Reference, RouteStatus, Status};
use crate::resources::{GATEWAY_GROUP, Kind, Object, ObjectRef, oldest_first};
use crate::route::Entry;

mod backend_ref;
mod filter;
mod header;
mod matches;
mod place;
mod rule;
mod status;

use rule::RuleDraft;
use status::RouteFaults;

/// Why a route is not attached to a parent: the reason and the message.
type NotJoined = (&'static str, String);

/// A route while it is compiled: what does not depend on the listener.
struct RouteDraft<'a> {
    reference: &'a ObjectRef,
    object: &'a Object<HttpRoute>,
    /// Empty is every host.
    hostnames: Vec<HostPattern>,
    /// No hostname could be read, so that it matches nothing.
    matches_nothing: bool,
    rules: Vec<RuleDraft>,
    faults: RouteFaults,
}

/// Compiles every route, and attaches it to the listeners that take it.
pub(super) fn compile(context: &mut Context<'_>, gateways: &mut [GatewayDraft<'_>], log: &mut Log) {
    let resources = context.resources;
    for (reference, object) in oldest_first(&resources.http_routes) {
        let source = &object.source;
        let route = RouteDraft::new(context, reference, object, log);
        let parents = object.value.spec.parent_refs.as_deref().unwrap_or_default();
        let mut status = RouteStatus::default();
        for (index, parent) in parents.iter().enumerate() {
            let Some(joined) = route.join(context, parent, gateways) else {
                continue;
            };
            let refused = joined.err().map(|(reason, message)| {
                let fault = Fault::new(format!("spec.parentRefs[{index}]"), message);
                log.problems(reference, source, [&fault]);
                (reason, fault)
            });
            status.parents.push(ParentStatus {
                parent_ref: parent.clone().into(),
                conditions: route.faults.conditions(refused.as_ref()),
            });
        }
        if parents.is_empty() {
            let message = "without parentRefs the route is attached to nothing";
            log.warn(reference, source, &Fault::new("spec.parentRefs", message));
        }
        // A route of parents that are all somebody else's is for them to judge.
        if parents.is_empty() || !status.parents.is_empty() {
            log.problems(reference, source, route.faults.all());
        }
        if !status.parents.is_empty() {
            log.object(reference, source, Status::Route(status));
        }
    }
}

/// The Gateway that a parentRef means; `None` if it is something else's.
pub(super) fn gateway_of(namespace: &str, parent: &ParentRef) -> Option<ObjectRef> {
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
    fn new(
        context: &Context<'_>,
        reference: &'a ObjectRef,
        object: &'a Object<HttpRoute>,
        log: &mut Log,
    ) -> Self {
        let HttpRouteSpec {
            hostnames,
            parent_refs: _,
            rules,
            use_default_gateways,
        } = &object.value.spec;
        let mut faults = RouteFaults::default();
        if matches!(use_default_gateways, Some(UseDefaultGateways::All)) {
            faults
                .unsupported
                .push(Fault::unsupported("spec.useDefaultGateways"));
        }
        let written = hostnames.as_deref().unwrap_or_default();
        let mut patterns = Vec::new();
        for (index, hostname) in written.iter().enumerate() {
            match HostPattern::parse(hostname) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    let field = format!("spec.hostnames[{index}]");
                    faults
                        .unsupported
                        .push(Fault::new(field, error.to_string()));
                }
            }
        }
        let default = vec![crate::api::gateway::HttpRouteRule::default()];
        let rules = rules
            .as_ref()
            .filter(|rules| !rules.is_empty())
            .unwrap_or(&default);
        let rules = rule::compile(context, reference, rules, &mut faults);
        for warning in &faults.warnings {
            log.warn(reference, &object.source, warning);
        }
        Self {
            reference,
            object,
            matches_nothing: patterns.is_empty() && !written.is_empty(),
            hostnames: patterns,
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
    ) -> Option<Result<(), NotJoined>> {
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
            self.note_responses(context, &gateway);
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
    ) -> Result<(), NotJoined> {
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
        let namespace = &self.reference.namespace;
        meant.retain(|listener| {
            listener.takes(Kind::HttpRoute)
                && listener.allows(context.resources, &name.namespace, namespace)
        });
        if meant.is_empty() {
            let message =
                format!("no listener of {name} allows HTTPRoutes from the namespace {namespace}");
            return Err(("NotAllowedByListeners", message));
        }
        let mut attached = false;
        for listener in meant {
            let hosts = self.hosts(listener.hostname.as_ref());
            if !hosts.is_empty() {
                self.attach_to(context, name, listener, &hosts);
                attached = true;
            }
        }
        if attached {
            Ok(())
        } else {
            let message = format!("no hostname is within that of a listener of {name}");
            Err(("NoMatchingListenerHostname", message))
        }
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
        let seniority = self.object.seniority(self.reference);
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
                    seniority: seniority.clone(),
                    match_index,
                    rule: rule.clone(),
                }));
            }
        }
        listener.attach(self.reference, entries);
    }

    /// Tells the DirectResponses that the route refers to where they are used.
    fn note_responses(&self, context: &mut Context<'_>, gateway: &ObjectRef) {
        for response in self.rules.iter().filter_map(|rule| rule.response.as_ref()) {
            if let Some(response) = context.responses.get_mut(response) {
                response.gateways.insert(gateway.clone());
            }
        }
    }
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
