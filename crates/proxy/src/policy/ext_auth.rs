//! `extAuth` of a TrafficPolicy: what the service is asked about a request, and what its answer means. Who asks it is
//! elsewhere.

use std::fmt::Display;

use egret_config::policy::ext_auth::{AuthProtocol, ExtAuth};
use egret_config::policy::traffic::TrafficSettings;
use egret_config::resources::ObjectRef;
use http::header::{AUTHORIZATION, HOST, HeaderMap, PROXY_AUTHORIZATION};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::credentials::sources::remove_parameter;
use super::envoy::structure::Struct;
use super::{Admitted, ClientIdentity, ServiceWord};
use crate::message::target::Target;
use crate::refusal::{DenyingField, PolicyDenial, Refusal};
use query::set_parameter;

pub(crate) mod grpc;
pub(crate) mod http_service;
mod query;

/// The body of the response to a request with a body that is too large, which is Envoy's.
const TOO_LARGE: &str = "Payload Too Large";

/// A request that the policies of this process admit, and about which a service has to be asked.
pub(crate) struct Identified<'a> {
    pub(super) admitted: Admitted<'a>,
    pub(super) policy: &'a ObjectRef,
    pub(super) auth: &'a ExtAuth,
}

/// A request as the service is asked about it.
pub(crate) struct CheckedRequest<'r> {
    pub(crate) target: &'r Target,
    pub(crate) parts: &'r Parts,
    pub(crate) client: &'r ClientIdentity,
    /// The beginning of the body, or all of it; `None` if the service does not get it.
    pub(crate) body: Option<CheckedBody<'r>>,
}

/// The body of a request as the service gets it.
#[derive(Clone, Copy)]
pub(crate) struct CheckedBody<'r> {
    pub(crate) data: &'r [u8],
    pub(crate) is_whole: bool,
}

/// What a service says about a request.
#[derive(Debug, PartialEq)]
pub(crate) enum AuthAnswer {
    /// It is let through.
    Allowed(Box<RequestChanges>),
    /// It is refused.
    Denied(Box<DeniedResponse>),
}

/// The response to a request that a service refuses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DeniedResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The body, if the service gives one.
    pub(crate) body: Option<String>,
}

/// What a service changes in a request that it lets through, and adds to the response. The order is Envoy's: set, join,
/// remove.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct RequestChanges {
    pub(crate) set: Vec<(HeaderName, HeaderValue)>,
    /// What is put after a comma at the end of the field that there is.
    pub(crate) join: Vec<(HeaderName, HeaderValue)>,
    pub(crate) remove: Vec<HeaderName>,
    pub(crate) set_parameters: Vec<(String, String)>,
    pub(crate) remove_parameters: Vec<String>,
    pub(crate) response: Vec<(HeaderName, HeaderValue)>,
    /// What the service says of the request to those that are asked later.
    pub(crate) metadata: Option<Struct>,
}

/// A request that the service lets through.
pub(crate) struct Authorized<'a> {
    pub(crate) admitted: Admitted<'a>,
    /// What the service adds to the response.
    pub(crate) response: Vec<(HeaderName, HeaderValue)>,
}

impl<'a> Identified<'a> {
    /// How the service is asked.
    pub(crate) fn auth(&self) -> &'a ExtAuth {
        self.auth
    }

    /// The policies of the rule.
    pub(crate) fn policies(&self) -> &'a TrafficSettings {
        self.admitted.policies
    }

    /// Goes on with the answer of the service, whose changes are made to the request.
    ///
    /// # Errors
    /// [`Refusal::Denied`] if the service refuses the request, or if there is no answer and requests are not let through
    /// without one.
    pub(crate) fn answered(
        mut self,
        answer: Result<AuthAnswer, impl Display>,
        parts: &mut Parts,
    ) -> Result<Authorized<'a>, Refusal> {
        let changes = match answer {
            Ok(AuthAnswer::Allowed(changes)) => *changes,
            Ok(AuthAnswer::Denied(response)) => return Err(self.denied(*response, &parts.method)),
            Err(_) if self.auth.fails_open => RequestChanges::default(),
            Err(error) => return Err(self.unanswered(&error, &parts.method)),
        };
        changes.apply(parts);
        let RequestChanges {
            set,
            join,
            response,
            metadata,
            ..
        } = changes;
        let names = set.iter().map(|(name, _)| name);
        self.admitted.sender.grant(names, &parts.headers);
        self.admitted.sender.word = Some(Box::new(ServiceWord {
            joined: join.into_iter().map(|(name, _)| name).collect(),
            metadata,
        }));
        Ok(Authorized {
            admitted: self.admitted,
            response,
        })
    }

    /// The refusal of a request of which nothing can be asked, because it cannot be read.
    pub(crate) fn unreadable(&self) -> Refusal {
        self.unanswered(&"requests cannot be read here", &Method::CONNECT)
    }

    /// The refusal of a request whose body is larger than the service takes.
    pub(crate) fn too_large(&self) -> Refusal {
        let Self { policy, .. } = self;
        Refusal::Denied(Box::new(PolicyDenial {
            policy: (*policy).clone(),
            by: DenyingField::Buffer,
            rule: None,
            status: StatusCode::PAYLOAD_TOO_LARGE,
            details: format!("the body has more bytes than withRequestBody of {policy} allows"),
            body: Some(TOO_LARGE.into()),
            headers: Vec::new(),
        }))
    }

    fn denied(&self, response: DeniedResponse, method: &Method) -> Refusal {
        let DeniedResponse {
            status,
            headers,
            body,
        } = response;
        let Self { policy, .. } = self;
        Refusal::Denied(Box::new(PolicyDenial {
            policy: (*policy).clone(),
            by: DenyingField::ExtAuth,
            rule: None,
            status: final_status(status, method),
            details: format!("extAuth of {policy}: the service refuses the request"),
            body: body.map(Into::into),
            headers,
        }))
    }

    fn unanswered(&self, error: &dyn Display, method: &Method) -> Refusal {
        let Self { policy, auth, .. } = self;
        Refusal::Denied(Box::new(PolicyDenial {
            policy: (*policy).clone(),
            by: DenyingField::ExtAuthService,
            rule: None,
            status: final_status(auth.status_on_error, method),
            details: format!("extAuth of {policy}: {error}"),
            body: None,
            headers: Vec::new(),
        }))
    }
}

/// The refusal of a request to which a redirect led, and about which the service of this policy was not asked.
pub(super) fn unasked(policy: &ObjectRef) -> Refusal {
    Refusal::Denied(Box::new(PolicyDenial {
        policy: policy.clone(),
        by: DenyingField::ExtAuth,
        rule: None,
        status: StatusCode::FORBIDDEN,
        details: format!("extAuth of {policy}: the service is not asked about redirects"),
        body: None,
        headers: Vec::new(),
    }))
}

/// The status of a refusal. A success would be consent to a tunnel, and what is not final ends no request.
fn final_status(status: StatusCode, method: &Method) -> StatusCode {
    let is_consent = status.is_success() && *method == Method::CONNECT;
    if is_consent || status.is_informational() {
        StatusCode::FORBIDDEN
    } else {
        status
    }
}

impl RequestChanges {
    fn apply(&self, parts: &mut Parts) {
        let headers = &mut parts.headers;
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.join {
            let joined = joined(headers, name, value);
            headers.insert(name, joined.unwrap_or_else(|| value.clone()));
        }
        for name in &self.remove {
            headers.remove(name);
        }
        for name in &self.remove_parameters {
            remove_parameter(name, &mut parts.uri);
        }
        for (name, value) in &self.set_parameters {
            set_parameter(name, value, &mut parts.uri);
        }
    }
}

/// The fields of a name and a further one in one field.
fn joined(headers: &HeaderMap, name: &HeaderName, value: &HeaderValue) -> Option<HeaderValue> {
    let known = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let all: Vec<_> = known.chain([value.as_bytes()]).collect();
    HeaderValue::from_bytes(&all.join(&b","[..])).ok()
}

impl CheckedRequest<'_> {
    /// The host and port that the request names.
    fn host(&self) -> String {
        let field = self.parts.headers.get(HOST);
        let field = field.and_then(|field| field.to_str().ok());
        field.map_or_else(|| self.target.host.to_string(), str::to_owned)
    }

    /// The path with its query; `None` in a CONNECT.
    fn path(&self) -> Option<&str> {
        if self.target.is_tunnel() {
            return None;
        }
        let path = self.parts.uri.path_and_query();
        Some(path.map_or("/", |path| path.as_str()))
    }
}

/// Whether the service gets a field of the request.
fn is_forwarded(auth: &ExtAuth, name: &HeaderName) -> bool {
    match (&auth.protocol, auth.forwarded.as_slice()) {
        // Credentials for the proxy are for nobody else, unless it is said.
        (AuthProtocol::Grpc, []) => *name != PROXY_AUTHORIZATION,
        (AuthProtocol::Grpc, names) => names.contains(name),
        (AuthProtocol::Http(_), names) => *name == AUTHORIZATION || names.contains(name),
    }
}

#[cfg(test)]
mod tests;
