//! The specs of all kinds of route in one form, which routes are compiled from.

use egret_api::gateway::{ParentRef, RequestRedirect, RuleRetry, RuleTimeouts};
use kube::core::ObjectMeta;

use super::header::HeaderModifierSpec;
use super::mirror::MirrorSpec;
use super::session::SessionSpec;
use crate::compile::cors::CorsSpec;
use crate::compile::log::FieldFault;
use crate::resources::{ObjectRef, ObjectSeniority, Resources, SourceLocation};
use crate::route::MatchConditions;

mod grpc;
mod http;
mod tls;

/// A route of any kind.
pub(super) struct RouteSpec<'a> {
    pub(super) reference: &'a ObjectRef,
    pub(super) source: &'a SourceLocation,
    pub(super) meta: &'a ObjectMeta,
    pub(super) seniority: ObjectSeniority,
    /// The hostnames; a route without any matches every host of its listener.
    pub(super) hostnames: &'a [String],
    pub(super) parents: Vec<ParentRef>,
    /// Whether `useDefaultGateways` is `All`.
    pub(super) default_gateways: bool,
    pub(super) rules: Vec<RuleSpec<'a>>,
}

/// `spec.rules[]` of a route.
#[derive(Default)]
pub(super) struct RuleSpec<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) matches: RuleMatches,
    pub(super) filters: Vec<FilterSpec<'a>>,
    pub(super) backends: Vec<BackendRefSpec<'a>>,
    pub(super) timeouts: Option<&'a RuleTimeouts>,
    pub(super) retry: Option<&'a RuleRetry>,
    pub(super) session: Option<SessionSpec<'a>>,
}

/// The compiled matches of a rule.
#[derive(Default)]
pub(super) struct RuleMatches {
    /// The matches that are valid.
    pub(super) usable: Vec<MatchConditions>,
    /// The faults of the others.
    pub(super) faults: Vec<FieldFault>,
    /// Whether every match is a PathPrefix, so that there is a prefix to replace.
    pub(super) prefixes: bool,
}

/// `backendRefs[]` of a rule.
pub(super) struct BackendRefSpec<'a> {
    pub(super) group: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    pub(super) name: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) port: Option<i32>,
    pub(super) weight: Option<i32>,
    pub(super) filters: Vec<FilterSpec<'a>>,
}

/// The name and the value of the one member of a filter that is set. The error is the name of a member that does not
/// agree with the type.
pub(super) type FilterSpec<'a> = Result<(&'static str, FilterMember<'a>), &'static str>;

/// The value of a filter.
pub(super) enum FilterMember<'a> {
    RequestHeaders(HeaderModifierSpec<'a>),
    ResponseHeaders(HeaderModifierSpec<'a>),
    Redirect(&'a RequestRedirect),
    Rewrite(RewriteSpec<'a>),
    Cors(CorsSpec<'a>),
    Mirror(MirrorSpec<'a>),
    Extension(ExtensionSpec<'a>),
    Unsupported,
    /// A filter of a backend reference that is supported for a whole rule alone.
    RuleOnly,
}

/// `urlRewrite` of a filter.
pub(super) struct RewriteSpec<'a> {
    pub(super) hostname: Option<&'a str>,
    pub(super) path: Option<PathSpec<'a>>,
}

/// `path` of a filter that changes it.
#[derive(Clone, Copy)]
pub(super) struct PathSpec<'a> {
    /// Whether the type is `ReplaceFullPath`, else it is `ReplacePrefixMatch`.
    pub(super) is_full: bool,
    pub(super) full: Option<&'a str>,
    pub(super) prefix: Option<&'a str>,
}

/// `extensionRef` of a filter.
pub(super) struct ExtensionSpec<'a> {
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
}

/// All routes of all kinds, oldest first.
pub(super) fn all(resources: &Resources) -> Vec<RouteSpec<'_>> {
    let http = resources.http_routes.iter().map(http::route);
    let grpc = resources.grpc_routes.iter().map(grpc::route);
    let tls = resources.tls_routes.iter().map(tls::route);
    let mut routes: Vec<_> = http.chain(grpc).chain(tls).collect();
    routes.sort_by(|a, b| (&a.seniority, a.reference).cmp(&(&b.seniority, b.reference)));
    routes
}

/// The parents of all routes of all kinds.
pub(super) fn parents(resources: &Resources) -> impl Iterator<Item = (&ObjectRef, Vec<ParentRef>)> {
    let http = resources.http_routes.iter();
    let http = http.map(|(route, object)| (route, http::parents(&object.value)));
    let grpc = resources.grpc_routes.iter();
    let grpc = grpc.map(|(route, object)| (route, grpc::parents(&object.value)));
    let tls = resources.tls_routes.iter();
    let tls = tls.map(|(route, object)| (route, tls::parents(&object.value)));
    http.chain(grpc).chain(tls)
}

/// The one member of a filter that is set. Each candidate has: whether it is that of the filter's type, its name, and
/// its value if it is set.
fn single_member<'a>(
    members: impl IntoIterator<Item = (bool, &'static str, Option<FilterMember<'a>>)>,
) -> FilterSpec<'a> {
    let mut single_member = Err("type");
    for (is_type, name, member) in members {
        match member {
            Some(member) if is_type => single_member = Ok((name, member)),
            None if !is_type => {}
            Some(_) | None => return Err(name),
        }
    }
    single_member
}

/// Reads the rules, each with the path of its field. A route without rules has one default rule.
fn rules<'a, T>(
    specs: Option<&'a [T]>,
    default: impl FnOnce() -> RuleSpec<'a>,
    read: impl Fn(&'a T, &str) -> RuleSpec<'a>,
) -> Vec<RuleSpec<'a>> {
    let specs = specs.unwrap_or_default();
    if specs.is_empty() {
        return vec![default()];
    }
    let each = specs.iter().enumerate();
    each.map(|(index, spec)| read(spec, &format!("spec.rules[{index}]")))
        .collect()
}
