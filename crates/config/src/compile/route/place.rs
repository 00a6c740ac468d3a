//! Compiles a rule for one listener, with the policies and resolvers that apply there.

use std::sync::Arc;

use crate::compile::backend::{ServableBackend, StaticHosts};
use crate::compile::context::RouteContext;
use crate::compile::log::misconfiguration;
use crate::compile::passthrough;
use crate::compile::policy::PolicyScope;
use crate::name::Port;
use crate::policy::traffic::TrafficSettings;
use crate::policy::url_rewrite::UrlRewriting;
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{
    BackendDestination, DynamicDestination, PathRewrite, RequestMirror, RouteFilters, RouteRule,
    RouteTimeouts, RuleAction, ServiceDestination, StaticDestination, WeightedBackend,
    WeightedBackends,
};

use super::backend_ref::BackendDraft;
use super::mirror::MirrorDraft;
use super::rule::{ActionDraft, RuleDraft};

impl RuleDraft {
    /// The rule as it is served at a place.
    pub(super) fn at(&self, context: &RouteContext<'_>, scope: PolicyScope<'_>) -> RouteRule {
        let policies = context.policies.traffic(scope, &self.own);
        let refusal = passthrough::refusal(scope.route, &policies);
        RouteRule {
            route: scope.route.clone(),
            index: self.index,
            name: self.name.clone(),
            filters: self.filters_with(&policies),
            timeouts: self.timeouts_with(&policies),
            policies: Arc::new(policies),
            mirrors: mirrors(context, scope, &self.mirrors, &RouteFilters::default()),
            session: self.session.clone(),
            action: match refusal {
                Some(wrong) => RuleAction::Refuse(wrong),
                None => self.action_at(context, scope),
            },
        }
    }

    /// The filters of the rule, completed by what policies say.
    fn filters_with(&self, policies: &TrafficSettings) -> RouteFilters {
        let mut filters = self.filters.clone();
        if let Some(UrlRewriting { path }) = policies.url_rewrite.value().map(|it| &**it) {
            let rewrite = filters.rewrite.get_or_insert_default();
            let of_policy = || PathRewrite::Regex(path.clone());
            rewrite.path.get_or_insert_with(of_policy);
        }
        filters
    }

    /// The time limits of the rule, completed by those of policies.
    fn timeouts_with(&self, policies: &TrafficSettings) -> RouteTimeouts {
        let Some(limits) = policies.timeouts.value() else {
            return self.timeouts;
        };
        RouteTimeouts {
            request: self.timeouts.request.or(limits.request),
            stream_idle: limits.stream_idle,
            ..self.timeouts
        }
    }

    fn action_at(&self, context: &RouteContext<'_>, scope: PolicyScope<'_>) -> RuleAction {
        match &self.action {
            ActionDraft::Forward(backends) => {
                RuleAction::Forward(weighted(context, scope, backends))
            }
            ActionDraft::Redirect(redirect) => RuleAction::Redirect(redirect.clone()),
            ActionDraft::Respond(response) => RuleAction::Respond(response.clone()),
            ActionDraft::Refuse(wrong) => RuleAction::Refuse(wrong.clone()),
        }
    }
}

/// Mirrors with the filters of what they belong to.
fn mirrors(
    context: &RouteContext<'_>,
    scope: PolicyScope<'_>,
    drafts: &[MirrorDraft],
    filters: &RouteFilters,
) -> Vec<Arc<RequestMirror>> {
    let mirror = |draft: &MirrorDraft| {
        Arc::new(RequestMirror {
            share: draft.share,
            backend: WeightedBackend {
                weight: 1,
                filters: filters.clone(),
                mirrors: Vec::new(),
                destination: destination(context, scope, &draft.backend, draft.port),
                egress: context.policies.egress(scope, Some(&draft.backend)),
            },
        })
    };
    drafts.iter().map(mirror).collect()
}

fn weighted(
    context: &RouteContext<'_>,
    scope: PolicyScope<'_>,
    drafts: &[BackendDraft],
) -> WeightedBackends {
    let backends: Vec<WeightedBackend> = drafts
        .iter()
        .filter(|draft| draft.weight > 0)
        .map(|draft| WeightedBackend {
            weight: draft.weight,
            filters: draft.filters.clone(),
            mirrors: mirrors(context, scope, &draft.mirrors, &draft.filters),
            destination: match &draft.backend {
                Ok(backend) => destination(context, scope, backend, draft.port),
                Err(wrong) => BackendDestination::Refuse(wrong.clone()),
            },
            egress: context.policies.egress(scope, draft.backend.as_ref().ok()),
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
    context: &RouteContext<'_>,
    scope: PolicyScope<'_>,
    backend: &ObjectRef,
    port: Option<Port>,
) -> BackendDestination {
    if backend.kind == Kind::Service {
        return service(context, scope, backend, port);
    }
    if let Some(broken) = context.policies.broken_backend(backend, None) {
        return BackendDestination::Refuse(broken.clone());
    }
    let resolver = context.policies.resolver(scope.listener.gateway, backend);
    let settings = context.policies.backend_settings(backend, None);
    let backend = backend.clone();
    match context.backends.get(&backend) {
        Some(Ok(ServableBackend::Dynamic(scheme))) => {
            BackendDestination::Dynamic(DynamicDestination {
                backend,
                resolver,
                settings,
                scheme: *scheme,
                port,
            })
        }
        Some(Ok(ServableBackend::Static(StaticHosts { hosts, version }))) => {
            let hosts = hosts.clone();
            let settings = context.identities.shown(scope.listener.gateway, settings);
            BackendDestination::Static(StaticDestination {
                backend,
                resolver,
                settings,
                version: *version,
                hosts,
            })
        }
        Some(Err(broken)) => BackendDestination::Refuse(broken.clone()),
        None => BackendDestination::Refuse(misconfiguration(
            scope.route,
            &format!("{backend} not found"),
        )),
    }
}

/// A port of a Service; the references to it have been resolved before.
fn service(
    context: &RouteContext<'_>,
    scope: PolicyScope<'_>,
    service: &ObjectRef,
    port: Option<Port>,
) -> BackendDestination {
    let found = port.and_then(|port| Some((port, context.services.port(service, port).ok()?)));
    let Some((port, served)) = found else {
        let message = format!("{service} not found");
        return BackendDestination::Refuse(misconfiguration(scope.route, &message));
    };
    let section = Some(&*served.name);
    if let Some(broken) = context.policies.broken_backend(service, section) {
        return BackendDestination::Refuse(broken.clone());
    }
    let settings = context.policies.backend_settings(service, section);
    let settings = context.identities.shown(scope.listener.gateway, settings);
    BackendDestination::Service(ServiceDestination {
        service: service.clone(),
        version: served
            .http_version(settings.tls.is_some())
            .unwrap_or_default(),
        host: served.host,
        port,
        settings,
        endpoints: served.endpoints,
    })
}
