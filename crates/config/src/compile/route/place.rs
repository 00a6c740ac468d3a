//! A rule under one listener: the policies and resolvers of that place.

use std::sync::Arc;

use crate::compile::backend::{Backend, StaticHosts};
use crate::compile::context::Context;
use crate::compile::log::misconfiguration;
use crate::compile::passthrough;
use crate::compile::policy::Place;
use crate::name::Port;
use crate::resources::ObjectRef;
use crate::snapshot::{
    Action, Destination, DynamicDestination, Rule, StaticDestination, WeightedBackend,
    WeightedBackends,
};

use super::backend_ref::BackendDraft;
use super::rule::{ActionDraft, RuleDraft};

impl RuleDraft {
    /// The rule as it is served at a place.
    pub(super) fn at(&self, context: &Context<'_>, place: Place<'_>) -> Rule {
        let policies = context.policies.traffic(place, self.retry.as_ref());
        let refusal = passthrough::refusal(place.route, &policies);
        Rule {
            route: place.route.clone(),
            index: self.index,
            name: self.name.clone(),
            policies: Arc::new(policies),
            filters: self.filters.clone(),
            timeouts: self.timeouts,
            action: match refusal {
                Some(wrong) => Action::Refuse(wrong),
                None => self.action_at(context, place),
            },
        }
    }

    fn action_at(&self, context: &Context<'_>, place: Place<'_>) -> Action {
        match &self.action {
            ActionDraft::Forward(backends) => Action::Forward(weighted(context, place, backends)),
            ActionDraft::Redirect(redirect) => Action::Redirect(redirect.clone()),
            ActionDraft::Respond(response) => Action::Respond(response.clone()),
            ActionDraft::Refuse(wrong) => Action::Refuse(wrong.clone()),
        }
    }
}

fn weighted(context: &Context<'_>, place: Place<'_>, drafts: &[BackendDraft]) -> WeightedBackends {
    let backends: Vec<WeightedBackend> = drafts
        .iter()
        .filter(|draft| draft.weight > 0)
        .map(|draft| WeightedBackend {
            weight: draft.weight,
            filters: draft.filters.clone(),
            destination: match &draft.backend {
                Ok(backend) => destination(context, place, backend, draft.port),
                Err(wrong) => Destination::Refuse(wrong.clone()),
            },
            egress: context.policies.egress(place, draft.backend.as_ref().ok()),
        })
        .collect();
    WeightedBackends {
        total: backends
            .iter()
            .map(|backend| u64::from(backend.weight))
            .sum(),
        backends,
    }
}

fn destination(
    context: &Context<'_>,
    place: Place<'_>,
    backend: &ObjectRef,
    port: Option<Port>,
) -> Destination {
    if let Some(broken) = context.policies.broken_backend(backend) {
        return Destination::Refuse(broken.clone());
    }
    let resolver = context.policies.resolver(place.gateway, backend);
    let settings = context.policies.backend_settings(backend);
    let backend = backend.clone();
    match context.backends.get(&backend) {
        Some(Ok(Backend::Dynamic(scheme))) => Destination::Dynamic(DynamicDestination {
            backend,
            resolver,
            settings,
            scheme: *scheme,
            port,
        }),
        Some(Ok(Backend::Static(StaticHosts { hosts, version }))) => {
            let hosts = hosts.clone();
            Destination::Static(StaticDestination {
                backend,
                resolver,
                settings,
                version: *version,
                hosts,
            })
        }
        Some(Err(broken)) => Destination::Refuse(broken.clone()),
        None => Destination::Refuse(misconfiguration(
            place.route,
            &format!("{backend} not found"),
        )),
    }
}
