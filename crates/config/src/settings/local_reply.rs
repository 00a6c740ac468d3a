//! What a listener makes of the responses that the gateway makes itself: `localReplies` of a ListenerPolicy.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use serde::{Serialize, Serializer};

use super::edge::as_text;
use crate::access_log::{LogFilter, LogFormat, LogInputs};
use crate::policy::headers::HeaderEdit;

/// What becomes of the responses that the gateway makes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalReplies {
    /// The first of them whose filter lets a response through changes it.
    pub mappers: Vec<LocalReplyMapper>,
    /// The format of bodies where the mapper has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<BodyFormat>,
    /// What filters and formats need of messages.
    #[serde(skip)]
    pub inputs: LogInputs,
}

/// A change of responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalReplyMapper {
    /// Which responses are changed.
    pub filter: LogFilter,
    /// The new status.
    #[serde(serialize_with = "as_number", skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusCode>,
    /// The new body, before it is put into a format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Arc<str>>,
    /// The format of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<BodyFormat>,
    /// Changes to the fields.
    pub headers: HeaderEdit,
}

/// What a body is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BodyFormat {
    /// The body.
    pub format: LogFormat,
    /// Its `Content-Type`.
    #[serde(serialize_with = "as_text")]
    pub content_type: HeaderValue,
}

/// A format of a body, with what it needs of messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReplyFormat {
    /// The format.
    #[serde(flatten)]
    pub body: BodyFormat,
    /// What it needs of messages.
    #[serde(skip)]
    pub inputs: LogInputs,
}

impl ReplyFormat {
    /// This format.
    #[must_use]
    pub fn new(body: BodyFormat) -> Self {
        let mut inputs = LogInputs::default();
        inputs.add_format(&body.format);
        Self { body, inputs }
    }
}

impl LocalReplies {
    /// Mappers and the format of the other responses.
    #[must_use]
    pub fn new(mappers: Vec<LocalReplyMapper>, format: Option<BodyFormat>) -> Self {
        let mut inputs = LogInputs::default();
        for mapper in &mappers {
            inputs.add_filter(&mapper.filter);
        }
        for format in formats(&mappers, format.as_ref()) {
            inputs.add_format(format);
        }
        Self {
            mappers,
            format,
            inputs,
        }
    }

    /// The formats of all bodies.
    pub fn formats(&self) -> impl Iterator<Item = &LogFormat> {
        formats(&self.mappers, self.format.as_ref())
    }
}

fn formats<'a>(
    mappers: &'a [LocalReplyMapper],
    other: Option<&'a BodyFormat>,
) -> impl Iterator<Item = &'a LogFormat> {
    let of_mappers = mappers.iter().filter_map(|mapper| mapper.format.as_ref());
    of_mappers.chain(other).map(|body| &body.format)
}

fn as_number<S: Serializer>(status: &Option<StatusCode>, to: S) -> Result<S::Ok, S::Error> {
    status.map(|status| status.as_u16()).serialize(to)
}
