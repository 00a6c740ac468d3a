//! Changes requests and responses by the templates of `transformation` of a TrafficPolicy.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use egret_config::policy::traffic::TrafficSettings;
use egret_config::policy::transformation::{BodyReading, PseudoField};
use egret_config::snapshot::Scheme;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body::Body as _;

use super::buffer;
use crate::body::{ResponseBody, UnreadBody};
use crate::exchange::Exchange;
use crate::message::response_head::has_no_content;
use crate::policy::Cleared;
use crate::policy::transformation::{
    self, MAX_BODY, PolicyTemplates, ResponseTransformation, TransformedHead,
};
use crate::refusal::Refusal;
use crate::upstream::{RequestBody, WholeBodyFault};

/// What of a response templates may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseScope {
    All,
    /// It has no body whatever its head says.
    Head,
    /// It says more than HTTP does: a tunnel begins, or the status of gRPC is in its fields.
    Fields,
}

impl ResponseScope {
    /// What of the response to a request of this method; `is_special` if it may begin a tunnel, or is one of gRPC.
    pub(super) fn of(method: &Method, is_special: bool) -> Self {
        match *method {
            Method::CONNECT => Self::Fields,
            _ if is_special => Self::Fields,
            Method::HEAD => Self::Head,
            _ => Self::All,
        }
    }
}

/// A request that is transformed.
pub(super) struct TransformedRequest<'a> {
    pub(super) parts: &'a mut Parts,
    pub(super) body: &'a mut RequestBody,
    pub(super) scheme: Scheme,
    pub(super) is_upgrade: bool,
}

/// Keeps what the templates for responses will ask for of a request. Without such templates it costs nothing else.
pub(super) fn keep(policies: &TrafficSettings, parts: &Parts, scheme: Scheme, exchange: &Exchange) {
    if transformation::changes_responses(policies) {
        let fields = transformation::request_fields(parts, scheme);
        exchange.keeps_fields(Arc::new(fields));
        // The changes are made to the final head alone, which an interim one would escape.
        exchange.takes_no_interim();
    }
}

/// Transforms a request as the policies of its rule say. `None` if they say nothing, which costs nothing else.
///
/// The error is [`Refusal::Denied`] if the templates make nothing of the request or its body is too large, what the egress
/// policies say about another method and path, and [`Refusal::RequestBody`] if the client does not send all of the body.
pub(super) fn request<'a>(
    policies: &'a TrafficSettings,
    request: TransformedRequest<'a>,
    cleared: &'a mut Cleared<'_>,
    exchange: &'a Exchange,
) -> Option<impl Future<Output = Result<(), Refusal>> + 'a> {
    let by = transformation::of_requests(policies)?;
    Some(async move {
        let head = request.transform(policies, &by, exchange).await?;
        if let Some(decision) = cleared.transform(Rc::new(head))? {
            exchange.cleared(&decision);
        }
        Ok(())
    })
}

impl TransformedRequest<'_> {
    async fn transform(
        self,
        policies: &TrafficSettings,
        by: &PolicyTemplates,
        exchange: &Exchange,
    ) -> Result<TransformedHead, Refusal> {
        let Self {
            parts,
            body,
            scheme,
            is_upgrade,
        } = self;
        let fields = Arc::new(transformation::request_fields(parts, scheme));
        if transformation::changes_responses(policies) {
            exchange.keeps_fields(Arc::clone(&fields));
        }
        let is_read = by.templates.reading() != BodyReading::Unread && !is_upgrade;
        let data = match is_read {
            true => Some(read(policies, by, body).await?),
            false => None,
        };
        let rendered = by.render(&fields, &fields, data.as_ref());
        let rendered = rendered.map_err(|fault| by.refuses_request(&fault))?;
        let head = TransformedHead::new(rendered.fields, &rendered.pseudo, parts, is_upgrade)?;
        if let Some(text) = rendered.body.filter(|_| is_read) {
            let had_body = !body.is_end_stream();
            body.replace(Bytes::from(text));
            let length = body.size_hint().exact().unwrap_or_default();
            if had_body || length > 0 {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                transformation::describe_body(&mut parts.headers, length);
            }
        }
        Ok(head)
    }
}

/// Reads the body of a request.
async fn read(
    policies: &TrafficSettings,
    by: &PolicyTemplates,
    body: &mut RequestBody,
) -> Result<Bytes, Refusal> {
    let most = buffer::most(policies);
    let read = body.read_whole(most).await;
    read.map_err(|fault| match fault {
        WholeBodyFault::TooLarge => by.request_too_large(most),
        WholeBodyFault::Incomplete => Refusal::RequestBody,
    })?;
    Ok(body.buffered())
}

/// How the response to a request that was answered is transformed, if the policies of its rule say so.
pub(super) fn of_response(
    policies: &TrafficSettings,
    exchange: &Exchange,
) -> Option<ResponseTransformation> {
    transformation::changes_responses(policies)
        .then(|| exchange.response_transformation())
        .flatten()
}

/// Transforms a response.
///
/// # Errors
/// [`Refusal::Denied`] if the templates make nothing of it or its body is too large, and why its body cannot be read.
pub(super) async fn response(
    ResponseTransformation { by, request }: ResponseTransformation,
    response: Response<ResponseBody>,
    scope: ResponseScope,
    exchange: &Rc<Exchange>,
) -> Result<Response<ResponseBody>, Refusal> {
    let (mut head, mut body) = response.into_parts();
    let came = head.status;
    let scope = match came {
        StatusCode::SWITCHING_PROTOCOLS => ResponseScope::Fields,
        _ => scope,
    };
    let has_body = scope == ResponseScope::All && !has_no_content(came);
    let data = match by.templates.reading() != BodyReading::Unread && has_body {
        true => Some(read_response(&by, &mut body).await?),
        false => None,
    };
    let fields = Arc::new(transformation::response_fields(came, &head.headers));
    let rendered = by.render(&fields, &request, data.as_ref());
    let rendered = rendered.map_err(|fault| by.refuses_response(&fault))?;
    if scope != ResponseScope::Fields {
        for (_, text) in rendered.pseudo.iter().filter(is_status) {
            head.status = status(text)
                .ok_or_else(|| by.refuses_response_for(":status is not one of 200 to 599"))?;
        }
    }
    if has_no_content(came) != has_no_content(head.status) {
        body = ResponseBody::text(Bytes::new(), Rc::clone(exchange));
        head.headers.remove(CONTENT_LENGTH);
        head.headers.remove(TRANSFER_ENCODING);
    } else if let Some(text) = rendered.body.filter(|_| has_body) {
        transformation::describe_body(&mut head.headers, text.len());
        body.replace(Bytes::from(text));
    } else if scope == ResponseScope::Head && by.templates.makes_body() {
        // The length of what a GET would get is not known.
        head.headers.remove(CONTENT_LENGTH);
    }
    rendered.fields.apply(&mut head.headers);
    Ok(Response::from_parts(head, body))
}

fn is_status((field, _): &&(PseudoField, String)) -> bool {
    *field == PseudoField::Status
}

/// A status that ends an exchange.
pub(super) fn status(text: &str) -> Option<StatusCode> {
    let number: u16 = text.trim().parse().ok()?;
    let status = StatusCode::from_u16(number).ok()?;
    (200..=599).contains(&number).then_some(status)
}

/// Reads the body of a response.
async fn read_response(by: &PolicyTemplates, body: &mut ResponseBody) -> Result<Bytes, Refusal> {
    let read = body.read_whole(MAX_BODY).await;
    read.map_err(|fault| match fault {
        UnreadBody::TooLarge => {
            by.refuses_response_for(&format!("the body has more than {MAX_BODY} bytes"))
        }
        UnreadBody::BrokenOff => Refusal::Terminated,
        UnreadBody::Timeout => Refusal::ResponseTimeout,
    })
}
