//! Responses that the gateway generates itself: redirects and direct responses.

use std::borrow::Cow;
use std::rc::Rc;

use bytes::Bytes;
use egret_config::name::{Authority, Host, Port};
use egret_config::snapshot::{FixedResponse, RedirectResponse, Scheme};
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};

use crate::body::ResponseBody;
use crate::exchange::Exchange;
use crate::message::max_forwards::ForwardsSpent;
use crate::message::target::Target;
use crate::refusal::Refusal;

/// The facts of a request from which a redirect's location is made.
pub(crate) struct RedirectContext<'a> {
    pub(crate) target: &'a Target,
    /// The scheme by which the client reached the gateway.
    pub(crate) scheme: Scheme,
    /// The port of the listener.
    pub(crate) port: Port,
    /// The path prefix that matched the request, if the match was by prefix.
    pub(crate) matched_prefix: Option<&'a str>,
}

/// The response of a rule with a `DirectResponse`.
pub(crate) fn respond(
    fixed: &FixedResponse,
    parts: &Parts,
    exchange: Rc<Exchange>,
) -> Response<ResponseBody> {
    let mut response = Response::new(Bytes::copy_from_slice(fixed.body.as_bytes()));
    *response.status_mut() = fixed.status;
    if !fixed.body.is_empty() {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    if let Some(format) = &fixed.format {
        response = exchange.formatted(format, parts, response);
    }
    own(response, exchange)
}

/// A response that the gateway makes itself, as the listener wants it to be.
pub(super) fn own(response: Response<Bytes>, exchange: Rc<Exchange>) -> Response<ResponseBody> {
    let response = exchange.localized(response);
    response.map(|body| ResponseBody::text(body, exchange))
}

/// The response to a request that may go no further.
pub(crate) fn last(spent: ForwardsSpent, exchange: Rc<Exchange>) -> Response<ResponseBody> {
    let text: &[u8] = match spent.status {
        StatusCode::OK => b"",
        _ => b"egret: Max-Forwards ends the request here, where TRACE is not answered\n",
    };
    let mut response = Response::new(Bytes::from_static(text));
    *response.status_mut() = spent.status;
    own(response, exchange)
}

/// The response to a preflight request, with these fields.
pub(crate) fn preflight(fields: HeaderMap, exchange: Rc<Exchange>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::text(Bytes::new(), exchange));
    *response.headers_mut() = fields;
    response
}

/// The response of a rule with a `RequestRedirect` filter.
///
/// # Errors
/// [`Refusal::Framing`] if the request's own path does not fit a `Location`.
pub(crate) fn redirect(
    redirect: &RedirectResponse,
    context: &RedirectContext<'_>,
    parts: &Parts,
    exchange: Rc<Exchange>,
) -> Result<Response<ResponseBody>, Refusal> {
    let location = HeaderValue::try_from(location(redirect, context, parts))
        .map_err(|_| Refusal::Framing("the path cannot be part of a Location"))?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(LOCATION, location);
    Ok(own(response, exchange))
}

/// The location of a redirect (Gateway API, HTTPRequestRedirectFilter). The port is the filter's, else the default of the
/// filter's scheme, else the listener's; it is left out if it is the default of the location's scheme.
fn location(redirect: &RedirectResponse, context: &RedirectContext<'_>, parts: &Parts) -> String {
    let scheme = redirect
        .scheme
        .or(context.target.scheme)
        .unwrap_or(context.scheme);
    let host = redirect
        .host
        .clone()
        .map_or_else(|| context.target.host.clone(), Host::Name);
    let port = redirect
        .port
        .or_else(|| redirect.scheme.map(Scheme::default_port))
        .unwrap_or(context.port);
    let authority = Authority {
        host,
        port: Some(port).filter(|port| *port != scheme.default_port()),
    };
    let path = match (&redirect.path, parts.uri.path()) {
        (Some(new), path) => Cow::Owned(new.apply(path, context.matched_prefix)),
        // The asterisk form has no path in a URI.
        (None, "*") => Cow::Borrowed(""),
        (None, path) => Cow::Borrowed(path),
    };
    let query = parts
        .uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    format!("{}://{authority}{path}{query}", scheme.as_str())
}

#[cfg(test)]
mod tests {
    use egret_config::snapshot::PathRewrite;
    use http::Request;

    use super::*;
    use crate::message::target::TargetForm;

    fn redirect() -> RedirectResponse {
        RedirectResponse {
            scheme: None,
            host: None,
            port: None,
            path: None,
            status: StatusCode::FOUND,
        }
    }

    fn to(redirect: &RedirectResponse, host: &str, uri: &str) -> String {
        let target = Target {
            scheme: None,
            host: host.parse().unwrap(),
            port: None,
            form: TargetForm::Request,
        };
        let (parts, ()) = Request::get(uri).body(()).unwrap().into_parts();
        let context = RedirectContext {
            target: &target,
            scheme: Scheme::Http,
            port: Port::new(8080).unwrap(),
            matched_prefix: Some("/old"),
        };
        location(redirect, &context, &parts)
    }

    #[test]
    fn ports_follow_the_scheme() {
        let cases = [
            (redirect(), "http://a.example:8080/x?y=1"),
            (
                RedirectResponse {
                    scheme: Some(Scheme::Https),
                    ..redirect()
                },
                "https://a.example/x?y=1",
            ),
            (
                RedirectResponse {
                    scheme: Some(Scheme::Http),
                    ..redirect()
                },
                "http://a.example/x?y=1",
            ),
            (
                RedirectResponse {
                    port: Port::new(80),
                    ..redirect()
                },
                "http://a.example/x?y=1",
            ),
            (
                RedirectResponse {
                    scheme: Some(Scheme::Https),
                    port: Port::new(8443),
                    ..redirect()
                },
                "https://a.example:8443/x?y=1",
            ),
            (
                RedirectResponse {
                    host: Some("b.example".parse().unwrap()),
                    ..redirect()
                },
                "http://b.example:8080/x?y=1",
            ),
        ];
        for (redirect, expected) in cases {
            assert_eq!(to(&redirect, "a.example", "/x?y=1"), expected);
        }
    }

    #[test]
    fn paths_are_replaced_and_queries_stay() {
        let full = RedirectResponse {
            path: Some(PathRewrite::Full("/new".to_owned())),
            ..redirect()
        };
        assert_eq!(to(&full, "[::1]", "/old/a?b"), "http://[::1]:8080/new?b");
        let prefix = RedirectResponse {
            path: Some(PathRewrite::Prefix("/new".to_owned())),
            ..redirect()
        };
        for path in [
            "/old/a",
            "//old/a",
            "/x/../old/a",
            "/%6Fld//a",
            "/./old/b/../a",
        ] {
            let location = to(&prefix, "a.example", &format!("{path}?b"));
            assert_eq!(location, "http://a.example:8080/new/a?b", "{path}");
        }
        assert_eq!(
            to(&redirect(), "a.example", "//x/.."),
            "http://a.example:8080//x/.."
        );
        assert_eq!(to(&redirect(), "a.example", "*"), "http://a.example:8080");
    }
}
