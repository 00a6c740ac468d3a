//! The ways to ask a proxy.

use serde_json::Value;

/// A listener of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// In clear.
    Clear,
    /// Over TLS.
    Secure,
    /// Over TLS, for HTTP/1.1 alone.
    SecureHttp1,
    /// TLS that is passed on by name.
    Passthrough,
}

/// By which listener and in which form it is asked, as its log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) listener: Listener,
    /// By CONNECT.
    pub(crate) tunnel: bool,
    pub(crate) http2: bool,
}

impl Listener {
    /// Those for any client.
    pub(crate) const COMMON: [Self; 2] = [Self::Clear, Self::Secure];

    /// The scheme of a URL that leads there.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Clear => "http",
            Self::Secure | Self::SecureHttp1 | Self::Passthrough => "https",
        }
    }

    /// A request that is forwarded.
    pub(crate) fn forward(self) -> Way {
        Way {
            listener: self,
            tunnel: false,
            http2: false,
        }
    }

    /// A CONNECT.
    pub(crate) fn tunnel(self) -> Way {
        Way {
            tunnel: true,
            ..self.forward()
        }
    }
}

impl Way {
    /// The same by HTTP/2.
    pub(crate) fn over_http2(self) -> Self {
        Self {
            http2: true,
            ..self
        }
    }

    /// What a line of the log tells.
    pub(crate) fn of(record: &Value) -> Self {
        Self {
            listener: match record["listener"].as_str() {
                Some("kgateway-system/http/tls") => Listener::Secure,
                Some("kgateway-system/http/tls-http1") => Listener::SecureHttp1,
                Some("kgateway-system/http/passthrough") => Listener::Passthrough,
                _ => Listener::Clear,
            },
            tunnel: record["method"] == "CONNECT",
            http2: record["protocol"] == "HTTP/2",
        }
    }
}
