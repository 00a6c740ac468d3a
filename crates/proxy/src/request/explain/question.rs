//! A request that somebody asks about, and its head as the gateway would read it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use egret_config::name::{Authority, DnsName, Host, NameError};
use egret_config::policy::egress::CertificatePattern;
use egret_config::snapshot::{BindAddress, Listener, ListenerProtocol, ListenerSocket, Scheme};
use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri};

use crate::message::forwarded::ForwardedFields;
use crate::message::target::{Target, TargetForm, scheme_of_url};
use crate::policy::ClientIdentity;

mod parameters;

pub use parameters::PARAMETERS;

/// How a request tells the gateway where it wants to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionForm {
    /// By `Host`: the gateway is spoken to as if it were the origin.
    Host,
    /// By a target in absolute form, as clients of a proxy send it for `http`.
    Absolute,
    /// By a CONNECT, as clients of a proxy send it for `https`.
    Connect,
    /// By the server name of a TLS connection, which is passed through.
    Sni,
}

/// A request that is asked about, and not sent.
#[derive(Clone, Debug)]
pub struct RequestQuestion {
    /// How it tells where it wants to go.
    pub form: QuestionForm,
    /// The method; that of [`QuestionForm::Connect`] is `CONNECT`.
    pub method: Method,
    /// Where it wants to go.
    pub url: QuestionUrl,
    /// Header fields.
    pub headers: HeaderMap,
    /// The address of the client.
    pub client: IpAddr,
    /// The user or client that it has proven to be wherever credentials are required. Without it the header fields decide.
    pub user: Option<Arc<str>>,
    /// The name or the subject of the client's certificate.
    pub certificate: Option<CertificatePattern>,
    /// The full name of the only listener that is asked, `namespace/gateway/listener`; `None` asks all.
    pub listener: Option<String>,
    /// Addresses of the host, which are judged too.
    pub addresses: Vec<IpAddr>,
    /// Whether it is a request of an access log, so that its header fields, its query and its certificate are not known.
    pub is_recorded: bool,
}

/// An absolute `http` or `https` URL, or that of a WebSocket, which begins as one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionUrl {
    scheme: Scheme,
    authority: Authority,
    path: PathAndQuery,
}

/// Why a text is not a URL that can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The scheme is another one.
    #[error("the scheme is not http or https")]
    Scheme,
    /// There is no host.
    #[error("no host: write http://host/path")]
    NoHost,
    /// User and password belong into a header field.
    #[error(
        "user and password are not part of the URL: write --header 'proxy-authorization: ...' or --user NAME"
    )]
    UserInfo,
    /// It is no URL.
    #[error("not a URL: write http://host/path")]
    Malformed,
    /// The host or the port is malformed.
    #[error("{0}")]
    Name(#[from] NameError),
}

impl QuestionUrl {
    /// Reads a URL; one without a scheme is an `http` URL.
    ///
    /// # Errors
    /// [`UrlError`] if it is none.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let with_scheme;
        let text = if text.contains("://") {
            text
        } else {
            with_scheme = format!("http://{text}");
            &with_scheme
        };
        let text = text.split_once('#').map_or(text, |(before, _)| before);
        let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
        let scheme = uri.scheme_str().and_then(scheme_of_url);
        let scheme = scheme.ok_or(UrlError::Scheme)?;
        let authority = uri.authority().ok_or(UrlError::NoHost)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        // A query may come without a path.
        let path = format!(
            "{}{}",
            uri.path(),
            uri.query().map_or_else(String::new, |it| format!("?{it}"))
        );
        Ok(Self {
            scheme,
            authority: Authority::parse(authority.as_str().as_bytes())?,
            path: path.parse().map_err(|_| UrlError::Malformed)?,
        })
    }

    /// The URL of a host and port, `host` or `host:port`.
    ///
    /// # Errors
    /// If it is none.
    pub fn of(scheme: Scheme, authority: &str, path: &str) -> Result<Self, UrlError> {
        Ok(Self {
            scheme,
            authority: Authority::parse(authority.as_bytes())?,
            path: path.parse().map_err(|_| UrlError::Malformed)?,
        })
    }

    /// The form in which most clients send a request for this URL: they ask a proxy for a tunnel to `https`.
    #[must_use]
    pub fn usual_form(&self) -> QuestionForm {
        match self.scheme {
            Scheme::Http => QuestionForm::Host,
            Scheme::Https => QuestionForm::Connect,
        }
    }

    fn host(&self) -> &Host {
        &self.authority.host
    }

    /// The authority with its port.
    fn host_and_port(&self) -> String {
        let Authority { host, port } = &self.authority;
        let port = port.unwrap_or_else(|| self.scheme.default_port());
        format!("{host}:{port}")
    }
}

impl RequestQuestion {
    /// A GET of this URL.
    #[must_use]
    pub fn new(form: QuestionForm, url: QuestionUrl) -> Self {
        Self {
            form,
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            client: IpAddr::from([127, 0, 0, 1]),
            user: None,
            certificate: None,
            listener: None,
            addresses: Vec::new(),
            is_recorded: false,
        }
    }

    /// Whether a client would send such a request to this socket.
    pub(super) fn fits(&self, socket: &ListenerSocket) -> bool {
        let is_asked = |listener: &Listener| match &self.listener {
            Some(name) => **name == *listener.full_name,
            None => true,
        };
        let mut listeners = socket.listeners.iter();
        listeners.any(|listener| is_asked(listener) && self.is_spoken_to(&listener.protocol))
    }

    /// Whether listeners of this protocol take requests of this form.
    fn is_spoken_to(&self, protocol: &ListenerProtocol) -> bool {
        let is_https = matches!(protocol, ListenerProtocol::Https(_));
        match self.form {
            QuestionForm::Host => {
                // A log tells the scheme by which the request went on.
                let is_same = is_https == (self.url.scheme == Scheme::Https);
                protocol.is_http() && (is_same || self.is_recorded)
            }
            QuestionForm::Absolute | QuestionForm::Connect => protocol.is_http(),
            QuestionForm::Sni => !protocol.is_http(),
        }
    }

    /// The head of the request.
    pub(super) fn head(&self) -> Parts {
        let (mut head, ()) = Request::new(()).into_parts();
        head.headers = self.headers.clone();
        head.method = self.method.clone();
        let QuestionUrl {
            scheme,
            authority,
            path,
        } = &self.url;
        head.uri = match self.form {
            QuestionForm::Host => Uri::from(path.clone()),
            QuestionForm::Absolute => uri(&format!("{}://{authority}{path}", scheme.as_str())),
            QuestionForm::Connect | QuestionForm::Sni => uri(&self.url.host_and_port()),
        };
        if matches!(self.form, QuestionForm::Connect | QuestionForm::Sni) {
            head.method = Method::CONNECT;
        }
        // A field of the question wins, as that of curl does.
        if !head.headers.contains_key(HOST)
            && let Ok(host) = HeaderValue::try_from(authority.to_string())
        {
            head.headers.insert(HOST, host);
        }
        head
    }

    /// The target of a TLS connection that is routed by its server name; `None` if the request has a head.
    pub(super) fn tls_target(&self, socket: &ListenerSocket) -> Option<Target> {
        let name = self.server_name()?;
        let listener = socket.listener_for_sni(Some(name));
        let form = match listener.map(|listener| &listener.protocol) {
            Some(ListenerProtocol::Terminate(_)) => TargetForm::Terminate,
            _ => TargetForm::Passthrough,
        };
        let is_tls = self.form == QuestionForm::Sni;
        is_tls.then(|| Target::of_server_name(name.clone(), form))
    }

    /// The server name that a client of the host sends.
    fn server_name(&self) -> Option<&DnsName> {
        match self.url.host() {
            Host::Name(name) => Some(name),
            Host::Ip(_) => None,
        }
    }

    /// Who sends the request, to this socket.
    pub(super) fn identity(&self, bind: BindAddress, socket: &ListenerSocket) -> ClientIdentity {
        let is_tls = !socket.is_plain();
        let ip = bind.ip.unwrap_or_else(|| match self.client {
            IpAddr::V4(_) => [0, 0, 0, 0].into(),
            IpAddr::V6(_) => [0; 16].into(),
        });
        let names_host = matches!(self.form, QuestionForm::Host | QuestionForm::Sni);
        let server_name = self.server_name().filter(|_| is_tls && names_host);
        ClientIdentity {
            address: SocketAddr::new(self.client, 0),
            listener: SocketAddr::new(ip, bind.port.get()),
            scheme: if is_tls { Scheme::Https } else { Scheme::Http },
            server_name: server_name.cloned(),
            certificate: self
                .certificate
                .as_ref()
                .map(|certificate| Arc::new(certificate.example())),
            forwarded: ForwardedFields::default(),
        }
    }
}

/// A URI of parts that were parsed before.
fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_curl_reads_them() {
        for (text, form, host_and_port, path) in [
            ("example.com", QuestionForm::Host, "example.com:80", "/"),
            (
                "http://A.example:8080/x?y#z",
                QuestionForm::Host,
                "a.example:8080",
                "/x?y",
            ),
            (
                "https://a.example",
                QuestionForm::Connect,
                "a.example:443",
                "/",
            ),
            (
                "https://[2001:db8::1]/",
                QuestionForm::Connect,
                "[2001:db8::1]:443",
                "/",
            ),
            (
                "http://a.example?q=1",
                QuestionForm::Host,
                "a.example:80",
                "/?q=1",
            ),
            (
                "wss://a.example/x",
                QuestionForm::Connect,
                "a.example:443",
                "/x",
            ),
        ] {
            let url = QuestionUrl::parse(text).unwrap();
            assert_eq!(url.usual_form(), form, "{text}");
            assert_eq!(url.host_and_port(), host_and_port, "{text}");
            assert_eq!(url.path.as_str(), path, "{text}");
        }
        for (text, error) in [
            ("ftp://a.example/", UrlError::Scheme),
            ("http://user:word@a.example/", UrlError::UserInfo),
            ("http://", UrlError::Malformed),
            ("http:///x", UrlError::Malformed),
            ("a b", UrlError::Malformed),
        ] {
            assert_eq!(QuestionUrl::parse(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn every_form_has_the_head_that_clients_send() {
        for (form, uri, method) in [
            (QuestionForm::Host, "/x?y", "GET"),
            (QuestionForm::Absolute, "https://a.example:8443/x?y", "GET"),
            (QuestionForm::Connect, "a.example:8443", "CONNECT"),
        ] {
            let url = QuestionUrl::parse("https://a.example:8443/x?y").unwrap();
            let head = RequestQuestion::new(form, url).head();
            assert_eq!(head.uri.to_string(), uri, "{form:?}");
            assert_eq!(head.method.as_str(), method, "{form:?}");
            assert_eq!(head.headers[HOST], "a.example:8443", "{form:?}");
        }
    }
}
