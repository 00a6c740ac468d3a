//! Services that are asked over HTTP: by the head of the request itself, to which a response of 200 is consent.

use bytes::Bytes;
use egret_config::policy::ext_auth::{ExtAuth, HttpAuth};
use http::header::{CONTENT_TYPE, HOST, LOCATION, PROXY_AUTHENTICATE, WWW_AUTHENTICATE};
use http::response::Parts;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};

use super::{AuthAnswer, CheckedRequest, DeniedResponse, RequestChanges, is_forwarded};
use crate::policy::envoy::settable_name;

/// The method of a CONNECT, which a service could not be asked with.
const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
/// Tells the service whether it gets only the beginning of the body.
const PARTIAL_BODY: HeaderName = HeaderName::from_static("x-envoy-auth-partial-body");
/// The names of headers that the service takes away, with commas between.
const HEADERS_TO_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");
/// Fields of an answer that refuses which a client gets whatever is configured: it cannot do without.
const ALWAYS_TO_CLIENT: [HeaderName; 3] = [WWW_AUTHENTICATE, PROXY_AUTHENTICATE, LOCATION];

/// What the service is asked about a request.
///
/// # Errors
/// If the path of the request with the prefix is none.
pub(crate) fn question(
    auth: &ExtAuth,
    http: &HttpAuth,
    request: &CheckedRequest<'_>,
) -> Result<Request<Bytes>, http::Error> {
    let (host, path) = (request.host(), request.path());
    let prefix = &http.path_prefix;
    // The server as a whole has no path (RFC 9112 3.2.4), and a tunnel has none.
    let path = path.filter(|path| path.starts_with('/')).unwrap_or("/");
    let is_connect = request.parts.method == Method::CONNECT;
    let method = if is_connect {
        Method::GET
    } else {
        request.parts.method.clone()
    };
    let data = request.body.map_or(&[][..], |body| body.data);
    let uri = format!("http://{host}{prefix}{path}");
    let question = Request::builder().method(method).uri(uri);
    let mut question = question.body(Bytes::copy_from_slice(data))?;
    let headers = question.headers_mut();
    for (name, value) in &request.parts.headers {
        if *name != HOST && is_forwarded(auth, name) {
            headers.append(name, value.clone());
        }
    }
    if is_connect {
        headers.insert(FORWARDED_METHOD, HeaderValue::from_static("CONNECT"));
    }
    if let Some(body) = request.body {
        let partial = if body.is_whole { "false" } else { "true" };
        headers.insert(PARTIAL_BODY, HeaderValue::from_static(partial));
    }
    for (name, value) in &http.adds {
        headers.insert(name, value.clone());
    }
    Ok(question)
}

/// What a response means that is no fault of the service.
pub(crate) fn read(http: &HttpAuth, head: &Parts, body: &[u8]) -> AuthAnswer {
    let Parts {
        status, headers, ..
    } = head;
    let settable = |name: &HeaderName| settable_name(name.as_str()).is_some();
    let listed = |names: &[HeaderName]| {
        let listed = |name: &HeaderName| settable(name) && names.contains(name);
        let fields = headers.iter().filter(|(name, _)| listed(name));
        let fields = fields.map(|(name, value)| (name.clone(), value.clone()));
        fields.collect::<Vec<_>>()
    };
    if *status == StatusCode::OK {
        let remove = headers.get_all(HEADERS_TO_REMOVE).iter();
        let remove = remove.filter_map(|names| names.to_str().ok());
        let remove = remove.flat_map(|names| names.split(','));
        return AuthAnswer::Allowed(Box::new(RequestChanges {
            set: listed(&http.to_upstream),
            remove: remove.filter_map(|it| settable_name(it.trim())).collect(),
            response: listed(&http.to_client_on_success),
            ..RequestChanges::default()
        }));
    }
    let headers = match http.to_client.as_slice() {
        [] => headers
            .iter()
            .filter(|(name, _)| settable(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        names => {
            let always = ALWAYS_TO_CLIENT.iter().filter(|it| !names.contains(it));
            let names: Vec<_> = names.iter().chain(always).cloned().collect();
            listed(&names)
        }
    };
    let has_type = headers.iter().any(|(name, _)| *name == CONTENT_TYPE);
    let plain = (!has_type).then(|| (CONTENT_TYPE, HeaderValue::from_static("text/plain")));
    AuthAnswer::Denied(Box::new(DeniedResponse {
        status: *status,
        headers: headers.into_iter().chain(plain).collect(),
        body: Some(String::from_utf8_lossy(body).into_owned()),
    }))
}
