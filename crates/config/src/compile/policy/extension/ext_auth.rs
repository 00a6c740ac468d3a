//! Compiles `extAuth` of a GatewayExtension.

use std::collections::BTreeMap;
use std::time::Duration;

use egret_api::kgateway::{
    AuthRequestBody, AuthorizationRequest, AuthorizationResponse, ExtAuthExtension,
    HttpAuthServiceSpec,
};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, StatusCode};

use super::super::service::read_retry;
use super::ServiceReader;
use crate::compile::header::{HeaderNameError, header_name, header_value};
use crate::compile::value::{MAX_NUMBER, ONE_MILLISECOND, SpecFields};
use crate::policy::ext_auth::{AuthBody, AuthProtocol, ExtAuth, HttpAuth};
use crate::policy::service::CalledService;

/// The longest time for an answer over gRPC, which is Envoy's.
const GRPC_TIMEOUT: Duration = Duration::from_millis(200);
/// The longest time for an answer over HTTP, which is kgateway's.
const HTTP_TIMEOUT: Duration = Duration::from_secs(2);

impl ServiceReader<'_> {
    /// The service and what it is asked; `None` if there are faults.
    pub(super) fn ext_auth(
        &mut self,
        spec: &ExtAuthExtension,
        fields: &mut SpecFields<'_>,
    ) -> Option<ExtAuth> {
        let ExtAuthExtension {
            grpc_service,
            http_service,
            fail_open,
            clear_route_cache: _,
            with_request_body,
            status_on_error,
            headers_to_forward,
            stat_prefix: _,
        } = spec;
        // No other status ends a request.
        let status = fields.number("statusOnError", *status_on_error, &(200..=511_u16));
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let body = with_request_body.as_ref();
        let body = body.and_then(|body| read_body(body, &mut fields.nested("withRequestBody")));
        let forwarded = headers_to_forward.as_deref().unwrap_or_default();
        let forwarded = names(forwarded, "headersToForward", fields);
        let (service, protocol) = match (grpc_service, http_service) {
            (Some(grpc), None) => {
                let mut inner = fields.nested("grpcService");
                let field = "spec.extAuth.grpcService";
                let service = self.grpc_service(grpc, &mut inner, field, GRPC_TIMEOUT)?;
                (service, AuthProtocol::Grpc)
            }
            (None, Some(http)) => {
                let (service, http) = self.http_service(http, &mut fields.nested("httpService"))?;
                (service, AuthProtocol::Http(http))
            }
            _ => {
                let message = "exactly one of the fields in [grpcService httpService] must be set";
                fields.struct_fault(message);
                return None;
            }
        };
        Some(ExtAuth {
            service,
            protocol,
            fails_open: fail_open.unwrap_or_default(),
            status_on_error: status.unwrap_or(StatusCode::FORBIDDEN),
            forwarded,
            body,
            context: BTreeMap::new(),
        })
    }

    fn http_service(
        &mut self,
        spec: &HttpAuthServiceSpec,
        fields: &mut SpecFields<'_>,
    ) -> Option<(CalledService, HttpAuth)> {
        let HttpAuthServiceSpec {
            backend_ref,
            path_prefix,
            request_timeout,
            retry,
            authorization_request,
            authorization_response,
        } = spec;
        let timeout = fields.time(
            "requestTimeout",
            request_timeout.as_deref(),
            ONE_MILLISECOND,
        );
        let (retries, back_off) = read_retry(retry.as_ref(), &mut fields.nested("retry"));
        let path_prefix = path_prefix.clone().unwrap_or_default();
        let is_path = path_prefix.is_empty()
            || path_prefix.starts_with('/')
                && !path_prefix.contains(['?', '#'])
                && path_prefix.parse::<PathAndQuery>().is_ok();
        if !is_path {
            fields.fault("pathPrefix", "not a path: write /path");
        }
        let mut inner = fields.nested("authorizationRequest");
        let adds = match authorization_request {
            Some(AuthorizationRequest { headers_to_add }) => pairs(headers_to_add, &mut inner),
            None => Vec::new(),
        };
        let of_answer = authorization_response.clone().unwrap_or_default();
        let AuthorizationResponse {
            headers_to_backend,
            headers_to_client,
            headers_to_client_on_success,
        } = of_answer;
        let mut inner = fields.nested("authorizationResponse");
        let http = HttpAuth {
            // The path of the request has a slash of its own.
            path_prefix: path_prefix.trim_end_matches('/').to_owned(),
            adds,
            to_upstream: names(&headers_to_backend, "headersToBackend", &mut inner),
            to_client: names(&headers_to_client, "headersToClient", &mut inner),
            to_client_on_success: names(
                &headers_to_client_on_success,
                "headersToClientOnSuccess",
                &mut inner,
            ),
        };
        let service = self.service(backend_ref, "spec.extAuth.httpService", None);
        let id = service.map_err(|fault| fields.referent_fault("backendRef", fault));
        let id = id.ok()?;
        let service = CalledService {
            authority: self.authority(&id),
            id,
            timeout: timeout.unwrap_or(HTTP_TIMEOUT),
            retries,
            back_off,
        };
        Some((service, http))
    }
}

/// How much of a body a service gets; `None` if there are faults.
pub(in crate::compile::policy) fn read_body(
    spec: &AuthRequestBody,
    fields: &mut SpecFields<'_>,
) -> Option<AuthBody> {
    let AuthRequestBody {
        max_request_bytes,
        allow_partial_message,
        pack_as_bytes,
    } = spec;
    let most = fields.number(
        "maxRequestBytes",
        Some(*max_request_bytes),
        &(1..=MAX_NUMBER),
    );
    Some(AuthBody {
        most: most?,
        allows_partial: allow_partial_message.unwrap_or_default(),
        as_bytes: pack_as_bytes.unwrap_or_default(),
    })
}

/// The names of headers. Those that every question or answer has of its own are left out.
fn names(texts: &[String], field: &str, fields: &mut SpecFields<'_>) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for text in texts {
        match header_name(text) {
            Ok(name) => names.push(name),
            Err(HeaderNameError::Protected) => {}
            Err(error) => fields.fault(field, format!("{text}: {}", error.message())),
        }
    }
    names
}

fn pairs(
    given: &BTreeMap<String, String>,
    fields: &mut SpecFields<'_>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut pairs = Vec::new();
    for (name, value) in given {
        let read = header_name(name).map_err(HeaderNameError::message);
        let read = read.and_then(|name| Ok((name, header_value(value.as_bytes())?)));
        match read {
            Ok(_) if value.contains('%') => {
                let message = format!("{name}: format commands (%...%) are not supported");
                fields.fault("headersToAdd", message);
            }
            Ok(pair) => pairs.push(pair),
            Err(message) => fields.fault("headersToAdd", format!("{name}: {message}")),
        }
    }
    pairs
}
