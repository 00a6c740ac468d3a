//! What a service is asked about a message.

use bytes::Bytes;
use egret_config::policy::ext_proc::{BodyMode, ProcessingMode};
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode};

use super::dialogue::{Direction, Section};
use crate::policy::envoy::HeaderField;
use crate::policy::envoy::ext_proc::{
    BodySendMode, HeaderFields, HttpBody, HttpHeaders, HttpTrailers, ProtocolConfiguration,
    Question,
};

/// A question about a part of a message.
pub(crate) struct SectionQuestion {
    pub(super) direction: Direction,
    pub(super) section: Section,
    pub(super) question: Question,
}

impl SectionQuestion {
    /// About the header of a request by this scheme, after which there is no body if `is_end`.
    pub(crate) fn request_headers(parts: &Parts, scheme: &str, is_end: bool) -> Self {
        let host = parts.headers.get(HOST);
        let host = host.map_or(&b""[..], |host| host.as_bytes());
        let is_connect = parts.method == Method::CONNECT;
        let path = parts.uri.path_and_query();
        let path = path.map_or("/", PathAndQuery::as_str);
        let mut headers = vec![
            field(":authority", host),
            field(":method", parts.method.as_str().as_bytes()),
        ];
        if !is_connect {
            headers.push(field(":path", path.as_bytes()));
            headers.push(field(":scheme", scheme.as_bytes()));
        }
        // Credentials for the proxy are for nobody else.
        let others = parts.headers.iter();
        let others = others.filter(|(name, _)| **name != HOST && **name != PROXY_AUTHORIZATION);
        headers.extend(others.map(|(name, value)| field(name.as_str(), value.as_bytes())));
        let headers = message(headers, is_end);
        Self {
            direction: Direction::Request,
            section: Section::Headers,
            question: Question::RequestHeaders(headers),
        }
    }

    /// About the header of a response.
    pub(crate) fn response_headers(status: StatusCode, headers: &HeaderMap, is_end: bool) -> Self {
        let mut fields = vec![field(":status", status.as_str().as_bytes())];
        fields.extend(fields_of(headers));
        Self {
            direction: Direction::Response,
            section: Section::Headers,
            question: Question::ResponseHeaders(message(fields, is_end)),
        }
    }

    /// About a body, or a piece of one.
    pub(crate) fn body(direction: Direction, body: Bytes, end_of_stream: bool) -> Self {
        let body = HttpBody {
            body,
            end_of_stream,
        };
        Self {
            direction,
            section: Section::Body,
            question: match direction {
                Direction::Request => Question::RequestBody(body),
                Direction::Response => Question::ResponseBody(body),
            },
        }
    }

    /// About trailers.
    pub(crate) fn trailers(direction: Direction, trailers: &HeaderMap) -> Self {
        let headers = fields_of(trailers).collect();
        let trailers = HttpTrailers {
            trailers: Some(HeaderFields { headers }),
        };
        Self {
            direction,
            section: Section::Trailers,
            question: match direction {
                Direction::Request => Question::RequestTrailers(trailers),
                Direction::Response => Question::ResponseTrailers(trailers),
            },
        }
    }
}

/// How the service gets bodies, which it is told in the first question.
pub(super) fn configuration(mode: ProcessingMode) -> ProtocolConfiguration {
    let told = |mode| match mode {
        BodyMode::None => BodySendMode::None,
        BodyMode::Streamed => BodySendMode::Streamed,
        BodyMode::Buffered => BodySendMode::Buffered,
        BodyMode::BufferedPartial => BodySendMode::BufferedPartial,
    };
    ProtocolConfiguration {
        request_body_mode: told(mode.request.body).into(),
        response_body_mode: told(mode.response.body).into(),
    }
}

fn message(headers: Vec<HeaderField>, end_of_stream: bool) -> HttpHeaders {
    HttpHeaders {
        headers: Some(HeaderFields { headers }),
        end_of_stream,
    }
}

fn fields_of(headers: &HeaderMap) -> impl Iterator<Item = HeaderField> {
    let fields = headers.iter();
    fields.map(|(name, value)| field(name.as_str(), value.as_bytes()))
}

fn field(name: &str, value: &[u8]) -> HeaderField {
    HeaderField {
        key: name.to_owned(),
        value: String::new(),
        raw_value: value.to_vec(),
    }
}
