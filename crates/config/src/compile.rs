//! Compiles resources to a [`Snapshot`] and a [`Report`].
//!
//! Both are made in one pass, so that what is served and what is reported cannot differ.

use std::collections::BTreeMap;

use crate::report::Report;
use crate::resources::Resources;
use crate::snapshot::{BindAddress, ListenerSocket, Snapshot};

mod ancestor;
mod annotation;
mod authorities;
mod backend;
mod backend_identity;
mod body_format;
mod class;
mod context;
mod cors;
mod direct_response;
mod expiry;
mod gateway;
mod grant;
mod header;
mod keepalive;
mod lint;
mod log;
mod missing;
mod namespace;
mod no_effect;
mod parameters;
mod passthrough;
mod policy;
mod retry;
mod review;
mod route;
mod secret;
mod service;
mod target;
mod tls_options;
mod tunnel;
mod unsupported;
mod upgrade;
mod usage;
mod value;

pub use class::{CONTROLLER_NAME, CompileOptions, FileAccess, GatewayPlacement};
pub use parameters::{PROXY_ARGUMENTS, gateway_parameters, merge_json};
pub use review::{
    CompileReview, FaultCause, GatewayUse, ListenerName, ObjectFault, PolicyBinding, PolicyTarget,
};

use backend_identity::BackendIdentities;
use class::GatewayClasses;
use context::RouteContext;
use gateway::GatewayDraft;
use log::ReportLog;
use service::ServiceLookup;
use target::{LabelIndex, TargetLookup};

/// The result of a compilation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompiledConfig {
    /// The configuration to serve.
    pub snapshot: Snapshot,
    /// The report of what was accepted and what was not.
    pub report: Report,
    /// Where the faults are, and what the policies are bound to.
    pub review: CompileReview,
}

/// Compiles all resources. This never fails: if an object is not valid, the report says so, and requests that it would
/// have served are refused.
#[must_use]
pub fn compile(resources: &Resources, options: &CompileOptions) -> CompiledConfig {
    let mut log = ReportLog::default();
    let classes = GatewayClasses::compile(resources, options, &mut log);
    let labels = LabelIndex::of(resources);
    let targets = TargetLookup {
        resources,
        classes: &classes,
        labels: &labels,
    };
    let route_gateways = route::gateways(resources, &classes);
    let backends = backend::compile(resources, &mut log);
    let services = ServiceLookup::new(resources);
    let upstreams = policy::Upstreams {
        backends: &backends,
        services: &services,
    };
    let policies = policy::compile(targets, route_gateways, upstreams, options, &mut log);
    let mut gateways = gateway::compile(resources, &classes, options, &policies, &mut log);
    let shown = gateways.iter().filter_map(|gateway| {
        let identity = gateway.backend_identity()?;
        Some((gateway.reference.clone(), identity.clone()))
    });
    let mut context = RouteContext {
        resources,
        backends,
        identities: BackendIdentities::new(shown.collect()),
        services,
        responses: direct_response::compile(resources, &mut log),
        classes,
        policies,
        uses: BTreeMap::new(),
    };
    route::compile(&mut context, &mut gateways, &mut log);
    direct_response::report(resources, &context.responses, &mut log);
    context.services.report(&mut log);
    context.policies.report(resources, &context.uses, &mut log);
    let served = gateways
        .iter()
        .map(|gateway| (gateway.reference, &*gateway.object.value));
    let classes = context.classes.ours(resources);
    parameters::report(resources, classes, served, &mut log);
    unsupported::report(resources, &mut log);
    no_effect::report(resources, &mut log);
    passthrough::report(resources, &gateways, &mut log);
    tunnel::report(resources, &gateways, &mut log);
    let sockets = finish(gateways, &context, options, &mut log);
    let remote_keys = usage::remote_keys(&sockets);
    let services = context.policies.services();
    let checked = usage::checked(&sockets, &services);
    let (report, review) = log.finish();
    CompiledConfig {
        snapshot: Snapshot {
            sockets,
            resolvers: context.policies.resolvers(),
            services,
            checked,
            remote_keys,
            expiries: context.policies.expiries(),
        },
        report,
        review,
    }
}

/// Makes sockets of the Gateways, and warns about what is served on those of one place.
fn finish(
    gateways: Vec<GatewayDraft<'_>>,
    context: &RouteContext<'_>,
    options: &CompileOptions,
    log: &mut ReportLog,
) -> BTreeMap<BindAddress, ListenerSocket> {
    let places: Vec<Vec<GatewayDraft<'_>>> = match options.placement {
        GatewayPlacement::Shared => vec![gateways],
        GatewayPlacement::Apart => gateways.into_iter().map(|gateway| vec![gateway]).collect(),
    };
    let mut all: BTreeMap<BindAddress, ListenerSocket> = BTreeMap::new();
    for place in places {
        let mut sockets = BTreeMap::new();
        for gateway in place {
            gateway.finish(&context.policies, &mut sockets, log);
        }
        if let Some(now) = options.now {
            expiry::report(&sockets, context.resources, now, log);
        }
        lint::report(context.resources, &sockets, log);
        if options.placement == GatewayPlacement::Apart {
            log.uses(usage::of(&sockets));
        }
        for (bind, socket) in sockets {
            // Only whoever serves one Gateway alone has a use for the sockets of Gateways that are apart.
            all.entry(bind).or_insert(socket);
        }
    }
    all
}

#[cfg(test)]
mod tests;
