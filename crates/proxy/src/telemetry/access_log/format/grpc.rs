//! The status of gRPC calls.

use egret_config::access_log::GrpcStatusForm;
use http::header::CONTENT_TYPE;
use http::{HeaderName, StatusCode};

use super::LineFacts;
use super::value::{number, push};
use crate::record::kept;

/// Unknown (2)
const UNKNOWN: i64 = 2;

/// The names of the statuses, in their order.
const NAMES: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

/// Writes the status of a gRPC call; other requests have none.
pub(super) fn write(form: GrpcStatusForm, facts: LineFacts<'_>, out: &mut Vec<u8>) -> Option<()> {
    let messages = facts.record.facts.messages?;
    let kind = kept(
        &facts.inputs.request_headers,
        &messages.request,
        &CONTENT_TYPE,
    )?;
    if !is_grpc(kind.as_bytes()) {
        return None;
    }
    facts.record.status?;
    let status = status(facts);
    let name = usize::try_from(status)
        .ok()
        .and_then(|index| NAMES.get(index));
    match (form, name) {
        (GrpcStatusForm::Camel, Some((camel, _))) => push(camel.as_bytes(), out),
        (GrpcStatusForm::Snake, Some((_, snake))) => push(snake.as_bytes(), out),
        _ => number(status, out),
    }
}

fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The status that the trailers say, else the head, else what the status of HTTP means.
pub(in super::super) fn status(facts: LineFacts<'_>) -> i64 {
    let record = facts.record;
    let name = HeaderName::from_static("grpc-status");
    let said = record.facts.messages.and_then(|messages| {
        let trailer = kept(&facts.inputs.response_trailers, &messages.trailers, &name);
        trailer.or_else(|| kept(&facts.inputs.response_headers, &messages.response, &name))
    });
    match said {
        Some(said) => {
            let number = said.to_str().ok().and_then(|text| text.parse().ok());
            number.map_or(-1, |number: u32| i64::from(number))
        }
        None => record.status.map_or(UNKNOWN, of_http),
    }
}

/// What a status of HTTP means to gRPC.
const fn of_http(status: StatusCode) -> i64 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => UNKNOWN,
    }
}
