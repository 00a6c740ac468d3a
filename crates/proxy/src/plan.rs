//! The plan of a forwarded request: its destination, and what it says there. Everything here is decided before anything
//! is done.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use egret_config::name::{Host, Port};
use egret_config::policy::egress::EgressPolicySet;
use egret_config::resources::{Kind, ObjectRef};
use egret_config::route::{RouteMatch, normalize_path};
use egret_config::snapshot::{
    AlpnProtocol, BackendDestination, BackendSettings, HttpVersion, PathRewrite, RequestRewrite,
    RouteRule, Scheme, SessionPersistence, WeightedBackend,
};
use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri};

use crate::clock;
use crate::message::grpc;
use crate::message::target::Target;
use crate::proxy_protocol::ClientAddresses;
use crate::refusal::Refusal;
use crate::tls::offered_alpn;
use affinity::{AffinityKey, RequestAffinity};
use backend::{PlannedBackend, default_port, scheme};
use destination::{AnnouncedClient, DestinationKey};
use session::Session;

pub(crate) mod affinity;
mod backend;
pub(crate) mod destination;
pub(crate) mod session;

/// The destination of a forwarded request, and what the request says there.
pub(crate) struct ForwardPlan<'a> {
    /// The destination to connect to.
    pub(crate) destination: DestinationKey,
    /// The settings of connections to the destination.
    pub(crate) settings: &'a Arc<BackendSettings>,
    /// The egress policies that hold for the request.
    pub(crate) egress: &'a EgressPolicySet,
    /// Whether the client chose the destination.
    pub(crate) dynamic: bool,
    /// The backend.
    pub(crate) backend: &'a ObjectRef,
    /// The reference to it, which was chosen among those of the rule.
    pub(crate) chosen: &'a WeightedBackend,
    /// The endpoints of a Service; `None` if the destination has its addresses by DNS, or is one.
    endpoints: Option<&'a Arc<[SocketAddr]>>,
    /// The hosts of a static backend; empty for other backends.
    hosts: &'a [(Host, Port)],
    /// The index of the planned host in `hosts`.
    at: usize,
    /// The method of the request.
    method: Method,
    /// The path that the upstream will see, as policies read it, where that is not the path to send.
    normalized_path: Option<Box<str>>,
    /// The target in origin form (RFC 9112 3.2.1).
    path: PathAndQuery,
    /// The `Host` to send; `None` sends the request's.
    host: Option<HeaderValue>,
    /// Whether a static host is sent its own name in `Host`.
    says_own_host: bool,
    /// What decides about the host, where the same requests go to the same one.
    affinity: RequestAffinity,
    /// The session that the request belongs to.
    session: Option<Box<Session>>,
}

/// What the route says about the destination of a request.
#[derive(Default)]
pub(crate) struct PlannedRoute<'r> {
    /// The `URLRewrite` filter of the rule.
    pub(crate) rewrite: Option<&'r RequestRewrite>,
    /// The path prefix that the rule matched.
    pub(crate) matched_prefix: Option<&'r str>,
    /// Whether the route is a GRPCRoute.
    pub(crate) is_grpc: bool,
    /// Whether the path of the request is known to be as rules compare it already.
    pub(crate) has_normal_path: bool,
    /// Whether a Static backend is sent its own host (`autoHostRewrite`).
    pub(crate) rewrites_host: bool,
    /// The addresses of the client's connection, if there is one.
    pub(crate) client: Option<ClientAddresses>,
    /// How requests of one session are recognised, if they go to the same address.
    pub(crate) session: Option<&'r SessionPersistence>,
}

impl<'r> PlannedRoute<'r> {
    /// What a rule says, of whose path this prefix matched.
    pub(crate) fn new(rule: &'r RouteRule, matched_prefix: Option<&'r str>) -> Self {
        Self {
            rewrite: rule.filters.rewrite.as_ref(),
            matched_prefix,
            is_grpc: rule.route.kind == Kind::GrpcRoute,
            has_normal_path: false,
            rewrites_host: rule.policies.auto_host_rewrite.value().is_some(),
            client: None,
            session: rule.session.as_deref(),
        }
    }
}

impl<'r> From<&RouteMatch<'r>> for PlannedRoute<'r> {
    fn from(found: &RouteMatch<'r>) -> Self {
        Self::new(found.rule, found.matched_prefix)
    }
}

impl<'a> ForwardPlan<'a> {
    /// Plans a request. `parts` is the request as it was received. If the backend has several hosts, the plan is for
    /// the first.
    ///
    /// # Errors
    /// [`Refusal::Misconfigured`] if the backend is misconfigured, [`Refusal::Framing`] if a rewritten path is not a
    /// valid path.
    pub(crate) fn new(
        target: &Target,
        route: &PlannedRoute<'_>,
        backend: &'a WeightedBackend,
        parts: &Parts,
    ) -> Result<Self, Refusal> {
        let scheme = scheme(target, &backend.destination);
        // What the backend reference changes takes the place of what the rule changes.
        let rewrites = [backend.filters.rewrite.as_ref(), route.rewrite];
        let mut rewrites = rewrites.into_iter().flatten();
        let new_path = rewrites.clone().find_map(|rewrite| rewrite.path.as_ref());
        let new_host = rewrites.find_map(|rewrite| rewrite.host.as_ref());
        let default_port = default_port(target, scheme, &backend.destination);
        let (wanted, port) = match new_host {
            // CONNECT has no scheme that could have a default port.
            Some(name) => (
                Host::Name(name.clone()),
                target
                    .port
                    .filter(|_| target.is_tunnel())
                    .unwrap_or(default_port),
            ),
            None => (target.host.clone(), target.port.unwrap_or(default_port)),
        };
        // The default port of `https` is left out of `Host`.
        let says_default = scheme == Scheme::Https && target.port == Some(Port::HTTPS);
        let host = (new_host.is_some() || says_default)
            .then(|| Target::host_header(&wanted, port, scheme));
        let path = path(new_path, route.matched_prefix, parts)?;
        let is_normal = route.has_normal_path && new_path.is_none();
        let compared = (!is_normal).then(|| compared_path(path.path(), &parts.method));
        let normalized_path = compared.filter(|compared| compared != path.path());
        let normalized_path = normalized_path.map(Into::into);
        let PlannedBackend {
            object,
            resolver,
            settings,
            version: asked,
            hosts,
            service,
        } = PlannedBackend::of(&backend.destination)?;
        let grpc = route.is_grpc || grpc::is_asked_for(parts.version, &parts.headers);
        // A Service shares nothing with a host of its name, which DNS may lead elsewhere.
        let is_apart = settings.policy.is_some() || service.is_some();
        let configured = is_apart.then(|| object.clone());
        let (wanted, port) = match service {
            Some(to) => (Host::Name(to.host.clone()), to.port),
            None => (wanted, port),
        };
        let tls = settings.tls.clone().filter(|_| scheme == Scheme::Https);
        let version = version(asked, scheme, offered_alpn(tls.as_deref(), asked), grpc);
        let mut plan = Self {
            destination: DestinationKey {
                scheme,
                host: wanted,
                port,
                resolver: resolver.clone(),
                configured,
                tls,
                version,
                proxy: settings.tunnel.as_ref().map(|it| Arc::clone(&it.proxy)),
                announced: AnnouncedClient::of(settings, route.client),
            },
            settings,
            egress: &backend.egress,
            dynamic: matches!(backend.destination, BackendDestination::Dynamic(_)),
            backend: object,
            chosen: backend,
            endpoints: service.map(|to| &to.endpoints),
            hosts,
            at: 0,
            method: parts.method.clone(),
            normalized_path,
            path,
            host,
            says_own_host: route.rewrites_host && new_host.is_none(),
            affinity: affinity(settings, route, parts),
            session: None,
        };
        plan.turn_to(0);
        if let Some(policy) = route.session {
            plan.go_on(policy, &parts.headers);
        }
        Ok(plan)
    }

    /// The method, and the path that the upstream will see, as policies read it. `None` is a CONNECT, of which only the
    /// destination can be known.
    pub(crate) fn method_and_path(&self) -> Option<(&Method, &str)> {
        let path = self.normalized_path.as_deref();
        let path = path.unwrap_or_else(|| self.path.path());
        (self.method != Method::CONNECT).then_some((&self.method, path))
    }

    /// Sends another method or path than was planned.
    pub(crate) fn retarget(&mut self, method: Option<&Method>, path: Option<&PathAndQuery>) {
        if let Some(method) = method {
            self.method = method.clone();
        }
        if let Some(path) = path {
            let compared = compared_path(path.path(), &self.method);
            self.normalized_path = (compared != path.path()).then(|| compared.into());
            self.path = path.clone();
        }
    }

    /// Plans the way that the session of the request goes, if it has one.
    fn go_on(&mut self, policy: &SessionPersistence, headers: &HeaderMap) {
        let session = Session::of(policy, headers, clock::unix_time());
        if let Some(session) = &session {
            self.affinity.stay(&session.place, rand::random);
        }
        self.session = session.map(Box::new);
    }

    /// The session that the request belongs to.
    pub(crate) fn take_session(&mut self) -> Option<Box<Session>> {
        self.session.take()
    }

    /// What decides about the host and its address; `None` if any will do.
    pub(crate) fn affinity(&self) -> Option<AffinityKey> {
        self.affinity.key
    }

    /// The cookie by which the next requests of the client will be recognised, if it is to have one.
    pub(crate) fn take_cookie(&mut self) -> Option<HeaderValue> {
        self.affinity.cookie.take()
    }

    /// The hosts of a static backend; none if the client chooses the destination.
    pub(crate) fn hosts(&self) -> &'a [(Host, Port)] {
        self.hosts
    }

    /// The endpoints of a Service, sorted; `None` if the destination has its addresses by DNS, or is one.
    pub(crate) fn endpoints(&self) -> Option<&'a Arc<[SocketAddr]>> {
        self.endpoints
    }

    /// The endpoints of what is connected to, likewise: those of the proxy, if connections go through one.
    pub(crate) fn dialled_endpoints(&self) -> Option<&'a Arc<[SocketAddr]>> {
        match &self.settings.tunnel {
            Some(tunnel) => tunnel.endpoints.as_ref(),
            None => self.endpoints,
        }
    }

    /// The index of the planned host in [`ForwardPlan::hosts`].
    pub(crate) fn host_index(&self) -> usize {
        self.at
    }

    /// Selects the host at this index of [`ForwardPlan::hosts`].
    pub(crate) fn turn_to(&mut self, at: usize) {
        self.at = at;
        self.go_to_host();
    }

    fn go_to_host(&mut self) {
        if let Some((host, port)) = self.hosts.get(self.at) {
            self.destination.host = host.clone();
            self.destination.port = *port;
            if self.says_own_host {
                let scheme = self.destination.scheme;
                self.host = Some(Target::host_header(host, *port, scheme));
            }
        }
    }

    /// Whether HTTP/2 may be negotiated or is configured.
    pub(crate) fn may_speak_http2(&self) -> bool {
        self.destination.version != HttpVersion::Http1
    }

    /// Plans for a request that asks for an upgrade: with HTTP/1.1 if there is a choice, because every server that
    /// supports the other protocol supports the upgrade over HTTP/1.1.
    pub(crate) fn expects_upgrade(&mut self) {
        let version = &mut self.destination.version;
        if *version == HttpVersion::Auto {
            *version = HttpVersion::Http1;
        }
    }

    /// Falls back to HTTP/1.1 if the version was to be negotiated. Returns false if the version is configured.
    pub(crate) fn fall_back_to_http1(&mut self) -> bool {
        let version = &mut self.destination.version;
        let is_negotiated = *version == HttpVersion::Auto;
        if is_negotiated {
            *version = HttpVersion::Http1;
        }
        is_negotiated
    }

    /// The number of other hosts that the backend has.
    pub(crate) fn other_hosts(&self) -> usize {
        self.hosts.len().saturating_sub(1)
    }

    /// Selects the next host of the backend, and the first after the last.
    pub(crate) fn next_host(&mut self) {
        self.turn_to((self.at + 1) % self.hosts.len().max(1));
    }

    /// Selects the destination of an earlier plan. Returns false if this plan cannot lead there.
    pub(crate) fn goes_to(&mut self, earlier: &DestinationKey) -> bool {
        let same = |(host, port): &(Host, Port)| *host == earlier.host && *port == earlier.port;
        if let Some(at) = self.hosts.iter().position(same) {
            self.turn_to(at);
        }
        let DestinationKey {
            scheme, host, port, ..
        } = &self.destination;
        *scheme == earlier.scheme && *host == earlier.host && *port == earlier.port
    }

    /// Writes the planned method, target and `Host` into the request. `host` is the field as it was before filters, which must
    /// not change it.
    pub(crate) fn address(&self, parts: &mut Parts, host: Option<HeaderValue>) {
        if parts.method != self.method {
            parts.method = self.method.clone();
        }
        parts.uri = Uri::from(self.path.clone());
        parts.version = http::Version::HTTP_11;
        if let Some(host) = self.host.clone().or(host) {
            parts.headers.insert(HOST, host);
        }
    }
}

/// The HTTP version for the upstream. In cleartext HTTP/2 is not negotiated, but used with prior knowledge (RFC 9113
/// 3.3), and gRPC requires HTTP/2.
fn version(
    asked: HttpVersion,
    scheme: Scheme,
    offered: &[AlpnProtocol],
    grpc: bool,
) -> HttpVersion {
    match (asked, scheme, offered) {
        (HttpVersion::Http1 | HttpVersion::Http2, ..) => asked,
        _ if grpc => HttpVersion::Http2,
        (HttpVersion::Auto, Scheme::Http, _) | (_, _, [AlpnProtocol::Http11]) => HttpVersion::Http1,
        (_, _, [AlpnProtocol::H2]) => HttpVersion::Http2,
        _ => HttpVersion::Auto,
    }
}

/// The path that rules and policies are matched against. `OPTIONS *` is about the server as a whole (RFC 9112 3.2.4):
/// it is matched as the empty path, which the prefix `/` covers and no longer prefix does.
pub(crate) fn compared_path<'a>(path: &'a str, method: &Method) -> Cow<'a, str> {
    match path {
        "*" if method == Method::OPTIONS => Cow::Borrowed(""),
        path => normalize_path(path),
    }
}

/// The path and query to send: as they were received, or rewritten.
fn path(
    rewrite: Option<&PathRewrite>,
    matched_prefix: Option<&str>,
    parts: &Parts,
) -> Result<PathAndQuery, Refusal> {
    let came = parts.uri.path_and_query();
    if parts.method == Method::CONNECT {
        return Ok(PathAndQuery::from_static("/"));
    }
    let Some(rewrite) = rewrite else {
        return whole_path(came);
    };
    let mut text = rewrite.apply(parts.uri.path(), matched_prefix);
    if let Some(query) = parts.uri.query() {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::try_from(text).map_err(|_| Refusal::Framing("the rewritten path is not a path"))
}

/// The path of an absolute-form target, which may be absent (RFC 9112 3.2.2). `OPTIONS` without a path is about the
/// server itself and should be sent as `*` (3.2.4), but the parser does not distinguish it from `OPTIONS http://host/`,
/// which browsers send as preflight requests. Both are sent as `/`.
fn whole_path(came: Option<&PathAndQuery>) -> Result<PathAndQuery, Refusal> {
    match came {
        Some(path) if path.as_str().starts_with(['/', '*']) => Ok(path.clone()),
        Some(query) if query.as_str().starts_with('?') => {
            PathAndQuery::try_from(format!("/{}", query.as_str()))
                .map_err(|_| Refusal::Framing("the target is not a path"))
        }
        _ => Ok(PathAndQuery::from_static("/")),
    }
}

/// What the request says of the connections that are to take it.
fn affinity(
    settings: &BackendSettings,
    route: &PlannedRoute<'_>,
    parts: &Parts,
) -> RequestAffinity {
    let policies = settings.hash.as_ref();
    policies.map_or_else(Default::default, |policies| {
        let client = route.client.map(|client| client.source.ip());
        RequestAffinity::of(policies, &parts.headers, client, rand::random)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_what_the_backend_says_or_grpc_needs_or_tls_may_agree_on() {
        use HttpVersion::{Auto, Http1, Http2};
        use Scheme::{Http, Https};
        let both = &AlpnProtocol::BOTH[..];
        for (asked, scheme, offered, grpc, expected) in [
            (Auto, Http, both, false, Http1),
            (Auto, Http, both, true, Http2),
            (Auto, Https, both, false, Auto),
            (Auto, Https, both, true, Http2),
            (Auto, Https, &[AlpnProtocol::Http11], false, Http1),
            (Auto, Https, &[AlpnProtocol::H2], false, Http2),
            (Http1, Https, both, true, Http1),
            (Http2, Http, both, false, Http2),
            (Http2, Https, both, false, Http2),
        ] {
            let version = version(asked, scheme, offered, grpc);
            assert_eq!(version, expected, "{asked:?} {scheme:?} {offered:?} {grpc}");
        }
    }
}
