//! The target of a request: the host and port it names, parsed once and strictly, so that no server interprets it
//! differently.

use egret_config::expression::RequestForm;
use egret_config::name::{Authority, DnsName, Host, NameError, Port};
use egret_config::snapshot::Scheme;
use http::header::{HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};

use super::host_memo::HostMemo;

/// The destination that a request names, canonical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The scheme of a target in absolute form; `None` leaves it to the backend.
    pub scheme: Option<Scheme>,
    /// The host.
    pub host: Host,
    /// The port, if one is named.
    pub port: Option<Port>,
    /// How it is named.
    pub form: TargetForm,
}

/// How a target is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetForm {
    /// By a request.
    #[default]
    Request,
    /// By a CONNECT, for a tunnel. There is a port and no scheme.
    Connect,
    /// By the server name of TLS that is passed through. There is neither a port nor a scheme.
    Passthrough,
    /// By the server name of TLS that is terminated, and whose content is relayed uninterpreted; likewise.
    Terminate,
}

/// An error in the target of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// There is neither a `Host` field nor an authority in the target.
    #[error("the request names no host")]
    Missing,
    /// There is more than one `Host` field (RFC 9112 3.2).
    #[error("the request has more than one Host field")]
    Repeated,
    /// The scheme is neither `http` nor `https`, nor that of a WebSocket where one may stand.
    #[error("the scheme of the target is not http or https")]
    Scheme,
    /// The target is neither a path nor an absolute URI (RFC 9112 3.2).
    #[error("the target is neither a path nor an absolute URI")]
    Form,
    /// The target of a CONNECT is not a host and a port (RFC 9112 3.2.3).
    #[error("the target of a CONNECT is a host and a port")]
    Authority,
    /// The `Host` field and `:authority` of an HTTP/2 request differ (RFC 9113 8.3.1).
    #[error("the Host field names another host than the target")]
    Contradiction,
    /// The host or port is malformed.
    #[error("{0}")]
    Name(#[from] NameError),
}

/// The error of a head whose framing is ambiguous (RFC 9112 6), with a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramingError(pub &'static str);

impl Target {
    /// Parses the target of a request on a connection of scheme `client_scheme`: the absolute form, else `Host` (RFC 9112
    /// 3.2), or the authority form of a CONNECT (RFC 9112 3.2.3); for HTTP/2, `:authority` and `:scheme` (RFC 9113 8.3.1).
    ///
    /// # Errors
    /// [`TargetError`] if the request names no host, more than one host, or an invalid host.
    pub fn of(parts: &Parts, client_scheme: Scheme) -> Result<Self, TargetError> {
        Self::of_client(parts, client_scheme, &HostMemo::default())
    }

    /// As [`Target::of`], of a request of a client whose last `Host` is known.
    ///
    /// # Errors
    /// As of [`Target::of`].
    pub(crate) fn of_client(
        parts: &Parts,
        client_scheme: Scheme,
        last: &HostMemo,
    ) -> Result<Self, TargetError> {
        let host_field = host_field(&parts.headers)?;
        if parts.version == Version::HTTP_2 {
            let host_header_value = host_field.map(authority_of).transpose()?;
            return Self::of_http2(parts, host_header_value, client_scheme);
        }
        if parts.method == Method::CONNECT {
            let host_header_value = host_field.map(authority_of).transpose()?;
            return Self::of_connect(parts, host_header_value.is_some());
        }
        let Some(scheme) = parts.uri.scheme_str() else {
            if parts.uri.authority().is_some() {
                return Err(TargetError::Form);
            }
            let field = host_field.ok_or(TargetError::Missing)?;
            let Authority { host, port } = last.parse(field.as_bytes())?;
            return Ok(Self {
                scheme: None,
                host,
                port,
                form: TargetForm::Request,
            });
        };
        // A Host field is required even if the target overrides it (RFC 9112 3.2), except in HTTP/1.0. What it says is
        // ignored (RFC 9112 3.2.2).
        if host_field.is_none() && parts.version != Version::HTTP_10 {
            return Err(TargetError::Missing);
        }
        let scheme = scheme_of_url(scheme).ok_or(TargetError::Scheme)?;
        let authority = parts.uri.authority().ok_or(TargetError::Missing)?;
        let Authority { host, port } = Authority::parse(authority.as_str().as_bytes())?;
        Ok(Self {
            scheme: Some(scheme),
            host,
            port,
            form: TargetForm::Request,
        })
    }

    /// Parses the target of an HTTP/2 request. Every HTTP/2 request has a scheme; one that equals the connection's says no
    /// more than `Host` alone, and another one counts like the absolute form.
    fn of_http2(
        parts: &Parts,
        host_header_value: Option<Authority>,
        client_scheme: Scheme,
    ) -> Result<Self, TargetError> {
        let authority = parts.uri.authority();
        let authority = authority.map(|authority| Authority::parse(authority.as_str().as_bytes()));
        let connect = parts.method == Method::CONNECT;
        let scheme = match parts.uri.scheme_str() {
            Some(scheme) if !connect => Some(scheme_of(scheme)?),
            _ => None,
        };
        let default = scheme.unwrap_or(client_scheme).default_port();
        let same = |one: &Authority, other: &Authority| {
            one.host == other.host && one.port.unwrap_or(default) == other.port.unwrap_or(default)
        };
        let Authority { host, port } = match (authority.transpose()?, host_header_value) {
            (Some(target), Some(field)) if !connect && !same(&target, &field) => {
                return Err(TargetError::Contradiction);
            }
            (Some(target), _) => target,
            (None, Some(field)) if !connect => field,
            (None, _) => return Err(TargetError::Missing),
        };
        if connect && port.is_none() {
            return Err(TargetError::Authority);
        }
        Ok(Self {
            scheme: scheme.filter(|scheme| *scheme != client_scheme),
            host,
            port,
            form: if connect {
                TargetForm::Connect
            } else {
                TargetForm::Request
            },
        })
    }

    /// The target of a TLS connection of this form: the server name of its ClientHello (RFC 6066 3).
    #[must_use]
    pub fn of_server_name(name: DnsName, form: TargetForm) -> Self {
        Self {
            scheme: None,
            host: Host::Name(name),
            port: None,
            form,
        }
    }

    /// Whether the target is that of a tunnel, of which nothing but the target is read.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.form != TargetForm::Request
    }

    /// How the request reaches the gateway, as expressions and the log call it.
    #[must_use]
    pub fn request_form(&self) -> RequestForm {
        match self.form {
            TargetForm::Request if self.scheme.is_some() => RequestForm::Absolute,
            TargetForm::Request => RequestForm::Host,
            TargetForm::Connect => RequestForm::Connect,
            TargetForm::Passthrough | TargetForm::Terminate => RequestForm::Sni,
        }
    }

    /// Parses the authority form of a CONNECT (RFC 9112 3.2.3).
    fn of_connect(parts: &Parts, has_field: bool) -> Result<Self, TargetError> {
        if !has_field && parts.version != Version::HTTP_10 {
            return Err(TargetError::Missing);
        }
        let (None, Some(authority)) = (parts.uri.scheme(), parts.uri.authority()) else {
            return Err(TargetError::Authority);
        };
        let Authority { host, port } = Authority::parse(authority.as_str().as_bytes())?;
        Ok(Self {
            scheme: None,
            host,
            port: Some(port.ok_or(TargetError::Authority)?),
            form: TargetForm::Connect,
        })
    }

    /// Sets `Host` to the authority of a target in absolute or authority form or of HTTP/2, which overrides it (RFC 9112
    /// 3.2.2), so that rules and the next hop see the host that the request is routed by.
    ///
    /// # Panics
    /// Never: hosts are ASCII.
    pub fn override_host(&self, headers: &mut HeaderMap, version: Version) {
        if self.is_tunnel() || (version == Version::HTTP_2 && self.scheme.is_none()) {
            headers.insert(HOST, value(self.host.clone(), self.port));
        } else if let Some(scheme) = self.scheme {
            let port = self.port.unwrap_or_else(|| scheme.default_port());
            headers.insert(HOST, Self::host_header(&self.host, port, scheme));
        }
    }

    /// The `Host` field for this target over `scheme`: the port only when it is not the default.
    ///
    /// # Panics
    /// Never: hosts are ASCII.
    #[must_use]
    pub fn host_header(host: &Host, port: Port, scheme: Scheme) -> HeaderValue {
        let port = Some(port).filter(|port| *port != scheme.default_port());
        value(host.clone(), port)
    }
}

fn value(host: Host, port: Option<Port>) -> HeaderValue {
    let text = Authority { host, port }.to_string();
    HeaderValue::try_from(text).expect("a host is visible ASCII")
}

/// Refuses transfer codings that hyper's parser accepts and that an upstream may interpret differently (RFC 9112 6.1).
/// `Content-Length` needs no check: the parser refuses lengths that are malformed or differ, merges equal ones, and drops
/// them beside `Transfer-Encoding`, after which it closes the connection (RFC 9112 6.3).
///
/// # Errors
/// [`FramingError`] if the transfer coding is not `chunked`, once.
pub fn check_framing(headers: &HeaderMap) -> Result<(), FramingError> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let only = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if only(coding) => Ok(()),
        _ => Err(FramingError(
            "the only supported transfer coding is chunked, once",
        )),
    }
}

/// The scheme by which a URL of HTTP or of a WebSocket is requested: a WebSocket begins as a request of HTTP (RFC 6455 3),
/// which some clients send with its URL. `None` if the URL is of another scheme.
pub(crate) fn scheme_of_url(text: &str) -> Option<Scheme> {
    let of_websocket = [("ws", Scheme::Http), ("wss", Scheme::Https)];
    let mut of_websocket = of_websocket.into_iter();
    let found = of_websocket.find(|(known, _)| text.eq_ignore_ascii_case(known));
    let found = found.map(|(_, scheme)| scheme);
    found.or_else(|| scheme_of(text).ok())
}

fn scheme_of(text: &str) -> Result<Scheme, TargetError> {
    [Scheme::Http, Scheme::Https]
        .into_iter()
        .find(|known| text.eq_ignore_ascii_case(known.as_str()))
        .ok_or(TargetError::Scheme)
}

/// The one `Host` field, if there is one.
fn host_field(headers: &HeaderMap) -> Result<Option<&HeaderValue>, TargetError> {
    let mut fields = headers.get_all(HOST).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(TargetError::Repeated);
    }
    Ok(Some(field))
}

fn authority_of(field: &HeaderValue) -> Result<Authority, TargetError> {
    Ok(Authority::parse(field.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn target(uri: &str, hosts: &[&str]) -> Result<String, TargetError> {
        let mut request = Request::get(uri).body(()).unwrap();
        for host in hosts {
            request
                .headers_mut()
                .append(HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        let (parts, ()) = request.into_parts();
        let Target {
            scheme, host, port, ..
        } = Target::of(&parts, Scheme::Http)?;
        let scheme = scheme.map_or("-", Scheme::as_str);
        Ok(format!(
            "{scheme} {host} {}",
            port.map_or_else(|| "-".to_owned(), |port| port.to_string())
        ))
    }

    #[test]
    fn host_routed_and_absolute_form() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("/", &["example.com"], "- example.com -"),
            ("/", &["Example.COM.:8080"], "- example.com 8080"),
            ("/", &["[2001:db8::1]:80"], "- [2001:db8::1] 80"),
            (
                "http://example.com/",
                &["example.com"],
                "http example.com -",
            ),
            (
                "http://Example.com:81/",
                &["other.example"],
                "http example.com 81",
            ),
            (
                "HTTP://example.com/",
                &["example.com"],
                "http example.com -",
            ),
            ("http://192.0.2.1/", &["192.0.2.1"], "http 192.0.2.1 -"),
            ("/", &["a.example:"], "- a.example -"),
            ("http://a.example:/", &["a.example:"], "http a.example -"),
            // What the target overrides is ignored, valid or not.
            ("http://a.example/", &["b..example"], "http a.example -"),
            ("http://a.example/", &["user@b"], "http a.example -"),
            ("http://a.example/", &[""], "http a.example -"),
            (
                "https://A.example/",
                &["other.example"],
                "https a.example -",
            ),
            (
                "HTTPS://a.example:443/",
                &["a.example"],
                "https a.example 443",
            ),
            ("ws://a.example:81/", &["a.example"], "http a.example 81"),
            ("WSS://a.example/", &["a.example"], "https a.example -"),
        ];
        for (uri, hosts, expected) in cases {
            assert_eq!(
                target(uri, hosts).as_deref(),
                Ok(*expected),
                "{uri} {hosts:?}"
            );
        }
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        let cases: &[(&str, &[&str])] = &[
            ("/", &[]),
            ("/", &[""]),
            ("/", &["a.example", "a.example"]),
            ("/", &["user@a.example"]),
            ("/", &["a.example, b.example"]),
            ("/", &["2130706433"]),
            ("http://a.example/", &[]),
            ("http://a.example/", &["a.example", "b.example"]),
            ("http://user@a.example/", &["a.example"]),
            ("http://0x7f.1/", &["0x7f.1"]),
            ("ftp://a.example/", &["a.example"]),
            ("wsx://a.example/", &["a.example"]),
        ];
        for (uri, hosts) in cases {
            assert!(target(uri, hosts).is_err(), "{uri} {hosts:?}");
        }
    }

    #[test]
    fn the_host_field_names_the_port_only_when_it_must() {
        let header = |text: &str, port: u16, scheme| {
            let host: Host = text.parse().unwrap();
            Target::host_header(&host, Port::new(port).unwrap(), scheme)
        };
        assert_eq!(header("a.example", 80, Scheme::Http), "a.example");
        assert_eq!(header("a.example", 443, Scheme::Http), "a.example:443");
        assert_eq!(header("a.example", 443, Scheme::Https), "a.example");
        assert_eq!(header("[::1]", 8080, Scheme::Http), "[::1]:8080");
    }

    #[test]
    fn an_absolute_target_overrides_host() {
        for (uri, field, expected) in [
            ("/", "Other.example:80", "Other.example:80"),
            ("http://A.example/", "other.example", "a.example"),
            ("http://a.example:80/", "a.example:81", "a.example"),
            ("http://[::1]:81/", "other.example", "[::1]:81"),
            ("https://a.example:443/", "a.example:443", "a.example"),
            ("https://a.example:80/", "a.example", "a.example:80"),
        ] {
            let request = Request::get(uri).header(HOST, field).body(()).unwrap();
            let (mut parts, ()) = request.into_parts();
            let target = Target::of(&parts, Scheme::Http).unwrap();
            target.override_host(&mut parts.headers, parts.version);
            assert_eq!(parts.headers[HOST], expected, "{uri}");
        }
    }

    #[test]
    fn http2_names_what_host_does_and_another_scheme_is_one_to_go_by() {
        let (http, https) = (Scheme::Http, Scheme::Https);
        for (uri, field, client_scheme, expected) in [
            ("http://A.example/", "", http, Some("- a.example")),
            ("https://a.example:443/", "", https, Some("- a.example:443")),
            ("http://a.example/", "", https, Some("http a.example")),
            ("https://a.example/", "", http, Some("https a.example")),
            (
                "http://a.example:80/",
                "a.example",
                http,
                Some("- a.example:80"),
            ),
            (
                "https://a.example/",
                "A.example:443",
                https,
                Some("- a.example"),
            ),
            ("http://a.example/", "b.example", http, None),
            ("http://a.example/", "a.example:81", http, None),
            ("ftp://a.example/", "", http, None),
            // HTTP/2 has other means (RFC 8441 4).
            ("ws://a.example/", "", http, None),
            ("http://user@a.example/", "", http, None),
            ("/", "a.example:81", http, Some("- a.example:81")),
            ("/", "", http, None),
        ] {
            let mut request = Request::get(uri).version(Version::HTTP_2);
            if !field.is_empty() {
                request = request.header(HOST, field);
            }
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            let target = Target::of(&parts, client_scheme);
            let text = target.as_ref().ok().map(|target| {
                let scheme = target.scheme.map_or("-", Scheme::as_str);
                let (host, port) = (target.host.clone(), target.port);
                format!("{scheme} {}", Authority { host, port })
            });
            assert_eq!(text.as_deref(), expected, "{uri} {field}");
            if let Ok(target) = target {
                target.override_host(&mut parts.headers, parts.version);
                let named = text.unwrap().split_once(' ').unwrap().1.to_owned();
                assert_eq!(parts.headers[HOST], named.as_str(), "{uri} {field}");
            }
        }
    }

    #[test]
    fn a_connect_of_http2_names_a_host_and_a_port() {
        for (uri, expected) in [
            ("a.example:443", Some(443)),
            ("a.example", None),
            ("user@a.example:443", None),
        ] {
            let request = Request::connect(uri).version(Version::HTTP_2);
            let Ok(request) = request.body(()) else {
                assert_eq!(expected, None);
                continue;
            };
            let (parts, ()) = request.into_parts();
            let target = Target::of(&parts, Scheme::Https).ok();
            let port = target.as_ref().and_then(|target| target.port);
            assert_eq!(port.map(Port::get), expected, "{uri}");
            assert!(target.is_none_or(|target| target.form == TargetForm::Connect));
        }
    }

    #[test]
    fn framing_has_one_reading() {
        let check = |fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            check_framing(&headers).is_ok()
        };
        assert!(check(&[]));
        assert!(check(&[("content-length", "5")]));
        assert!(check(&[("transfer-encoding", "Chunked")]));
        assert!(!check(&[("transfer-encoding", "gzip, chunked")]));
        assert!(!check(&[
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "chunked")
        ]));
        assert!(!check(&[("transfer-encoding", "xchunked")]));
    }
}
