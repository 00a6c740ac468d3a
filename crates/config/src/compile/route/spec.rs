//! What routes of every kind say, in the one shape that they are compiled from.

use super::header::Edits;
use crate::api::gateway::{ParentRef, RequestRedirect, RuleRetry, RuleTimeouts, UrlRewrite};
use crate::compile::log::Fault;
use crate::resources::{ObjectRef, Resources, Seniority, Source};
use crate::route::Match;

mod grpc;
mod http;
mod tls;

/// A route of any kind.
pub(super) struct RouteSpec<'a> {
    pub(super) reference: &'a ObjectRef,
    pub(super) source: &'a Source,
    pub(super) seniority: Seniority,
    pub(super) hostnames: &'a [String],
    /// Whether it has to say which hosts it is for: otherwise it is for all.
    pub(super) needs_hostnames: bool,
    pub(super) parents: Vec<ParentRef>,
    /// `useDefaultGateways: All`
    pub(super) default_gateways: bool,
    pub(super) rules: Vec<RuleSpec<'a>>,
}

/// One of `spec.rules`.
#[derive(Default)]
pub(super) struct RuleSpec<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) matches: Matches,
    pub(super) filters: Vec<FilterSpec<'a>>,
    pub(super) backends: Vec<BackendSpec<'a>>,
    pub(super) timeouts: Option<&'a RuleTimeouts>,
    pub(super) retry: Option<&'a RuleRetry>,
    /// Whether `sessionPersistence` is set.
    pub(super) session_persistence: bool,
}

/// The matches of a rule.
#[derive(Default)]
pub(super) struct Matches {
    /// Those that can be used.
    pub(super) good: Vec<Match>,
    /// What is wrong with the others.
    pub(super) bad: Vec<Fault>,
    /// Whether every one has a prefix, so that there is one to replace.
    pub(super) prefixes: bool,
}

/// One of `backendRefs`.
pub(super) struct BackendSpec<'a> {
    pub(super) group: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    pub(super) name: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) port: Option<i32>,
    pub(super) weight: Option<i32>,
    pub(super) filters: Vec<FilterSpec<'a>>,
}

/// A filter: the one member that is set, and its name. The error is the name of one that does not agree with the type.
pub(super) type FilterSpec<'a> = Result<(&'static str, Member<'a>), &'static str>;

/// What a filter says.
pub(super) enum Member<'a> {
    RequestHeaders(Edits<'a>),
    ResponseHeaders(Edits<'a>),
    Redirect(&'a RequestRedirect),
    Rewrite(&'a UrlRewrite),
    Extension(Extension<'a>),
    Unsupported,
}

/// `extensionRef`
pub(super) struct Extension<'a> {
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
}

/// Every route, oldest first, whatever its kind.
pub(super) fn all(resources: &Resources) -> Vec<RouteSpec<'_>> {
    let http = resources.http_routes.iter().map(http::route);
    let grpc = resources.grpc_routes.iter().map(grpc::route);
    let tls = resources.tls_routes.iter().map(tls::route);
    let mut routes: Vec<_> = http.chain(grpc).chain(tls).collect();
    routes.sort_by(|a, b| (&a.seniority, a.reference).cmp(&(&b.seniority, b.reference)));
    routes
}

/// The member of a filter, of all that there are: whether it is of the filter's type, its name, and what it says if it is
/// set.
fn sole<'a>(
    members: impl IntoIterator<Item = (bool, &'static str, Option<Member<'a>>)>,
) -> FilterSpec<'a> {
    let mut sole = Err("type");
    for (is_type, name, member) in members {
        match member {
            Some(member) if is_type => sole = Ok((name, member)),
            None if !is_type => {}
            Some(_) | None => return Err(name),
        }
    }
    sole
}

/// The rules, each read with the path of its field; without any there is one, which says nothing.
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
