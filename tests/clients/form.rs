//! The forms of requests to a proxy.

use serde_json::Value;

/// A listener of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyListener {
    /// HTTP in clear.
    Clear,
    /// HTTP over TLS.
    Secure,
    /// HTTP/1.1 over TLS.
    SecureHttp1,
    /// TLS passthrough.
    Passthrough,
}

/// The listener and the form of a request, as the access log records them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestForm {
    pub(crate) listener: ProxyListener,
    /// Whether the request is a CONNECT.
    pub(crate) tunnel: bool,
    pub(crate) http2: bool,
}

impl ProxyListener {
    /// The listeners that every client can use.
    pub(crate) const COMMON: [Self; 2] = [Self::Clear, Self::Secure];

    /// The URL scheme of the listener.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Clear => "http",
            Self::Secure | Self::SecureHttp1 | Self::Passthrough => "https",
        }
    }

    /// A forwarded request.
    pub(crate) fn forward(self) -> RequestForm {
        RequestForm {
            listener: self,
            tunnel: false,
            http2: false,
        }
    }

    /// A CONNECT.
    pub(crate) fn tunnel(self) -> RequestForm {
        RequestForm {
            tunnel: true,
            ..self.forward()
        }
    }
}

impl RequestForm {
    /// The same form over HTTP/2.
    pub(crate) fn over_http2(self) -> Self {
        Self {
            http2: true,
            ..self
        }
    }

    /// The form of a record of the access log.
    pub(crate) fn of(record: &Value) -> Self {
        Self {
            listener: match record["listener"].as_str() {
                Some("kgateway-system/http/tls") => ProxyListener::Secure,
                Some("kgateway-system/http/tls-http1") => ProxyListener::SecureHttp1,
                Some("kgateway-system/http/passthrough") => ProxyListener::Passthrough,
                _ => ProxyListener::Clear,
            },
            tunnel: record["method"] == "CONNECT",
            http2: record["protocol"] == "HTTP/2",
        }
    }
}
