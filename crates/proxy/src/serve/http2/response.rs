//! The heads of responses on HTTP/2 streams.

use http::Response;
use http::header::{CONTENT_LENGTH, DATE, HeaderValue};
use http_body::Body as _;

use super::date;
use crate::body::ResponseBody;
use crate::message::response_head::has_no_content;

/// Completes the head of a response as a server has to: with a date, and with the length if it is known. Drops the body of a
/// response that must not have one (RFC 9110 6.4.1); that of an upstream's response is empty in these cases.
pub(super) fn complete(response: &mut Response<ResponseBody>, is_head: bool) {
    let has_none = has_no_content(response.status());
    if is_head || has_none {
        if let Some(text) = response.body_mut().take_text().filter(|_| !has_none) {
            let length = HeaderValue::from(text.len());
            response.headers_mut().insert(CONTENT_LENGTH, length);
        }
    } else if !response.body().is_end_stream()
        && let Some(length) = response.body().size_hint().exact()
    {
        let headers = response.headers_mut();
        headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
    response.headers_mut().entry(DATE).or_insert_with(date::now);
}
