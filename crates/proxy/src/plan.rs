//! Where a request will be sent, and what it will say there: everything that is decided before anything is done.

use std::borrow::Cow;

use egret_config::name::Host;
use egret_config::policy::egress::Egress;
use egret_config::route::{Found, normalize_path};
use egret_config::snapshot::{self, PathRewrite, Rewrite, Scheme, WeightedBackend};
use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Uri};

use crate::refusal::Refusal;
use crate::target::Target;
use crate::upstream::pool::Destination;
use crate::worker::Worker;

/// What was decided of a request that is forwarded.
pub(crate) struct Plan<'a> {
    /// Whom to connect to.
    pub(crate) destination: Destination,
    /// The policies on it.
    pub(crate) egress: &'a Egress,
    /// Whether the client chose the destination.
    pub(crate) dynamic: bool,
    /// The path that the upstream will see, as policies read it.
    pub(crate) normalized_path: Cow<'a, str>,
    /// The target in origin form (RFC 9112 3.2.1).
    path: PathAndQuery,
    /// The `Host` to send; `None` sends the client's.
    host: Option<HeaderValue>,
}

impl<'a> Plan<'a> {
    /// Decides. `parts` is the request as it came.
    ///
    /// # Errors
    /// [`Refusal::Misconfigured`] if the backend is, [`Refusal::Framing`] if a rewritten path is not one.
    pub(crate) fn new(
        target: &Target,
        found: &Found<'a>,
        backend: &'a WeightedBackend,
        parts: &Parts,
        worker: &Worker,
    ) -> Result<Self, Refusal> {
        let scheme = target.scheme.unwrap_or(Scheme::Http);
        let rewrite = found.rule.filters.rewrite.as_ref();
        let new_host = rewrite.and_then(|rewrite| rewrite.host.as_ref());
        let (wanted, port) = match new_host {
            Some(name) => (Host::Name(name.clone()), scheme.default_port()),
            None => (
                target.host.clone(),
                target.port.unwrap_or_else(|| scheme.default_port()),
            ),
        };
        // An absolute-form target overrides Host, and the next hop must see the same (RFC 9112 3.2.2).
        let host = (new_host.is_some() || target.scheme.is_some())
            .then(|| Target::host_header(&wanted, port, scheme));
        let (host_port, resolver, dynamic) = match &backend.destination {
            snapshot::Destination::Dynamic(to) => ((wanted, port), &to.resolver, true),
            snapshot::Destination::Static(to) => (
                to.hosts[worker.turn(to.hosts.len())].clone(),
                &to.resolver,
                false,
            ),
            snapshot::Destination::Refuse(why) => return Err(Refusal::Misconfigured(why.clone())),
        };
        let path = path(rewrite, found.matched_prefix, parts)?;
        let normalized_path = Cow::Owned(normalize_path(path.path()).into_owned());
        let destination = Destination {
            scheme,
            host: host_port.0,
            port: host_port.1,
            resolver: resolver.clone(),
        };
        Ok(Self {
            destination,
            egress: &backend.egress,
            dynamic,
            normalized_path,
            path,
            host,
        })
    }

    /// Makes the request say what was decided. `host` is the client's own field, which filters must not change.
    pub(crate) fn address(&self, parts: &mut Parts, host: Option<HeaderValue>) {
        parts.uri = Uri::from(self.path.clone());
        parts.version = http::Version::HTTP_11;
        if let Some(host) = self.host.clone().or(host) {
            parts.headers.insert(HOST, host);
        }
    }
}

/// The path and query to send: as they came, or rewritten.
fn path(
    rewrite: Option<&Rewrite>,
    matched_prefix: Option<&str>,
    parts: &Parts,
) -> Result<PathAndQuery, Refusal> {
    let came = parts.uri.path_and_query();
    let Some(rewrite) = rewrite.and_then(|rewrite| rewrite.path.as_ref()) else {
        return whole_path(came, &parts.method);
    };
    let normalized = match rewrite {
        PathRewrite::Full(_) => Cow::Borrowed(parts.uri.path()),
        // What the prefix was matched against.
        PathRewrite::Prefix(_) => normalize_path(parts.uri.path()),
    };
    let mut text = rewrite.apply(&normalized, matched_prefix);
    if let Some(query) = parts.uri.query() {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::try_from(text).map_err(|_| Refusal::Framing("the rewritten path is not a path"))
}

/// An absolute-form target may have no path (RFC 9112 3.2.2); `OPTIONS` without one is about the server itself (3.2.4).
fn whole_path(came: Option<&PathAndQuery>, method: &Method) -> Result<PathAndQuery, Refusal> {
    match came {
        Some(path) if path.as_str().starts_with(['/', '*']) => Ok(path.clone()),
        Some(query) if query.as_str().starts_with('?') => {
            PathAndQuery::try_from(format!("/{}", query.as_str()))
                .map_err(|_| Refusal::Framing("the target is not a path"))
        }
        _ if method == Method::OPTIONS => Ok(PathAndQuery::from_static("*")),
        _ => Ok(PathAndQuery::from_static("/")),
    }
}
