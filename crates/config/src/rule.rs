//! Rules of routes after compilation: what is done to a request, and where it goes.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use crate::name::{DnsName, Host, Port};
use crate::policy::egress::Egress;
use crate::policy::headers::HeaderEdit;
use crate::policy::traffic::TrafficSettings;
use crate::resources::ObjectRef;
use crate::settings::{BackendSettings, HttpVersion, ResolverId};

/// One rule of a route, as it applies under one listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The route it comes from.
    pub route: ObjectRef,
    /// Its place in the route, from 0.
    pub index: usize,
    /// Its `name`, when it has one.
    pub name: Option<String>,
    /// What policies say that hold for it. The rule's own fields, where they say the same, are merged into them.
    pub policies: Arc<TrafficSettings>,
    /// What is done to the request and the response on the way.
    pub filters: Filters,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// What answers.
    pub action: Action,
}

/// What answers a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    /// Another server does.
    Forward(WeightedBackends),
    /// The gateway does, by telling the client to go elsewhere.
    Redirect(Redirect),
    /// The gateway does, with a fixed answer (`DirectResponse`).
    Respond(FixedResponse),
    /// Nobody does: the rule is wrong, and the report says how.
    Refuse(Misconfiguration),
}

/// The filters of a rule or of a backend reference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filters {
    /// Applied to the request before it is forwarded.
    pub request_headers: HeaderEdit,
    /// Applied to the response before it is sent on.
    pub response_headers: HeaderEdit,
    /// Changes the host or the path; the host also decides where a dynamic request goes. Never set on a backend.
    pub rewrite: Option<Rewrite>,
}

/// `URLRewrite` (Gateway API HTTPURLRewriteFilter).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rewrite {
    /// The new host; the port becomes the scheme's default.
    pub host: Option<DnsName>,
    /// The new path.
    pub path: Option<PathRewrite>,
}

/// How a path changes (Gateway API HTTPPathModifier).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum PathRewrite {
    /// The whole path becomes this; the query stays.
    Full(String),
    /// The part that the rule's prefix matched becomes this.
    Prefix(String),
}

/// `RequestRedirect` (Gateway API HTTPRequestRedirectFilter).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Redirect {
    /// The new scheme; `None` keeps the request's.
    pub scheme: Option<Scheme>,
    /// The new host; `None` keeps the request's.
    pub host: Option<DnsName>,
    /// The new port; `None` is the new scheme's default when the scheme is given, else the listener's port.
    pub port: Option<Port>,
    /// The new path; `None` keeps the request's.
    pub path: Option<PathRewrite>,
    /// 301, 302, 303, 307 or 308.
    #[serde(serialize_with = "as_u16")]
    pub status: StatusCode,
}

/// A scheme that can be forwarded or redirected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// In the clear, port 80 by default.
    Http,
    /// Over TLS, port 443 by default.
    Https,
}

impl Scheme {
    /// The port of a target that names none.
    #[must_use]
    pub const fn default_port(self) -> Port {
        match self {
            Self::Http => Port::HTTP,
            Self::Https => Port::HTTPS,
        }
    }

    /// As in a URI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A `DirectResponse` object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FixedResponse {
    /// 200 to 599.
    #[serde(serialize_with = "as_u16")]
    pub status: StatusCode,
    /// `text/plain`; may be empty.
    pub body: Arc<str>,
}

/// `timeouts` of an HTTPRoute rule (GEP-1742). `None` is the proxy's default, zero in the resource is "no timeout".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    /// From the request's first byte to the response's last.
    pub request: Timeout,
    /// One attempt at a backend, likewise.
    pub backend_request: Timeout,
}

/// A timeout as a resource can state it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Timeout {
    /// Not stated: the proxy's default holds.
    #[default]
    Default,
    /// `0s`: switched off.
    Never,
    /// This long.
    After(Duration),
}

/// The backends of a rule and the share of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WeightedBackends {
    /// Only those with a weight above 0, and at least one.
    pub backends: Vec<WeightedBackend>,
    /// The sum of the weights, at least 1.
    pub total: u64,
}

/// One `backendRef`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WeightedBackend {
    /// At least 1.
    pub weight: u32,
    /// Its own filters, applied after the rule's.
    pub filters: Filters,
    /// Where it leads.
    pub destination: Destination,
    /// Every EgressPolicy that binds requests of this rule to this backend.
    pub egress: Arc<Egress>,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Destination {
    /// To the host that the request names.
    Dynamic(DynamicDestination),
    /// To one of these hosts, round-robin.
    Static(StaticDestination),
    /// Nowhere: the reference is wrong, and this share of the requests is refused.
    Refuse(Misconfiguration),
}

/// A Backend of type `DynamicForwardProxy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DynamicDestination {
    /// The Backend.
    pub backend: ObjectRef,
    /// Who resolves the names.
    pub resolver: ResolverId,
    /// How they are connected to.
    pub settings: Arc<BackendSettings>,
    /// How requests go that do not say so themselves: `https` with `enableTls`, else `http`.
    pub scheme: Scheme,
    /// The port of what names none: of TLS that is passed on, from the `backendRef` of its TLSRoute. `None` is the
    /// default of the scheme, and 443 of TLS that is passed on.
    pub port: Option<Port>,
}

/// A Backend of type `Static`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StaticDestination {
    /// The Backend.
    pub backend: ObjectRef,
    /// Who resolves those hosts that are names.
    pub resolver: ResolverId,
    /// How they are connected to; with TLS if that says how.
    pub settings: Arc<BackendSettings>,
    /// What HTTP they speak (`appProtocol`).
    pub version: HttpVersion,
    /// At least one.
    pub hosts: Vec<(Host, Port)>,
}

/// Why something that is configured cannot be served; the text is for the log, the report says it in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Misconfiguration {
    /// The object at fault.
    pub object: ObjectRef,
    /// One line.
    pub message: Arc<str>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn as_u16<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}
