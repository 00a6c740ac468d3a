//! HTTPRoutes.

use egret_api::gateway::{
    BackendFilter, BackendFilterType, BackendRef, BackendRewritePath, BackendRewritePathType,
    BackendUrlRewrite, CookieLifetimeType, Cors, ExtensionRef, HttpRoute, HttpRouteMatch,
    HttpRouteRule, HttpRouteSpec, ParentRef, PathMatchType, RewritePath, RewritePathType,
    RuleFilter, RuleFilterType, SessionPersistence, SessionType, UrlRewrite, UseDefaultGateways,
};

use super::super::matches;
use super::super::session::{CookieLifetime, SessionSpec};
use super::{
    BackendRefSpec, ExtensionSpec, FilterMember, FilterSpec, PathSpec, RewriteSpec, RouteSpec,
    RuleMatches, RuleSpec, rules, single_member,
};
use crate::compile::cors::CorsSpec;
use crate::resources::{LocatedObject, ObjectRef};

pub(super) fn route<'a>(
    (reference, object): (&'a ObjectRef, &'a LocatedObject<HttpRoute>),
) -> RouteSpec<'a> {
    let HttpRouteSpec {
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
        default_gateways: matches!(use_default_gateways, Some(UseDefaultGateways::All)),
        rules: rules(written.as_deref(), match_all_rule, rule),
    }
}

/// `spec.parentRefs`.
pub(super) fn parents(route: &HttpRoute) -> Vec<ParentRef> {
    route.spec.parent_refs.clone().unwrap_or_default()
}

/// The default rule, which matches every request.
fn match_all_rule<'a>() -> RuleSpec<'a> {
    RuleSpec {
        matches: matches_of(&[], "spec.rules[0]"),
        ..RuleSpec::default()
    }
}

fn rule<'a>(spec: &'a HttpRouteRule, field: &str) -> RuleSpec<'a> {
    let HttpRouteRule {
        backend_refs,
        filters,
        matches,
        name,
        retry,
        session_persistence,
        timeouts,
    } = spec;
    RuleSpec {
        name: name.as_deref(),
        matches: matches_of(matches.as_deref().unwrap_or_default(), field),
        filters: filters.iter().flatten().map(filter).collect(),
        backends: backend_refs.iter().flatten().map(backend).collect(),
        timeouts: timeouts.as_ref(),
        retry: retry.as_ref(),
        session: session_persistence.as_ref().map(session),
    }
}

fn session(spec: &SessionPersistence) -> SessionSpec<'_> {
    let SessionPersistence {
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
        is_header: matches!(r#type, Some(SessionType::Header)),
        absolute_timeout: absolute_timeout.as_deref(),
        idle_timeout: idle_timeout.as_deref(),
        lifetime: lifetime.map(|lifetime| match lifetime {
            CookieLifetimeType::Permanent => CookieLifetime::Permanent,
            CookieLifetimeType::Session => CookieLifetime::Session,
        }),
        has_cookie: cookie_config.is_some(),
    }
}

fn matches_of(specs: &[HttpRouteMatch], field: &str) -> RuleMatches {
    let kind = |spec: &HttpRouteMatch| spec.path.as_ref().and_then(|path| path.r#type.clone());
    let is_prefix =
        |spec: &HttpRouteMatch| matches!(kind(spec), None | Some(PathMatchType::PathPrefix));
    let (usable, faults) = matches::compile(specs, field);
    RuleMatches {
        usable,
        faults,
        prefixes: specs.iter().all(is_prefix),
    }
}

fn backend(spec: &BackendRef) -> BackendRefSpec<'_> {
    let BackendRef {
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

fn filter(spec: &RuleFilter) -> FilterSpec<'_> {
    use RuleFilterType as Type;
    let RuleFilter {
        cors,
        extension_ref,
        external_auth,
        request_header_modifier: request,
        request_mirror: mirror,
        request_redirect: redirect,
        response_header_modifier: response,
        r#type,
        url_rewrite: rewrite,
    } = spec;
    let is = |kind: Type| *r#type == kind;
    let unsupported = |is_set: bool| is_set.then_some(FilterMember::Unsupported);
    let extension = extension_ref
        .as_ref()
        .map(|ExtensionRef { group, kind, name }| {
            FilterMember::Extension(ExtensionSpec { group, kind, name })
        });
    let request = request
        .as_ref()
        .map(|edits| FilterMember::RequestHeaders(edits.into()));
    let response = response
        .as_ref()
        .map(|edits| FilterMember::ResponseHeaders(edits.into()));
    single_member([
        (
            is(Type::Cors),
            "cors",
            cors.as_ref()
                .map(|spec| FilterMember::Cors(cors_spec(spec))),
        ),
        (is(Type::ExtensionRef), "extensionRef", extension),
        (
            is(Type::ExternalAuth),
            "externalAuth",
            unsupported(external_auth.is_some()),
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
            is(Type::RequestRedirect),
            "requestRedirect",
            redirect.as_ref().map(FilterMember::Redirect),
        ),
        (
            is(Type::ResponseHeaderModifier),
            "responseHeaderModifier",
            response,
        ),
        (
            is(Type::UrlRewrite),
            "urlRewrite",
            rewrite
                .as_ref()
                .map(|spec| FilterMember::Rewrite(spec.into())),
        ),
    ])
}

/// Reads the same fields of several generated types.
macro_rules! rewrites_from {
    ($($type:ident { $path:ident, $kind:ident })*) => {$(
        impl<'a> From<&'a $type> for RewriteSpec<'a> {
            fn from(spec: &'a $type) -> Self {
                let $type { hostname, path } = spec;
                Self {
                    hostname: hostname.as_deref(),
                    path: path.as_ref().map(|spec| {
                        let $path { replace_full_path, replace_prefix_match, r#type } = spec;
                        PathSpec {
                            is_full: *r#type == $kind::ReplaceFullPath,
                            full: replace_full_path.as_deref(),
                            prefix: replace_prefix_match.as_deref(),
                        }
                    }),
                }
            }
        }
    )*};
}

rewrites_from! {
    UrlRewrite { RewritePath, RewritePathType }
    BackendUrlRewrite { BackendRewritePath, BackendRewritePathType }
}

fn cors_spec(spec: &Cors) -> CorsSpec<'_> {
    let Cors {
        allow_credentials,
        allow_headers,
        allow_methods,
        allow_origins,
        expose_headers,
        max_age,
    } = spec;
    CorsSpec {
        allow_origins: allow_origins.as_deref().unwrap_or_default(),
        allow_credentials: *allow_credentials == Some(true),
        allow_methods: allow_methods.as_deref().unwrap_or_default(),
        allow_headers: allow_headers.as_deref().unwrap_or_default(),
        expose_headers: expose_headers.as_deref().unwrap_or_default(),
        max_age: *max_age,
    }
}

/// Reads a filter of a backend reference, of which header modifiers, RequestMirror and URLRewrite are supported.
fn backend_filter(spec: &BackendFilter) -> FilterSpec<'_> {
    use BackendFilterType as Type;
    let BackendFilter {
        cors,
        extension_ref,
        external_auth,
        request_header_modifier: request,
        request_mirror: mirror,
        request_redirect: redirect,
        response_header_modifier: response,
        r#type,
        url_rewrite: rewrite,
    } = spec;
    let is = |kind: Type| *r#type == kind;
    let unsupported = |is_set: bool| is_set.then_some(FilterMember::Unsupported);
    let rule_only = |is_set: bool| is_set.then_some(FilterMember::RuleOnly);
    let request = request
        .as_ref()
        .map(|edits| FilterMember::RequestHeaders(edits.into()));
    let response = response
        .as_ref()
        .map(|edits| FilterMember::ResponseHeaders(edits.into()));
    single_member([
        (is(Type::Cors), "cors", rule_only(cors.is_some())),
        (
            is(Type::ExtensionRef),
            "extensionRef",
            rule_only(extension_ref.is_some()),
        ),
        (
            is(Type::ExternalAuth),
            "externalAuth",
            unsupported(external_auth.is_some()),
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
            is(Type::RequestRedirect),
            "requestRedirect",
            rule_only(redirect.is_some()),
        ),
        (
            is(Type::ResponseHeaderModifier),
            "responseHeaderModifier",
            response,
        ),
        (
            is(Type::UrlRewrite),
            "urlRewrite",
            rewrite
                .as_ref()
                .map(|spec| FilterMember::Rewrite(spec.into())),
        ),
    ])
}
