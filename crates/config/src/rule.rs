//! Compiled rules of routes: what is done with a request, and which backend it is sent to.

use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;

use crate::name::{DnsName, Host, Port};
use crate::pattern::RegexRewrite;
use crate::policy::egress::EgressPolicySet;
use crate::policy::headers::HeaderEdit;
use crate::policy::timeouts::TimeoutSetting;
use crate::policy::traffic::TrafficSettings;
use crate::resources::ObjectRef;
use crate::settings::{BackendSettings, HttpVersion, ReplyFormat, ResolverId, SessionPersistence};

/// One rule of a route, as it applies under one listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteRule {
    /// The route that the rule belongs to.
    pub route: ObjectRef,
    /// The index of the rule in the route, from 0.
    pub index: usize,
    /// The `name` of the rule, if it has one.
    pub name: Option<String>,
    /// The settings of the policies that apply to the rule, merged with the rule's own fields.
    pub policies: Arc<TrafficSettings>,
    /// Changes to the request and to the response.
    pub filters: RouteFilters,
    /// Time limits.
    pub timeouts: RouteTimeouts,
    /// Where copies of forwarded requests go, whichever backend they are forwarded to.
    pub mirrors: Vec<Arc<RequestMirror>>,
    /// How the requests of a session are recognised, if they go to the same address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Arc<SessionPersistence>>,
    /// What answers a request.
    pub action: RuleAction,
}

impl RouteRule {
    /// What people know the rule by: `namespace/route/rule`, with the index of a rule that has no name.
    #[must_use]
    pub fn full_name(&self) -> String {
        let ObjectRef {
            namespace, name, ..
        } = &self.route;
        match &self.name {
            Some(rule) => format!("{namespace}/{name}/{rule}"),
            None => format!("{namespace}/{name}/{}", self.index),
        }
    }
}

/// A `RequestMirror` filter (Gateway API HTTPRequestMirrorFilter): a copy of a request goes to another backend, whose
/// answer nobody waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestMirror {
    /// Which requests are copied.
    pub share: MirrorShare,
    /// Where the copies go. It has the filters of the backend reference that the mirror belongs to, or none; a weight of
    /// 1; and no mirrors of its own.
    pub backend: WeightedBackend,
}

/// A share of the requests, above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MirrorShare {
    numerator: u32,
    denominator: u32,
}

impl MirrorShare {
    /// A share as a fraction; `None` if it is 0 or not a fraction up to 1.
    #[must_use]
    pub fn new(numerator: u32, denominator: u32) -> Option<Self> {
        (1..=denominator).contains(&numerator).then_some(Self {
            numerator,
            denominator,
        })
    }

    /// Whether a request is in the share. The ticket is a random number below the bound that it is asked for with.
    pub fn includes(self, ticket_below: impl FnOnce(u32) -> u32) -> bool {
        self.numerator == self.denominator || ticket_below(self.denominator) < self.numerator
    }
}

/// What answers a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum RuleAction {
    /// The request is forwarded to a backend.
    Forward(WeightedBackends),
    /// The gateway answers with a redirect.
    Redirect(RedirectResponse),
    /// The gateway answers with a fixed response (`DirectResponse`).
    Respond(FixedResponse),
    /// The request is refused, because the rule is not valid; the report says why.
    Refuse(Misconfiguration),
}

/// The filters of a rule or of a backend reference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RouteFilters {
    /// Applied to the request before it is forwarded.
    pub request_headers: HeaderEdit,
    /// Applied to the response before it is forwarded.
    pub response_headers: HeaderEdit,
    /// Changes the host or the path. With a dynamic Backend, the new host is also the destination. What a backend
    /// reference changes takes the place of what its rule changes; both replace parts of what the client sent.
    pub rewrite: Option<RequestRewrite>,
}

/// `URLRewrite` (Gateway API HTTPURLRewriteFilter).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestRewrite {
    /// The new host; the port becomes the scheme's default.
    pub host: Option<DnsName>,
    /// The new path.
    pub path: Option<PathRewrite>,
}

/// How a path changes (Gateway API HTTPPathModifier).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum PathRewrite {
    /// Replaces the whole path; the query stays.
    Full(String),
    /// Replaces the part of the path that the rule's prefix matched.
    Prefix(String),
    /// Replaces what an expression matches (`urlRewrite.pathRegex` of a TrafficPolicy).
    Regex(Arc<RegexRewrite>),
}

/// The response of a `RequestRedirect` filter (Gateway API HTTPRequestRedirectFilter).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RedirectResponse {
    /// The new scheme; `None` keeps the request's.
    pub scheme: Option<Scheme>,
    /// The new host; `None` keeps the request's.
    pub host: Option<DnsName>,
    /// The new port; `None` is the new scheme's default when the scheme is given, else the listener's port.
    pub port: Option<Port>,
    /// The new path; `None` keeps the request's.
    pub path: Option<PathRewrite>,
    /// The status code: 301, 302, 303, 307 or 308.
    #[serde(serialize_with = "as_u16")]
    pub status: StatusCode,
}

/// The scheme of a forwarded request or of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain HTTP; port 80 by default.
    Http,
    /// HTTP over TLS; port 443 by default.
    Https,
}

impl Scheme {
    /// The port of a target without a port.
    #[must_use]
    pub const fn default_port(self) -> Port {
        match self {
            Self::Http => Port::HTTP,
            Self::Https => Port::HTTPS,
        }
    }

    /// The scheme as in a URI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The response of a `DirectResponse` object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FixedResponse {
    /// The status code: 200 to 599.
    #[serde(serialize_with = "as_u16")]
    pub status: StatusCode,
    /// The body, of type `text/plain`; may be empty.
    pub body: Arc<str>,
    /// What the body is made of instead, which can tell `body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Arc<ReplyFormat>>,
}

/// `timeouts` of an HTTPRoute rule (GEP-1742), completed by those of a TrafficPolicy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RouteTimeouts {
    /// From the first byte of the request to the last byte of the response.
    pub request: TimeoutSetting,
    /// From the first byte of one attempt at a backend to the last byte of its response.
    pub backend_request: TimeoutSetting,
    /// How long nothing of a request or its response may move (`timeouts.streamIdle` of a TrafficPolicy).
    pub stream_idle: TimeoutSetting,
}

/// The backends of a rule, with their weights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WeightedBackends {
    /// The backends with a weight above 0; at least one.
    pub backends: Vec<WeightedBackend>,
    /// The sum of the weights, at least 1.
    pub total: u64,
}

/// One `backendRef` of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WeightedBackend {
    /// The weight; at least 1.
    pub weight: u32,
    /// The filters of the backend reference, applied after those of the rule.
    pub filters: RouteFilters,
    /// Where copies of requests to this backend go, besides the mirrors of the rule.
    pub mirrors: Vec<Arc<RequestMirror>>,
    /// The destination of requests to this backend.
    pub destination: BackendDestination,
    /// The EgressPolicies that apply to requests of this rule to this backend.
    pub egress: Arc<EgressPolicySet>,
}

/// The destination of requests to a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum BackendDestination {
    /// The host that the request names.
    Dynamic(DynamicDestination),
    /// One of several fixed hosts, in turn.
    Static(StaticDestination),
    /// One of the endpoints of a Service.
    Service(ServiceDestination),
    /// None: the reference is not valid, and this share of the requests is refused.
    Refuse(Misconfiguration),
}

/// A Backend of type `DynamicForwardProxy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DynamicDestination {
    /// The Backend.
    pub backend: ObjectRef,
    /// The resolver of the host names.
    pub resolver: ResolverId,
    /// Settings of the connections.
    pub settings: Arc<BackendSettings>,
    /// The scheme of requests that do not name one: `https` with `enableTls`, else `http`.
    pub scheme: Scheme,
    /// The port of requests that do not name one; for TLS passthrough, the port of the TLSRoute's `backendRef`. `None`
    /// is the default port of the scheme, and 443 for TLS passthrough.
    pub port: Option<Port>,
}

/// A Backend of type `Static`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StaticDestination {
    /// The Backend.
    pub backend: ObjectRef,
    /// The resolver of the hosts that are names.
    pub resolver: ResolverId,
    /// Settings of the connections; TLS is used if they have TLS settings.
    pub settings: Arc<BackendSettings>,
    /// The HTTP version of the hosts (`appProtocol`).
    pub version: HttpVersion,
    /// The hosts; at least one.
    pub hosts: Vec<(Host, Port)>,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceDestination {
    /// The Service.
    pub service: ObjectRef,
    /// Its name in the DNS of the cluster, by which policies know it. It is not resolved.
    pub host: DnsName,
    /// The port of the Service.
    pub port: Port,
    /// Settings of the connections; TLS is used if they have TLS settings.
    pub settings: Arc<BackendSettings>,
    /// The HTTP version of the endpoints (`appProtocol`).
    pub version: HttpVersion,
    /// The addresses of the endpoints, sorted; empty if none can serve.
    pub endpoints: Arc<[SocketAddr]>,
}

/// The reason why a configured object is not served. The text is for the access log; the report has the details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Misconfiguration {
    /// The object that is not valid.
    pub object: ObjectRef,
    /// The reason, in one line.
    pub message: Arc<str>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn as_u16<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
