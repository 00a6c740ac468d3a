//! The responses that the gateway makes itself, as the mappers of a listener want them to be: the order of changes, and what
//! becomes of `Content-Type`, are Envoy's.

use bytes::Bytes;
use egret_config::access_log::LogInputs;
use egret_config::snapshot::{BodyFormat, LocalReplies, ReplyFormat};
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use hyper::ext::ReasonPhrase;

use super::access_log::{LineFacts, admits, format_line};
use crate::record::Record;

/// The type of a body that no format makes.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");

/// The response that takes the place of another. `record` is what is known when it is sent.
pub(crate) fn mapped(
    replies: &LocalReplies,
    mut record: Record<'_>,
    response: Response<Bytes>,
) -> Response<Bytes> {
    let inputs = &replies.inputs;
    let (mut parts, body) = response.into_parts();
    let said = parts.headers.get(CONTENT_TYPE).cloned();
    let lot = |bound| rand::random_range(0..bound);
    let facts = LineFacts {
        record: &record,
        inputs,
    };
    let mut mappers = replies.mappers.iter();
    let mapper = mappers.find(|mapper| admits(&mapper.filter, facts, &lot));
    let mut text = body.clone();
    if let Some(mapper) = mapper {
        if let Some(body) = &mapper.body {
            text = Bytes::copy_from_slice(body.as_bytes());
        }
        mapper.headers.apply(&mut parts.headers);
        if let Some(status) = mapper.status
            && status != parts.status
        {
            parts.status = status;
            record.status = Some(status);
            // It says the other status.
            parts.extensions.remove::<ReasonPhrase>();
        }
    }
    let of_mapper = mapper.and_then(|mapper| mapper.format.as_ref());
    let format = of_mapper.or(replies.format.as_ref());
    let made = match format {
        None => text,
        Some(format) => made_of(format, inputs, record, &text),
    };
    let is_other_type = parts.headers.get(CONTENT_TYPE) != said.as_ref();
    if made.is_empty() {
        parts.headers.remove(CONTENT_TYPE);
    } else if !is_other_type && (said.is_none() || made != body) {
        let wanted = format.map_or(TEXT, |format| format.content_type.clone());
        parts.headers.insert(CONTENT_TYPE, wanted);
    }
    Response::from_parts(parts, made)
}

/// A response with the body that a format makes. `record` is what is known when it is sent.
pub(crate) fn formatted(
    format: &ReplyFormat,
    record: Record<'_>,
    response: Response<Bytes>,
) -> Response<Bytes> {
    let (mut parts, body) = response.into_parts();
    let made = made_of(&format.body, &format.inputs, record, &body);
    if made.is_empty() {
        parts.headers.remove(CONTENT_TYPE);
    } else {
        let wanted = format.body.content_type.clone();
        parts.headers.insert(CONTENT_TYPE, wanted);
    }
    Response::from_parts(parts, made)
}

/// The body that a format makes, which may tell the body that there was.
fn made_of(format: &BodyFormat, inputs: &LogInputs, record: Record<'_>, body: &[u8]) -> Bytes {
    // It lives as long as what it now refers to.
    let mut told = record;
    told.facts.local_reply_body = Some(body);
    let facts = LineFacts {
        record: &told,
        inputs,
    };
    let mut made = Vec::new();
    format_line(&format.format, facts, &mut made);
    Bytes::from(made)
}

#[cfg(test)]
mod tests;
