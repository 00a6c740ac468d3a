//! The attributes that expressions may read: one list, with the type of each.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use egret_api::suggest::nearest;
use http::{HeaderName, HeaderValue, Version};

use super::request::{RequestForm, RequestHead, RequestView};
use crate::certificate::{AlternativeName, CertificateFacts};
use crate::name::{Authority, Host};
use crate::path::normalize_path;

/// An attribute of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Text(TextAttribute),
    Number(PortAttribute),
    Response(ResponseAttribute),
    /// Whether the client has a certificate that was validated.
    Mtls,
    /// The names of the client's certificate.
    CertificateNames,
    /// The header fields, by name.
    Headers,
}

/// The attributes that are texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextAttribute {
    Path,
    UrlPath,
    Query,
    Host,
    Scheme,
    Method,
    Protocol,
    Form,
    SourceAddress,
    User,
    ListenerAddress,
    ServerName,
    UriName,
    DnsName,
    EgressHost,
    EgressScheme,
    CodeDetails,
}

/// The attributes of a response that are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseAttribute {
    Code,
    Flags,
    GrpcStatus,
    Size,
}

/// The attributes that are numbers: ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PortAttribute {
    Source,
    Listener,
    Egress,
}

/// A name of the list: that of an attribute, or of a header field.
#[derive(Clone, Copy, Debug)]
pub(super) enum NamedValue {
    Attribute(Attribute),
    Header(&'static str),
}

/// Every attribute, by its name.
const ATTRIBUTES: [(&str, NamedValue); 25] = {
    use NamedValue::{Attribute as Is, Header};
    use TextAttribute as Text;
    const fn text(text: TextAttribute) -> NamedValue {
        Is(Attribute::Text(text))
    }
    const fn number(number: PortAttribute) -> NamedValue {
        Is(Attribute::Number(number))
    }
    [
        ("request.path", text(Text::Path)),
        ("request.url_path", text(Text::UrlPath)),
        ("request.query", text(Text::Query)),
        ("request.host", text(Text::Host)),
        ("request.scheme", text(Text::Scheme)),
        ("request.method", text(Text::Method)),
        ("request.protocol", text(Text::Protocol)),
        ("request.form", text(Text::Form)),
        ("request.headers", Is(Attribute::Headers)),
        ("request.id", Header("x-request-id")),
        ("request.referer", Header("referer")),
        ("request.useragent", Header("user-agent")),
        ("source.address", text(Text::SourceAddress)),
        ("source.port", number(PortAttribute::Source)),
        ("source.user", text(Text::User)),
        ("source.certificate", Is(Attribute::CertificateNames)),
        ("destination.address", text(Text::ListenerAddress)),
        ("destination.port", number(PortAttribute::Listener)),
        ("connection.mtls", Is(Attribute::Mtls)),
        ("connection.requested_server_name", text(Text::ServerName)),
        ("connection.uri_san_peer_certificate", text(Text::UriName)),
        ("connection.dns_san_peer_certificate", text(Text::DnsName)),
        ("egress.host", text(Text::EgressHost)),
        ("egress.port", number(PortAttribute::Egress)),
        ("egress.scheme", text(Text::EgressScheme)),
    ]
};

/// The attributes of responses, which only expressions of access logs may read.
const OF_RESPONSES: [(&str, NamedValue); 5] = {
    use NamedValue::Attribute as Is;
    const fn number(number: ResponseAttribute) -> NamedValue {
        Is(Attribute::Response(number))
    }
    [
        ("response.code", number(ResponseAttribute::Code)),
        (
            "response.code_details",
            Is(Attribute::Text(TextAttribute::CodeDetails)),
        ),
        ("response.flags", number(ResponseAttribute::Flags)),
        (
            "response.grpc_status",
            number(ResponseAttribute::GrpcStatus),
        ),
        ("response.size", number(ResponseAttribute::Size)),
    ]
};

/// When an expression is evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ExpressionMoment {
    /// While it is decided about a request.
    #[default]
    Decision,
    /// When the exchange has ended, and is to be logged.
    Log,
}

/// The first words of attributes.
const NAMESPACES: [&str; 5] = ["request", "source", "destination", "connection", "egress"];

/// Attributes of Envoy's that are not known when policies are asked, or that nothing here corresponds to: single ones, or
/// all with a first word. Each with what to write instead.
const OF_ENVOY: [(&str, &str); 15] = [
    (
        "metadata",
        "the claims of a token are metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload'], \
         or source.claims",
    ),
    ("response", "there is no response yet when this is asked"),
    ("upstream", "write egress.host and egress.port"),
    ("xds", "it is Envoy's own configuration"),
    ("filter_state", "it is Envoy's own"),
    ("request.time", "expires of an EgressPolicy ends a rule"),
    ("request.size", "the body has not come when this is asked"),
    (
        "request.total_size",
        "the body has not come when this is asked",
    ),
    ("request.duration", "the request has only begun"),
    ("connection.id", "source.address tells connections apart"),
    ("connection.tls_version", "listeners set their TLS versions"),
    ("connection.subject_peer_certificate", NAMES),
    ("connection.subject_local_certificate", NAMES),
    ("connection.sha256_peer_certificate_digest", NAMES),
    ("connection.termination_details", "the connection is open"),
];

const NAMES: &str = "source.certificate has the names of the client's certificate";

/// Whether a name is the first word of attributes.
pub(super) fn is_namespace(name: &str) -> bool {
    NAMESPACES.contains(&name)
}

/// The attribute of this full name.
///
/// # Errors
/// What to write instead.
pub(super) fn named(name: &str, moment: ExpressionMoment) -> Result<NamedValue, String> {
    if moment == ExpressionMoment::Log && name.starts_with("response") {
        let mut known = OF_RESPONSES.iter();
        let found = known.find(|(known, _)| *known == name);
        return found.map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<_> = OF_RESPONSES.iter().map(|(known, _)| *known).collect();
            format!(
                "there is no attribute {name}: there are {}",
                known.join(", ")
            )
        });
    }
    if let Some((_, value)) = ATTRIBUTES.iter().find(|(known, _)| *known == name) {
        return Ok(*value);
    }
    let root = name.split('.').next().unwrap_or(name);
    let mut of_envoy = OF_ENVOY.iter();
    if let Some((_, instead)) = of_envoy.find(|(known, _)| *known == name || *known == root) {
        return Err(format!("{name} is not known here: {instead}"));
    }
    let known = || ATTRIBUTES.iter().map(|(known, _)| *known);
    Err(match nearest(name, known()) {
        Some(near) => format!("there is no attribute {name}: write {near}"),
        None => {
            let all = known().collect::<Vec<_>>().join(", ");
            format!("there is no attribute {name}: there are {all}")
        }
    })
}

/// The attributes that an expression reads, as far as a tunnel may not have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpressionInputs {
    reads_url: bool,
    reads_scheme: bool,
    reads_head: bool,
    reads_claims: bool,
    reads_egress: bool,
    reads_unlogged: bool,
}

impl ExpressionInputs {
    pub(super) fn add(&mut self, attribute: Attribute) {
        self.reads_egress |= matches!(
            attribute,
            Attribute::Text(TextAttribute::EgressHost | TextAttribute::EgressScheme)
                | Attribute::Number(PortAttribute::Egress)
        );
        self.reads_unlogged |= matches!(
            attribute,
            Attribute::Headers
                | Attribute::Mtls
                | Attribute::CertificateNames
                | Attribute::Text(
                    TextAttribute::Query | TextAttribute::UriName | TextAttribute::DnsName
                )
        );
        match attribute {
            Attribute::Text(
                TextAttribute::Path | TextAttribute::UrlPath | TextAttribute::Query,
            ) => {
                self.reads_url = true;
            }
            Attribute::Text(TextAttribute::Scheme | TextAttribute::EgressScheme) => {
                self.reads_scheme = true;
            }
            Attribute::Text(TextAttribute::Method | TextAttribute::Protocol)
            | Attribute::Headers => self.reads_head = true,
            _ => {}
        }
    }

    pub(super) fn add_claim(&mut self) {
        self.reads_claims = true;
        self.reads_unlogged = true;
    }

    /// Whether the expression reads what the default access log does not tell: header fields, the query, the names of the
    /// client's certificate, and the claims of a token.
    #[must_use]
    pub const fn reads_unlogged(self) -> bool {
        self.reads_unlogged
    }

    /// Whether the expression reads where the request goes, which another host of the backend may change.
    #[must_use]
    pub const fn reads_egress(self) -> bool {
        self.reads_egress
    }

    /// Whether the expression reads what a request of this form does not show: the path and the scheme of a request inside a
    /// tunnel, and all of its head where TLS is passed through.
    #[must_use]
    pub const fn are_hidden(self, form: RequestForm) -> bool {
        match form {
            RequestForm::Host | RequestForm::Absolute => false,
            RequestForm::Connect => self.reads_url || self.reads_scheme,
            RequestForm::Sni => {
                self.reads_url || self.reads_scheme || self.reads_head || self.reads_claims
            }
        }
    }
}

impl TextAttribute {
    /// The name of the attribute.
    pub(super) fn name(self) -> &'static str {
        let mut all = ATTRIBUTES.iter().chain(&OF_RESPONSES);
        let own = all.find(|(_, value)| {
            matches!(value, NamedValue::Attribute(Attribute::Text(text)) if *text == self)
        });
        own.map_or("", |(name, _)| *name)
    }

    /// The value; `None` if the request does not have it.
    pub(super) fn value<'a>(self, request: &RequestView<'a>) -> Option<Cow<'a, str>> {
        let head = request.head.as_ref();
        Some(match self {
            Self::Path => path(head?)?,
            Self::UrlPath => url_path(head?)?,
            Self::Query => {
                let uri = shown_uri(head?)?;
                Cow::Borrowed(uri.query().unwrap_or_default())
            }
            Self::Host => authority(request),
            Self::Scheme => Cow::Borrowed(request.scheme?),
            Self::Method => Cow::Borrowed(head?.method.as_str()),
            Self::Protocol => Cow::Borrowed(protocol(head?.version)),
            Self::Form => Cow::Borrowed(request.form.as_str()),
            Self::SourceAddress => Cow::Owned(request.source.to_string()),
            Self::User => Cow::Borrowed(request.user.unwrap_or_default()),
            Self::ListenerAddress => Cow::Owned(request.listener.to_string()),
            Self::ServerName => {
                let name = request.server_name;
                Cow::Borrowed(name.map_or("", |name| name.as_str()))
            }
            Self::UriName => Cow::Borrowed(request.certificate?.names.iter().find_map(uri)?),
            Self::DnsName => Cow::Borrowed(request.certificate?.names.iter().find_map(dns)?),
            Self::EgressHost => host(request.egress.host),
            Self::EgressScheme => Cow::Borrowed(request.egress.scheme?),
            Self::CodeDetails => Cow::Borrowed(request.response?.code_details?),
        })
    }
}

impl ResponseAttribute {
    pub(super) fn value(self, request: &RequestView<'_>) -> Option<i64> {
        let response = request.response?;
        match self {
            Self::Code => Some(response.code.into()),
            Self::Flags => response.flags.try_into().ok(),
            Self::GrpcStatus => Some(response.grpc_status),
            Self::Size => response.size.try_into().ok(),
        }
    }

    /// The name of the attribute.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Code => "response.code",
            Self::Flags => "response.flags",
            Self::GrpcStatus => "response.grpc_status",
            Self::Size => "response.size",
        }
    }
}

impl PortAttribute {
    pub(super) fn value(self, request: &RequestView<'_>) -> i64 {
        match self {
            Self::Source => request.source.port().into(),
            Self::Listener => request.listener.port().into(),
            Self::Egress => request.egress.port.get().into(),
        }
    }
}

/// The target, if it has a path: that of a CONNECT is an authority.
fn shown_uri<'a>(head: &RequestHead<'a>) -> Option<&'a http::Uri> {
    (head.method != http::Method::CONNECT).then_some(head.uri)
}

/// The path, in the one spelling that rules compare.
fn url_path<'a>(head: &RequestHead<'a>) -> Option<Cow<'a, str>> {
    Some(normalize_path(shown_uri(head)?.path()))
}

/// The path with the query.
fn path<'a>(head: &RequestHead<'a>) -> Option<Cow<'a, str>> {
    let path = url_path(head)?;
    Some(match (head.uri.query(), path) {
        (None, path) => path,
        (Some(_), Cow::Borrowed(_)) => {
            let whole = head.uri.path_and_query();
            Cow::Borrowed(whole.map_or("", |whole| whole.as_str()))
        }
        (Some(query), Cow::Owned(path)) => Cow::Owned(format!("{path}?{query}")),
    })
}

fn host(host: &Host) -> Cow<'_, str> {
    match host {
        Host::Name(name) => Cow::Borrowed(name.as_str()),
        Host::Ip(address) => Cow::Owned(match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        }),
    }
}

fn authority<'a>(request: &RequestView<'a>) -> Cow<'a, str> {
    match request.port {
        None => host(request.host),
        port => Cow::Owned(
            Authority {
                host: request.host.clone(),
                port,
            }
            .to_string(),
        ),
    }
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

fn uri(name: &AlternativeName) -> Option<&str> {
    match name {
        AlternativeName::Uri(uri) => Some(uri),
        AlternativeName::Dns(_) | AlternativeName::Email(_) | AlternativeName::Ip(_) => None,
    }
}

fn dns(name: &AlternativeName) -> Option<&str> {
    match name {
        AlternativeName::Dns(dns) => Some(dns),
        AlternativeName::Uri(_) | AlternativeName::Email(_) | AlternativeName::Ip(_) => None,
    }
}

/// The names of the client's certificate.
pub(super) fn certificate_names<'a>(
    certificate: Option<&'a Arc<CertificateFacts>>,
) -> impl ExactSizeIterator<Item = Cow<'a, str>> + Clone {
    let names = certificate.map_or(&[][..], |certificate| &certificate.names);
    names.iter().map(|name| match name {
        AlternativeName::Dns(text) | AlternativeName::Uri(text) | AlternativeName::Email(text) => {
            Cow::Borrowed(&**text)
        }
        AlternativeName::Ip(ip) => Cow::Owned(ip.to_string()),
    })
}

/// The value of a header field; that of repeated ones is joined by commas. Bytes that are no text are replaced.
pub(super) fn header<'a>(request: &RequestView<'a>, name: &HeaderName) -> Option<Cow<'a, str>> {
    let mut values = request.head?.headers.get_all(name).iter();
    let first = text(values.next()?);
    let Some(second) = values.next() else {
        return Some(first);
    };
    let mut joined = first.into_owned();
    for value in std::iter::once(second).chain(values) {
        joined.push(',');
        joined.push_str(&text(value));
    }
    Some(Cow::Owned(joined))
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// The attribute that a name of `request.headers` stands for, if it is that of no other field: a part of the target that
/// HTTP/2 has among its fields, or the host, which is read from the target first.
pub(super) fn pseudo_header(name: &str) -> Option<TextAttribute> {
    Some(match name {
        ":authority" | "host" => TextAttribute::Host,
        ":method" => TextAttribute::Method,
        ":path" => TextAttribute::Path,
        ":scheme" => TextAttribute::Scheme,
        _ => return None,
    })
}
