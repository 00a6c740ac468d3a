//! GRPCRoutes. A gRPC call is a POST to `/service/method`; matches are compiled to conditions on that request.

use egret_api::gateway::{
    GrpcBackendFilter, GrpcBackendFilterType, GrpcBackendRef, GrpcCookieLifetimeType,
    GrpcExtensionRef, GrpcHeaderMatch, GrpcHeaderMatchType, GrpcMethodMatch, GrpcMethodMatchType,
    GrpcParentRef, GrpcRoute, GrpcRouteMatch, GrpcRouteRule, GrpcRouteSpec, GrpcRuleFilter,
    GrpcRuleFilterType, GrpcSessionPersistence, GrpcSessionType, GrpcUseDefaultGateways, ParentRef,
};
use http::Method;

use super::super::matches::{header, text};
use super::super::session::{CookieLifetime, SessionSpec};
use super::{
    BackendRefSpec, ExtensionSpec, FilterMember, FilterSpec, RouteSpec, RuleMatches, RuleSpec,
    rules, single_member,
};
use crate::compile::log::FieldFault;
use crate::resources::{LocatedObject, ObjectRef};
use crate::route::{MatchConditions, PathMatch, RpcMatch, TextMatch};

pub(super) fn route<'a>(
    (reference, object): (&'a ObjectRef, &'a LocatedObject<GrpcRoute>),
) -> RouteSpec<'a> {
    let GrpcRouteSpec {
        hostnames,
        parent_refs: _,
        rules: written,
        use_default_gateways,
    } = &object.value.spec;
    RouteSpec {
        reference,
        source: &object.source,
        meta: &object.value.metadata,
        seniority: object.seniority(reference),
        hostnames: hostnames.as_deref().unwrap_or_default(),
        parents: parents(&object.value),
        default_gateways: matches!(use_default_gateways, Some(GrpcUseDefaultGateways::All)),
        rules: rules(written.as_deref(), match_all_rule, rule),
    }
}

/// `spec.parentRefs`.
pub(super) fn parents(route: &GrpcRoute) -> Vec<ParentRef> {
    route
        .spec
        .parent_refs
        .iter()
        .flatten()
        .map(parent)
        .collect()
}

/// The default rule, which matches every call.
fn match_all_rule<'a>() -> RuleSpec<'a> {
    RuleSpec {
        matches: matches_of(&[], "spec.rules[0]"),
        ..RuleSpec::default()
    }
}

fn rule<'a>(spec: &'a GrpcRouteRule, field: &str) -> RuleSpec<'a> {
    let GrpcRouteRule {
        backend_refs,
        filters,
        matches,
        name,
        session_persistence,
    } = spec;
    RuleSpec {
        name: name.as_deref(),
        matches: matches_of(matches.as_deref().unwrap_or_default(), field),
        filters: filters.iter().flatten().map(filter).collect(),
        backends: backend_refs.iter().flatten().map(backend).collect(),
        session: session_persistence.as_ref().map(session),
        ..RuleSpec::default()
    }
}

fn session(spec: &GrpcSessionPersistence) -> SessionSpec<'_> {
    let GrpcSessionPersistence {
        absolute_timeout,
        cookie_config,
        idle_timeout,
        session_name,
        r#type,
    } = spec;
    let lifetime = cookie_config
        .as_ref()
        .and_then(|cookie| cookie.lifetime_type.as_ref());
    SessionSpec {
        name: session_name.as_deref(),
        is_header: matches!(r#type, Some(GrpcSessionType::Header)),
        absolute_timeout: absolute_timeout.as_deref(),
        idle_timeout: idle_timeout.as_deref(),
        lifetime: lifetime.map(|lifetime| match lifetime {
            GrpcCookieLifetimeType::Permanent => CookieLifetime::Permanent,
            GrpcCookieLifetimeType::Session => CookieLifetime::Session,
        }),
        has_cookie: cookie_config.is_some(),
    }
}

fn matches_of(specs: &[GrpcRouteMatch], field: &str) -> RuleMatches {
    let everything = [GrpcRouteMatch::default()];
    let specs = if specs.is_empty() { &everything } else { specs };
    let mut matches = RuleMatches::default();
    for (index, spec) in specs.iter().enumerate() {
        match compile_match(spec, &format!("{field}.matches[{index}]")) {
            Ok(compile_match) => matches.usable.push(compile_match),
            Err(fault) => matches.faults.push(fault),
        }
    }
    matches
}

fn compile_match(spec: &GrpcRouteMatch, field: &str) -> Result<MatchConditions, FieldFault> {
    let GrpcRouteMatch { headers, method } = spec;
    let path = match method {
        None => PathMatch::Prefix("/".to_owned()),
        Some(spec) => PathMatch::Rpc(rpc(spec, &format!("{field}.method"))?),
    };
    let mut matches = MatchConditions {
        path,
        method: Some(Method::POST),
        headers: Vec::new(),
        query: Vec::new(),
    };
    for (
        index,
        GrpcHeaderMatch {
            name,
            r#type,
            value,
        },
    ) in headers.iter().flatten().enumerate()
    {
        let field = format!("{field}.headers[{index}]");
        let regex = matches!(r#type, Some(GrpcHeaderMatchType::RegularExpression));
        let value = text(regex, value, &field)?;
        header(name, value, &field, &mut matches.headers)?;
    }
    Ok(matches)
}

fn rpc(spec: &GrpcMethodMatch, field: &str) -> Result<RpcMatch, FieldFault> {
    let GrpcMethodMatch {
        method,
        service,
        r#type,
    } = spec;
    let regex = matches!(r#type, Some(GrpcMethodMatchType::RegularExpression));
    let part = |name: &str, written: Option<&str>| match written {
        None | Some("") => Ok(None),
        Some(written) if regex => {
            let fault =
                |FieldFault { message, .. }| FieldFault::new(format!("{field}.{name}"), message);
            text(true, written, field).map(Some).map_err(fault)
        }
        Some(written) if is_name(written) => Ok(Some(TextMatch::Exact(written.to_owned()))),
        Some(_) => {
            let message = format!("not the name of a gRPC {name}");
            Err(FieldFault::new(format!("{field}.{name}"), message))
        }
    };
    let service = part("service", service.as_deref())?;
    let method = part("method", method.as_deref())?;
    if service.is_none() && method.is_none() {
        let message = "one or both of 'service' or 'method' must be specified";
        return Err(FieldFault::new(field, message));
    }
    Ok(RpcMatch { service, method })
}

/// Whether Protocol Buffers allow the text as a name, with a package before it.
fn is_name(text: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    text.chars().all(is_fine)
}

fn backend(spec: &GrpcBackendRef) -> BackendRefSpec<'_> {
    let GrpcBackendRef {
        filters,
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
        filters: filters.iter().flatten().map(backend_filter).collect(),
    }
}

fn filter(spec: &GrpcRuleFilter) -> FilterSpec<'_> {
    use GrpcRuleFilterType as Type;
    let GrpcRuleFilter {
        extension_ref,
        request_header_modifier: request,
        request_mirror: mirror,
        response_header_modifier: response,
        r#type,
    } = spec;
    let is = |kind: Type| *r#type == kind;
    let extension = extension_ref
        .as_ref()
        .map(|GrpcExtensionRef { group, kind, name }| {
            FilterMember::Extension(ExtensionSpec { group, kind, name })
        });
    let request = request
        .as_ref()
        .map(|edits| FilterMember::RequestHeaders(edits.into()));
    let response = response
        .as_ref()
        .map(|edits| FilterMember::ResponseHeaders(edits.into()));
    single_member([
        (is(Type::ExtensionRef), "extensionRef", extension),
        (
            is(Type::RequestHeaderModifier),
            "requestHeaderModifier",
            request,
        ),
        (
            is(Type::RequestMirror),
            "requestMirror",
            mirror
                .as_ref()
                .map(|spec| FilterMember::Mirror(spec.into())),
        ),
        (
            is(Type::ResponseHeaderModifier),
            "responseHeaderModifier",
            response,
        ),
    ])
}

/// Reads a filter of a backend reference, of which header modifiers and RequestMirror are supported.
fn backend_filter(spec: &GrpcBackendFilter) -> FilterSpec<'_> {
    use GrpcBackendFilterType as Type;
    let GrpcBackendFilter {
        extension_ref,
        request_header_modifier: request,
        request_mirror: mirror,
        response_header_modifier: response,
        r#type,
    } = spec;
    let is = |kind: Type| *r#type == kind;
    let rule_only = |is_set: bool| is_set.then_some(FilterMember::RuleOnly);
    let request = request
        .as_ref()
        .map(|edits| FilterMember::RequestHeaders(edits.into()));
    let response = response
        .as_ref()
        .map(|edits| FilterMember::ResponseHeaders(edits.into()));
    single_member([
        (
            is(Type::ExtensionRef),
            "extensionRef",
            rule_only(extension_ref.is_some()),
        ),
        (
            is(Type::RequestHeaderModifier),
            "requestHeaderModifier",
            request,
        ),
        (
            is(Type::RequestMirror),
            "requestMirror",
            mirror
                .as_ref()
                .map(|spec| FilterMember::Mirror(spec.into())),
        ),
        (
            is(Type::ResponseHeaderModifier),
            "responseHeaderModifier",
            response,
        ),
    ])
}

fn parent(parent: &GrpcParentRef) -> ParentRef {
    let GrpcParentRef {
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
