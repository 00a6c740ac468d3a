//! What each Gateway uses of what was compiled, for whoever does not serve the Gateways itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::review::GatewayUse;
use crate::name::Port;
use crate::policy::jwt_auth::RemoteKeys;
use crate::policy::service::ServiceId;
use crate::resources::ObjectRef;
use crate::snapshot::{
    BackendDestination, BindAddress, CheckedBackend, Listener, ListenerSocket, RuleAction,
    WeightedBackend,
};

/// The ports and objects of the Gateways that have listeners on these sockets.
pub(super) fn of(
    sockets: &BTreeMap<BindAddress, ListenerSocket>,
) -> BTreeMap<ObjectRef, GatewayUse> {
    let mut uses: BTreeMap<ObjectRef, GatewayUse> = BTreeMap::new();
    for (bind, socket) in sockets {
        for listener in &socket.listeners {
            let of_gateway = uses.entry(listener.gateway.clone()).or_default();
            of_gateway.ports.insert(bind.port.get());
            add(listener, &mut of_gateway.objects);
        }
    }
    uses
}

/// The keys that the rules of these sockets need and that are fetched; each once.
pub(super) fn remote_keys(sockets: &BTreeMap<BindAddress, ListenerSocket>) -> Vec<Arc<RemoteKeys>> {
    let listeners = sockets.values().flat_map(|socket| &socket.listeners);
    let rules = listeners.flat_map(|listener| listener.routes.rules());
    let policies = rules.filter_map(|(_, rule)| rule.policies.jwt_auth.value());
    let mut keys: BTreeMap<(&ServiceId, &str), &Arc<RemoteKeys>> = BTreeMap::new();
    for remote in policies.flat_map(|jwt| jwt.remote_keys()) {
        keys.insert((&remote.service, &remote.url), remote);
    }
    keys.into_values().cloned().collect()
}

/// The backends of these sockets and services that are checked for their health; each once for each set of policies that
/// decides where its addresses may be.
pub(super) fn checked(
    sockets: &BTreeMap<BindAddress, ListenerSocket>,
    services: &BTreeMap<ServiceId, Arc<WeightedBackend>>,
) -> Vec<CheckedBackend> {
    /// A backend, and whether it is that of a service which policies ask.
    type Candidate<'a> = (&'a WeightedBackend, bool);

    let listeners = sockets.values().flat_map(|socket| &socket.listeners);
    let rules = listeners.flat_map(|listener| listener.routes.rules());
    let of_rules = rules.flat_map(|(_, rule)| {
        let forwarded = match &rule.action {
            RuleAction::Forward(backends) => backends.backends.as_slice(),
            RuleAction::Refuse(_) | RuleAction::Redirect(_) | RuleAction::Respond(_) => &[],
        };
        let mirrors = forwarded.iter().flat_map(|backend| &backend.mirrors);
        let mirrored = rule.mirrors.iter().chain(mirrors);
        forwarded
            .iter()
            .chain(mirrored.map(|mirror| &mirror.backend))
    });
    let of_rules = of_rules.map(|backend| (backend, false));
    let services = services.values().map(|service| (&**service, true));
    let mut checked: BTreeMap<(&ObjectRef, Option<Port>), Vec<Candidate<'_>>> = BTreeMap::new();
    for (backend, is_service) in of_rules.chain(services) {
        let (port, settings) = match &backend.destination {
            BackendDestination::Static(to) => (None, &to.settings),
            BackendDestination::Service(to) => (Some(to.port), &to.settings),
            BackendDestination::Dynamic(_) | BackendDestination::Refuse(_) => continue,
        };
        if settings.health_check.is_none() {
            continue;
        }
        let same = checked.entry((destination(&backend.destination), port));
        let same = same.or_default();
        let is_known = |(other, is_other): &Candidate<'_>| {
            *is_other == is_service && other.egress == backend.egress
        };
        if !same.iter().any(is_known) {
            same.push((backend, is_service));
        }
    }
    let all = checked.into_values().flatten();
    let all = all.map(|(backend, is_service)| CheckedBackend {
        backend: Arc::new(backend.clone()),
        is_service,
    });
    all.collect()
}

fn add(listener: &Listener, used: &mut BTreeSet<ObjectRef>) {
    let mut add = |object: &ObjectRef| {
        if !used.contains(object) {
            used.insert(object.clone());
        }
    };
    if let Some(refused) = &listener.refuse {
        add(&refused.object);
    }
    for (_, rule) in listener.routes.rules() {
        for mirror in &rule.mirrors {
            add(destination(&mirror.backend.destination));
        }
        match &rule.action {
            RuleAction::Forward(backends) => {
                for backend in &backends.backends {
                    add(destination(&backend.destination));
                    let mirrors = backend.mirrors.iter();
                    mirrors.for_each(|mirror| add(destination(&mirror.backend.destination)));
                }
            }
            RuleAction::Refuse(wrong) => add(&wrong.object),
            RuleAction::Redirect(_) | RuleAction::Respond(_) => {}
        }
    }
}

/// The object that a share of the requests goes to, or is refused for.
fn destination(destination: &BackendDestination) -> &ObjectRef {
    match destination {
        BackendDestination::Dynamic(to) => &to.backend,
        BackendDestination::Static(to) => &to.backend,
        BackendDestination::Service(to) => &to.service,
        BackendDestination::Refuse(wrong) => &wrong.object,
    }
}
