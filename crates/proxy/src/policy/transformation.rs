//! `transformation` of a TrafficPolicy: what templates see of a message, and what becomes of what they make.

use std::env;
use std::sync::Arc;

use bytes::Bytes;
use egret_config::policy::traffic::{PolicySetting, TrafficSettings};
use egret_config::policy::transformation::{
    BodyReading, FieldChanges, MessageInput, MessageTemplates, PseudoField, RenderFault,
    RenderedMessage, TemplateFields,
};
use egret_config::resources::ObjectRef;
use egret_config::snapshot::Scheme;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, IF_RANGE, RANGE,
    TRAILER, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::message::content;
use crate::refusal::{DenyingField, PolicyDenial, Refusal};

/// The most bytes of a body that templates read, where no `buffer` says otherwise.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// The variables of the environment that templates read. Others could be secrets.
const VARIABLES: [&str; 5] = [
    "POD_NAME",
    "POD_NAMESPACE",
    "POD_IP",
    "NODE_NAME",
    "HOSTNAME",
];

/// What templates make of the head of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct TransformedHead {
    pub(super) fields: FieldChanges,
    pub(super) method: Option<Method>,
    pub(super) path: Option<PathAndQuery>,
}

/// The templates for the messages of one direction, and the policy that has them.
#[derive(Clone)]
pub(crate) struct PolicyTemplates {
    pub(crate) policy: ObjectRef,
    pub(crate) templates: Arc<MessageTemplates>,
}

/// How the response to a request is transformed.
pub(crate) struct ResponseTransformation {
    pub(crate) by: PolicyTemplates,
    /// The fields of the request.
    pub(crate) request: Arc<TemplateFields>,
}

/// The templates for requests; `None` if there are none.
pub(crate) fn of_requests(policies: &TrafficSettings) -> Option<PolicyTemplates> {
    let PolicySetting::Set(policy, transformation) = &policies.transformation else {
        return None;
    };
    Some(PolicyTemplates {
        policy: policy.clone(),
        templates: Arc::clone(transformation.request.as_ref()?),
    })
}

/// The templates for responses; `None` if there are none.
pub(crate) fn of_responses(policies: &TrafficSettings) -> Option<PolicyTemplates> {
    let PolicySetting::Set(policy, transformation) = &policies.transformation else {
        return None;
    };
    Some(PolicyTemplates {
        policy: policy.clone(),
        templates: Arc::clone(transformation.response.as_ref()?),
    })
}

/// Whether there are templates for responses.
pub(crate) fn changes_responses(policies: &TrafficSettings) -> bool {
    let transformation = policies.transformation.value();
    transformation.is_some_and(|transformation| transformation.response.is_some())
}

/// The fields of a request, as templates see it.
pub(crate) fn request_fields(parts: &Parts, scheme: Scheme) -> TemplateFields {
    let text = |value: Option<&HeaderValue>| {
        let value = value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        value.unwrap_or_default()
    };
    TemplateFields {
        pseudo: vec![
            (":method", parts.method.to_string()),
            (":path", path_of(parts).to_owned()),
            (":authority", text(parts.headers.get(HOST))),
            (":scheme", scheme.as_str().to_owned()),
        ],
        headers: parts.headers.clone(),
    }
}

fn path_of(parts: &Parts) -> &str {
    parts.uri.path_and_query().map_or("/", PathAndQuery::as_str)
}

/// The fields of a response.
pub(crate) fn response_fields(status: StatusCode, headers: &HeaderMap) -> TemplateFields {
    TemplateFields {
        pseudo: vec![(":status", status.as_str().to_owned())],
        headers: headers.clone(),
    }
}

/// A variable of the environment that templates may read. A pod has its name for its host's name.
fn variable(name: &str) -> Option<String> {
    if !VARIABLES.contains(&name) {
        return None;
    }
    let fallback = || (name == "POD_NAME").then(|| env::var("HOSTNAME").ok());
    env::var(name).ok().or_else(|| fallback().flatten())
}

/// Asks for a response that templates can read: whole, and not compressed.
pub(super) fn edit_request(policies: &TrafficSettings, headers: &mut HeaderMap) {
    let Some(transformation) = policies.transformation.value() else {
        return;
    };
    let response = transformation.response.as_ref();
    if response.is_some_and(|templates| templates.reading() != BodyReading::Unread) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.remove(RANGE);
        headers.remove(IF_RANGE);
    }
}

/// What the templates for requests make of the target of one whose body is not known. `None` if they leave it alone, and an
/// error if they need the body.
pub(crate) fn target_without_body(
    policies: &TrafficSettings,
    parts: &Parts,
    scheme: Scheme,
) -> Option<Result<Result<TransformedHead, Refusal>, ObjectRef>> {
    let by = of_requests(policies).filter(|by| by.templates.makes_target())?;
    if by.templates.reading() != BodyReading::Unread {
        return Some(Err(by.policy));
    }
    let fields = Arc::new(request_fields(parts, scheme));
    let rendered = by.render(&fields, &fields, None);
    Some(Ok(rendered
        .map_err(|fault| by.refuses_request(&fault))
        .and_then(|rendered| {
            TransformedHead::new(rendered.fields, &rendered.pseudo, parts, false)
        })))
}

impl PolicyTemplates {
    /// Renders the templates for a message.
    pub(crate) fn render(
        &self,
        fields: &Arc<TemplateFields>,
        request: &Arc<TemplateFields>,
        body: Option<&Bytes>,
    ) -> Result<RenderedMessage, RenderFault> {
        self.templates.render(MessageInput {
            fields: Arc::clone(fields),
            request: Arc::clone(request),
            body: body.map(|body| &**body),
            variable,
        })
    }

    /// The refusal of a request of which the templates make nothing.
    pub(crate) fn refuses_request(&self, fault: &RenderFault) -> Refusal {
        let by = DenyingField::Transformation;
        self.denies(by, StatusCode::BAD_REQUEST, fault.to_string())
    }

    /// The refusal of a request whose body is too large.
    pub(crate) fn request_too_large(&self, most: usize) -> Refusal {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        let details = format!("the body has more than {most} bytes");
        self.denies(DenyingField::Buffer, status, details)
    }

    /// The refusal in place of a response of which the templates make nothing.
    pub(crate) fn refuses_response(&self, fault: &RenderFault) -> Refusal {
        let status = match fault {
            RenderFault::NotJson | RenderFault::NoJson { .. } => StatusCode::BAD_REQUEST,
            RenderFault::Body(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let details = format!("of the response, {fault}");
        self.denies(DenyingField::ResponseTransformation, status, details)
    }

    /// The refusal in place of a response that cannot be transformed for another reason.
    pub(crate) fn refuses_response_for(&self, why: &str) -> Refusal {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let by = DenyingField::ResponseTransformation;
        self.denies(by, status, format!("of the response, {why}"))
    }

    fn denies(&self, by: DenyingField, status: StatusCode, details: String) -> Refusal {
        let policy = &self.policy;
        Refusal::Denied(Box::new(PolicyDenial {
            policy: policy.clone(),
            by,
            rule: None,
            status,
            details: format!("transformation of {policy}: {details}"),
            body: None,
            headers: Vec::new(),
        }))
    }
}

impl TransformedHead {
    /// Reads what templates made of the head of a request.
    ///
    /// # Errors
    /// [`Refusal::Framing`] for a method or a path that is none, and for another method where the method decides what
    /// follows the response's head.
    pub(crate) fn new(
        fields: FieldChanges,
        pseudo: &[(PseudoField, String)],
        parts: &Parts,
        is_upgrade: bool,
    ) -> Result<Self, Refusal> {
        let mut head = Self {
            fields,
            ..Self::default()
        };
        for (field, text) in pseudo {
            match field {
                PseudoField::Method if text != parts.method.as_str() => {
                    head.method = Some(other_method(text, &parts.method, is_upgrade)?);
                }
                PseudoField::Path if text != path_of(parts) => head.path = Some(other_path(text)?),
                PseudoField::Method | PseudoField::Path | PseudoField::Status => {}
            }
        }
        Ok(head)
    }

    /// This head, with the method and the path of an earlier one where it has none of its own.
    pub(super) fn with_target_of(self, earlier: &Self) -> Self {
        Self {
            fields: self.fields,
            method: self.method.or_else(|| earlier.method.clone()),
            path: self.path.or_else(|| earlier.path.clone()),
        }
    }

    /// Whether the request says another method or path.
    pub(super) const fn changes_target(&self) -> bool {
        self.method.is_some() || self.path.is_some()
    }
}

fn other_method(text: &str, method: &Method, is_upgrade: bool) -> Result<Method, Refusal> {
    let other = Method::from_bytes(text.as_bytes())
        .map_err(|_| Refusal::Framing("the transformed method is not a method"))?;
    let decides_framing = |method: &Method| [Method::HEAD, Method::CONNECT].contains(method);
    if is_upgrade || decides_framing(method) || decides_framing(&other) {
        return Err(Refusal::Framing(
            "no transformation makes or changes HEAD, CONNECT, or an upgrade",
        ));
    }
    Ok(other)
}

fn other_path(text: &str) -> Result<PathAndQuery, Refusal> {
    let path = PathAndQuery::try_from(text).ok();
    let path = path.filter(|path| path.as_str().starts_with('/') && path.as_str() == text);
    path.ok_or(Refusal::Framing("the transformed path is not a path"))
}

/// Says in the head of a message that its body is another one, of this many bytes.
pub(crate) fn describe_body(headers: &mut HeaderMap, length: usize) {
    for name in [CONTENT_ENCODING, ETAG, TRAILER, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    content::forget_bytes(headers);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if length == 0 {
        headers.remove(CONTENT_TYPE);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(pseudo: &[(PseudoField, &str)], method: &str) -> Result<TransformedHead, Refusal> {
        let request = Request::builder().method(method).uri("/a?b=1");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let pseudo: Vec<_> = pseudo
            .iter()
            .map(|(field, text)| (*field, (*text).to_owned()))
            .collect();
        TransformedHead::new(FieldChanges::default(), &pseudo, &parts, false)
    }

    #[test]
    fn a_target_is_only_changed_to_what_can_be_sent() {
        use PseudoField::{Method, Path};
        let same = head(&[(Method, "GET"), (Path, "/a?b=1")], "GET").unwrap();
        assert!(!same.changes_target());
        let other = head(&[(Method, "PURGE"), (Path, "/c?d")], "GET").unwrap();
        assert_eq!(other.method.unwrap().as_str(), "PURGE");
        assert_eq!(other.path.unwrap().as_str(), "/c?d");
        for (field, text, method) in [
            (Method, "", "GET"),
            (Method, "NO METHOD", "GET"),
            (Method, "HEAD", "GET"),
            (Method, "CONNECT", "GET"),
            (Method, "GET", "HEAD"),
            (Path, "a", "GET"),
            (Path, "/a b", "GET"),
            (Path, "/a#b", "GET"),
            (Path, "*", "GET"),
            (Path, "http://b.example/", "GET"),
            (Path, "/a\r\nx: y", "GET"),
        ] {
            assert!(head(&[(field, text)], method).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_variables_that_name_the_process_are_read() {
        assert_eq!(variable("PATH"), None);
        assert_eq!(variable("POD_UNSET"), None);
    }
}
