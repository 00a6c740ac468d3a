//! TLSRoutes. A rule has no matches and applies to every name of the route; it is looked up as for a CONNECT request.

use egret_api::gateway::{
    ParentRef, TlsBackendRef, TlsParentRef, TlsRoute, TlsRouteRule, TlsRouteSpec,
    TlsUseDefaultGateways,
};

use super::{BackendRefSpec, RouteSpec, RuleMatches, RuleSpec};
use crate::resources::{LocatedObject, ObjectRef};
use crate::route::{MatchConditions, PathMatch};

pub(super) fn route<'a>(
    (reference, object): (&'a ObjectRef, &'a LocatedObject<TlsRoute>),
) -> RouteSpec<'a> {
    let TlsRouteSpec {
        hostnames,
        parent_refs: _,
        rules,
        use_default_gateways,
    } = &object.value.spec;
    RouteSpec {
        reference,
        source: &object.source,
        meta: &object.value.metadata,
        seniority: object.seniority(reference),
        hostnames,
        parents: parents(&object.value),
        default_gateways: matches!(use_default_gateways, Some(TlsUseDefaultGateways::All)),
        rules: rules.iter().map(rule).collect(),
    }
}

/// `spec.parentRefs`.
pub(super) fn parents(route: &TlsRoute) -> Vec<ParentRef> {
    route
        .spec
        .parent_refs
        .iter()
        .flatten()
        .map(parent)
        .collect()
}

fn rule(spec: &TlsRouteRule) -> RuleSpec<'_> {
    let TlsRouteRule { backend_refs, name } = spec;
    let everything = MatchConditions {
        path: PathMatch::Prefix("/".to_owned()),
        method: None,
        headers: Vec::new(),
        query: Vec::new(),
    };
    RuleSpec {
        name: name.as_deref(),
        matches: RuleMatches {
            usable: vec![everything],
            ..RuleMatches::default()
        },
        backends: backend_refs.iter().map(backend).collect(),
        ..RuleSpec::default()
    }
}

fn backend(spec: &TlsBackendRef) -> BackendRefSpec<'_> {
    let TlsBackendRef {
        group,
        kind,
        name,
        namespace,
        port,
        weight,
    } = spec;
    BackendRefSpec {
        group: group.as_deref(),
        kind: kind.as_deref(),
        name,
        namespace: namespace.as_deref(),
        port: *port,
        weight: *weight,
        filters: Vec::new(),
    }
}

fn parent(parent: &TlsParentRef) -> ParentRef {
    let TlsParentRef {
        group,
        kind,
        name,
        namespace,
        port,
        section_name,
    } = parent.clone();
    ParentRef {
        group,
        kind,
        name,
        namespace,
        port,
        section_name,
    }
}
