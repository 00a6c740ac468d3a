//! Services that are asked over gRPC (`envoy.service.auth.v3`).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use egret_config::certificate::{AlternativeName, CertificateFacts};
use egret_config::policy::ext_auth::ExtAuth;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, StatusCode, Version};

use super::{
    AuthAnswer, CheckedBody, CheckedRequest, DeniedResponse, RequestChanges, is_forwarded,
};
use crate::policy::envoy::auth::{
    Address, AttributeContext, CheckRequest, CheckResponse, CheckedRequest as RequestAttributes,
    DeniedHttpResponse, HeaderOption, HttpRequest, HttpResponse, OkHttpResponse, Peer,
    SocketAddress, Timestamp,
};
use crate::policy::envoy::settable_name;

/// Tells the service whether it gets only the beginning of the body.
const PARTIAL_BODY: &str = "x-envoy-auth-partial-body";

/// What the service is asked about a request that came at this time.
pub(crate) fn question(
    auth: &ExtAuth,
    request: &CheckedRequest<'_>,
    now: SystemTime,
) -> CheckRequest {
    let client = request.client;
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let certificate = client.certificate.as_deref();
    let attributes = AttributeContext {
        source: Some(Peer {
            principal: certificate.map(principal).unwrap_or_default(),
            ..peer(client.address)
        }),
        destination: Some(peer(client.listener)),
        request: Some(RequestAttributes {
            time: Some(Timestamp {
                seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
                nanos: since.subsec_nanos().cast_signed(),
            }),
            http: Some(http_request(auth, request)),
        }),
        context_extensions: auth.context.clone(),
    };
    CheckRequest {
        attributes: Some(attributes),
    }
}

fn peer(address: SocketAddr) -> Peer {
    Peer {
        address: Some(Address {
            socket_address: Some(SocketAddress {
                address: address.ip().to_string(),
                port_value: address.port().into(),
            }),
        }),
        principal: String::new(),
    }
}

/// Whom a certificate is for: the first URI in it, or else the first DNS name.
fn principal(certificate: &CertificateFacts) -> String {
    let uri = certificate.names.iter().find_map(|name| match name {
        AlternativeName::Uri(uri) => Some(uri),
        _ => None,
    });
    let dns = || {
        certificate.names.iter().find_map(|name| match name {
            AlternativeName::Dns(name) => Some(name),
            _ => None,
        })
    };
    uri.or_else(dns).cloned().unwrap_or_default()
}

fn http_request(auth: &ExtAuth, request: &CheckedRequest<'_>) -> HttpRequest {
    let parts = request.parts;
    let (host, path) = (request.host(), request.path());
    let scheme = path.map(|_| {
        let scheme = request.target.scheme.unwrap_or(request.client.scheme);
        scheme.as_str()
    });
    let mut headers = fields(auth, request);
    let method = parts.method.as_str();
    let pseudo = [
        (":authority", Some(&*host)),
        (":method", Some(method)),
        (":path", path),
        (":scheme", scheme),
    ];
    for (name, value) in pseudo {
        headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }
    if let Some(body) = request.body {
        headers.insert(PARTIAL_BODY.to_owned(), (!body.is_whole).to_string());
    }
    let data = request.body.map_or(&[][..], |body| body.data);
    let as_bytes = auth.body.is_some_and(|body| body.as_bytes);
    let (body, raw_body) = if as_bytes {
        (String::new(), data.to_vec())
    } else {
        (String::from_utf8_lossy(data).into_owned(), Vec::new())
    };
    HttpRequest {
        id: rand::random::<u64>().to_string(),
        method: method.to_owned(),
        headers,
        path: path.unwrap_or_default().to_owned(),
        host,
        scheme: scheme.unwrap_or_default().to_owned(),
        size: size(request),
        protocol: protocol(parts.version).to_owned(),
        body,
        raw_body,
    }
}

/// The fields of the request that the service gets; of those of one name the values with commas between.
fn fields(auth: &ExtAuth, request: &CheckedRequest<'_>) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &request.parts.headers {
        if *name == HOST || !is_forwarded(auth, name) {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        let field = fields.entry(name.as_str().to_owned());
        field
            .and_modify(|known| {
                known.push(',');
                known.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    fields
}

/// The size of the body; -1 if it is not known.
fn size(request: &CheckedRequest<'_>) -> i64 {
    let length = request.parts.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let of_body = |body: CheckedBody<'_>| i64::try_from(body.data.len()).ok();
    let read = request.body.filter(|body| body.is_whole).and_then(of_body);
    let is_chunked = request.parts.headers.contains_key(TRANSFER_ENCODING);
    let unknown = if is_chunked || request.body.is_some() {
        -1
    } else {
        0
    };
    length.or(read).unwrap_or(unknown)
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// What an answer means. An empty one lets the request through, as in Envoy.
pub(crate) fn read(answer: CheckResponse) -> AuthAnswer {
    let code = answer.status.map_or(0, |status| status.code);
    match (code, answer.http_response) {
        (0, response) => {
            let ok = match response {
                Some(HttpResponse::Ok(ok)) => ok,
                Some(HttpResponse::Denied(_)) | None => OkHttpResponse::default(),
            };
            AuthAnswer::Allowed(Box::new(RequestChanges {
                metadata: answer.dynamic_metadata,
                ..changes(ok)
            }))
        }
        (_, Some(HttpResponse::Denied(denied))) => AuthAnswer::Denied(Box::new(response(denied))),
        (_, _) => AuthAnswer::Denied(Box::new(DeniedResponse {
            status: StatusCode::FORBIDDEN,
            headers: Vec::new(),
            body: None,
        })),
    }
}

fn changes(ok: OkHttpResponse) -> RequestChanges {
    let OkHttpResponse {
        headers,
        headers_to_remove,
        response_headers_to_add,
        query_parameters_to_set,
        query_parameters_to_remove,
    } = ok;
    let is_joined = |option: &&HeaderOption| option.append.is_some_and(|append| append.value);
    let (join, set): (Vec<_>, Vec<_>) = headers.iter().partition(is_joined);
    let remove = headers_to_remove.iter();
    let parameters = query_parameters_to_set.into_iter();
    RequestChanges {
        set: fields_of(set).collect(),
        join: fields_of(join).collect(),
        remove: remove.filter_map(|name| settable_name(name)).collect(),
        set_parameters: parameters.map(|it| (it.key, it.value)).collect(),
        remove_parameters: query_parameters_to_remove,
        response: fields_of(&response_headers_to_add).collect(),
        metadata: None,
    }
}

fn response(denied: DeniedHttpResponse) -> DeniedResponse {
    let DeniedHttpResponse {
        status,
        headers,
        body,
    } = denied;
    let code = status.and_then(|status| u16::try_from(status.code).ok());
    let status = code.and_then(|code| StatusCode::from_u16(code).ok());
    DeniedResponse {
        // A response without a status is not one that says anything.
        status: status.unwrap_or(StatusCode::FORBIDDEN),
        headers: fields_of(&headers).collect(),
        body: (status.is_some() || !body.is_empty()).then_some(body),
    }
}

fn fields_of<'a>(
    options: impl IntoIterator<Item = &'a HeaderOption>,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let fields = options.into_iter().filter_map(|it| it.header.as_ref());
    fields.filter_map(|field| field.settable())
}
