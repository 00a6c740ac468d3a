//! Who may use the admin server.

use std::net::{IpAddr, SocketAddr};

use egret_config::name::{Authority, Host};
use egret_config::policy::digest::KeyDigest;
use http::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Request, StatusCode};

use super::{AdminResponse, page, text};
use crate::policy::credentials::after_scheme;

/// The secret that requests to the admin server carry as a Bearer token (RFC 6750).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminToken(KeyDigest);

impl AdminToken {
    /// Builds the token from its text. Surrounding white space is not part of it, because files end with a line break.
    /// `None` if nothing is left, or if no header field can carry it.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(KeyDigest::of(text.as_bytes())))
    }

    fn is_in(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let token = value.and_then(|value| after_scheme(value, "bearer"));
        token.is_some_and(|token| self.0.matches(&KeyDigest::of(token)))
    }
}

/// The paths of a server for probes: what the node of a cluster and its Prometheus ask for.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The rules of access of one admin server.
pub(super) struct AccessRules {
    is_loopback: bool,
    token: Option<AdminToken>,
    /// Whether only probes are answered, to whoever asks.
    is_for_probes: bool,
}

impl AccessRules {
    /// The rules for a server on `address`.
    ///
    /// # Errors
    /// If the address can be reached from other machines, and no token protects it.
    pub(super) fn new(address: SocketAddr, token: Option<AdminToken>) -> Result<Self, String> {
        let is_loopback = address.ip().to_canonical().is_loopback();
        if !is_loopback && token.is_none() {
            return Err(format!(
                "the admin address {address} is not a loopback address: it needs --admin-token"
            ));
        }
        Ok(Self {
            is_loopback,
            token,
            is_for_probes: false,
        })
    }

    /// The rules for a server that answers probes and nothing else, and so needs no token.
    pub(super) fn for_probes() -> Self {
        Self {
            is_loopback: false,
            token: None,
            is_for_probes: true,
        }
    }

    /// Whether the request carries the token, or needs none.
    pub(super) fn is_authorized<B>(&self, request: &Request<B>) -> bool {
        let token = self.token.as_ref();
        token.is_none_or(|token| token.is_in(request.headers()))
    }

    /// The response to a request that may not be answered.
    pub(super) fn refusal<B>(&self, request: &Request<B>) -> Option<AdminResponse> {
        if self.is_for_probes && !PROBES.contains(&request.uri().path()) {
            let why = "only /healthz, /readyz and /metrics are answered here\n";
            return Some(text(StatusCode::NOT_FOUND, why));
        }
        if self.is_loopback && !has_local_host(request) {
            let why = "this address is for local use; ask for it by its address\n";
            return Some(text(StatusCode::FORBIDDEN, why));
        }
        if request.method() == Method::POST && is_of_another_site(request) {
            let why = "a page of another site may not ask for this\n";
            return Some(text(StatusCode::FORBIDDEN, why));
        }
        // Probes come without a token, and learn no more than that the process is there; so does the page, whose files are
        // the same for everybody.
        let path = request.uri().path();
        let is_open = matches!(path, "/healthz" | "/readyz") || page::is_page(path);
        if !is_open && !self.is_authorized(request) {
            let mut response = text(
                StatusCode::UNAUTHORIZED,
                "the token of --admin-token is needed: Authorization: Bearer TOKEN\n",
            );
            let challenge = HeaderValue::from_static("Bearer realm=\"egret\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return Some(response);
        }
        None
    }
}

/// Whether the `Host` of a request is a loopback address or `localhost`. A web page can make a browser send requests to a
/// loopback address under the page's own name (DNS rebinding).
fn has_local_host<B>(request: &Request<B>) -> bool {
    let Some(host) = request.headers().get(HOST) else {
        return true;
    };
    match Authority::parse(host.as_bytes()).map(|authority| authority.host) {
        Ok(Host::Ip(ip)) => IpAddr::is_loopback(&ip.to_canonical()),
        Ok(Host::Name(name)) => name.is_localhost(),
        Err(_) => false,
    }
}

/// Whether a browser says that a page of another origin causes the request (Fetch Metadata, and RFC 6454 for older ones).
/// Such a page cannot read the response, but it need not: the request would have its effect.
fn is_of_another_site<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    if let Some(site) = headers.get("sec-fetch-site")
        && site != "same-origin"
        && site != "none"
    {
        return true;
    }
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    headers.get(ORIGIN).is_some_and(|origin| {
        let authority = origin.as_bytes().strip_prefix(b"http://");
        authority.is_none() || authority != host
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "127.0.0.1:19000";

    fn request(method: Method, path: &str, fields: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn status(rules: &AccessRules, request: &Request<()>) -> u16 {
        rules
            .refusal(request)
            .map_or(200, |no| no.status().as_u16())
    }

    #[test]
    fn an_address_that_others_reach_needs_a_token() {
        for address in ["0.0.0.0:19000", "[::]:19000", "192.0.2.1:19000"] {
            let address = address.parse().unwrap();
            assert!(AccessRules::new(address, None).is_err(), "{address}");
            assert!(AccessRules::new(address, AdminToken::new("s3cret")).is_ok());
        }
        for address in [LOCAL, "[::1]:19000", "[::ffff:127.0.0.2]:19000"] {
            assert!(AccessRules::new(address.parse().unwrap(), None).is_ok());
        }
    }

    #[test]
    fn what_is_no_token() {
        for text in ["", "\n", "two words", "caf\u{e9}"] {
            assert_eq!(AdminToken::new(text), None, "{text:?}");
        }
        assert_eq!(AdminToken::new("s3cret\n"), AdminToken::new("s3cret"));
    }

    #[test]
    fn everything_but_the_probes_needs_the_token() {
        let rules = AccessRules::new(LOCAL.parse().unwrap(), AdminToken::new("s3cret")).unwrap();
        let get = |path, value| {
            let request = request(Method::GET, path, &[("authorization", value)]);
            status(&rules, &request)
        };
        for path in [
            "/metrics",
            "/report",
            "/config",
            "/destinations",
            "/refusals",
            "/dns",
            "/dns/servers",
            "/other",
            "/page",
        ] {
            assert_eq!(get(path, "Bearer s3cret"), 200, "{path}");
            assert_eq!(get(path, "bearer  s3cret"), 200, "{path}");
            for value in [
                "Bearer s3cre",
                "Bearer s3crets",
                "Bearer ",
                "s3cret",
                "Basic s3cret",
            ] {
                assert_eq!(get(path, value), 401, "{path} {value}");
            }
            assert_eq!(status(&rules, &request(Method::GET, path, &[])), 401);
        }
        for path in ["/healthz", "/readyz", "/", "/page/main.js"] {
            assert_eq!(status(&rules, &request(Method::GET, path, &[])), 200);
        }
    }

    #[test]
    fn a_page_of_another_site_cannot_post() {
        let rules = AccessRules::new(LOCAL.parse().unwrap(), None).unwrap();
        let post = |fields: &[(&str, &str)]| {
            let fields = [&[("host", LOCAL)], fields].concat();
            status(&rules, &request(Method::POST, "/dns/flush", &fields))
        };
        assert_eq!(post(&[]), 200, "no browser");
        assert_eq!(post(&[("origin", "http://127.0.0.1:19000")]), 200);
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]), 200);
        assert_eq!(post(&[("sec-fetch-site", "none")]), 200);
        for site in ["cross-site", "same-site"] {
            assert_eq!(post(&[("sec-fetch-site", site)]), 403, "{site}");
        }
        for origin in [
            "http://page.example",
            "https://127.0.0.1:19000",
            "http://127.0.0.1:3000",
            "null",
        ] {
            assert_eq!(post(&[("origin", origin)]), 403, "{origin}");
        }
        let own = request(
            Method::GET,
            "/",
            &[("origin", "http://page.example"), ("host", LOCAL)],
        );
        assert_eq!(
            status(&rules, &own),
            200,
            "reading is the browser's to refuse"
        );
    }
}
