//! What formats of access logs ask for of the messages themselves. It is kept only where a configuration asks for it.

use std::fmt;

use egret_config::access_log::LogInputs;
use egret_config::snapshot::Scheme;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use crate::message::few_fields;
use crate::message::target::scheme_of_url;

/// The fields of messages that the formats of a log ask for, in the order of its [`LogInputs`].
#[derive(Debug, Default)]
pub(crate) struct MessageFields {
    /// Of the request: as it was sent on, or as it came if it was not.
    pub(crate) request: Vec<Option<HeaderValue>>,
    /// Every line of the fields of the request that filters ask about, with the place of its name.
    pub(crate) request_lines: Vec<(usize, HeaderValue)>,
    /// The head of the request, if an expression may read it.
    pub(crate) head: Option<Box<KeptHead>>,
    /// Of the response to the client.
    pub(crate) response: Vec<Option<HeaderValue>>,
    /// Of its trailers.
    pub(crate) trailers: Vec<Option<HeaderValue>>,
    /// The scheme that the request names, or by which the client reached the gateway.
    pub(crate) scheme: Option<&'static str>,
    /// Whether the request was sent on, and `request` is what it said then.
    pub(crate) was_sent: bool,
    /// The path and query as they came.
    pub(crate) received_target: Option<PathAndQuery>,
    /// The path and query as they were sent on, if they came as others.
    pub(crate) sent_target: Option<PathAndQuery>,
    /// Bytes of the names and values in the head of the request.
    pub(crate) request_size: u64,
    /// Bytes of the names and values in the head of the response.
    pub(crate) response_size: u64,
    /// Bytes of the names and values in the trailers of the response.
    pub(crate) trailers_size: u64,
}

/// The head of a request. Its fields may be credentials, which are shown nowhere.
pub(crate) struct KeptHead {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
}

impl fmt::Debug for KeptHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptHead").finish_non_exhaustive()
    }
}

impl KeptHead {
    fn of(parts: &Parts) -> Box<Self> {
        let mut headers = parts.headers.clone();
        for value in headers.values_mut() {
            *value = told(value);
        }
        Box::new(Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            version: parts.version,
            headers,
        })
    }
}

/// How a request came.
#[derive(Clone, Copy)]
pub(crate) struct RequestOrigin<'a> {
    /// The scheme by which the client reached the gateway.
    pub(crate) scheme: Scheme,
    /// The authority that the request names, or nothing.
    pub(crate) authority: &'a str,
    /// Whether the record tells the host and the `User-Agent` of the request as it came.
    pub(crate) is_described: bool,
}

impl MessageFields {
    /// Keeps what is asked for of a request as it came.
    pub(crate) fn receive(&mut self, inputs: &LogInputs, parts: &Parts, origin: RequestOrigin<'_>) {
        let RequestOrigin {
            scheme,
            authority,
            is_described,
        } = origin;
        let named = parts.uri.scheme_str();
        let named = named.map(|named| scheme_of_url(named).unwrap_or(Scheme::Http));
        self.scheme = Some(named.unwrap_or(scheme).as_str());
        if !is_described || !inputs.are_described() {
            self.keep_head(inputs, parts);
        }
        if inputs.target && parts.method != Method::CONNECT {
            self.received_target = parts.uri.path_and_query().cloned();
        }
        if inputs.sizes {
            let path = parts.uri.path_and_query();
            self.request_size = size(&parts.headers)
                + pseudo_size(
                    parts,
                    path.map_or(0, |path| path.as_str().len()),
                    authority.len(),
                );
        }
    }

    /// Keeps what is asked for of a request as it is sent on.
    pub(crate) fn send(&mut self, inputs: &LogInputs, parts: &Parts) {
        self.keep_head(inputs, parts);
        self.was_sent = true;
        if inputs.target {
            let sent = parts.uri.path_and_query();
            let sent = sent.filter(|sent| self.received_target.as_ref() != Some(sent));
            self.sent_target = sent.cloned();
        }
    }

    fn keep_head(&mut self, inputs: &LogInputs, parts: &Parts) {
        pick(&inputs.request_headers, &parts.headers, &mut self.request);
        self.request_lines.clear();
        for (place, name) in inputs.request_lines.iter().enumerate() {
            let values = parts.headers.get_all(name).iter();
            self.request_lines
                .extend(values.map(|value| (place, told(value))));
        }
        if inputs.head {
            self.head = Some(KeptHead::of(parts));
        }
    }

    /// Keeps what is asked for of a response. `length` is the size of its body, if it is known and the head may not say it.
    pub(crate) fn respond(&mut self, inputs: &LogInputs, headers: &HeaderMap, length: Option<u64>) {
        pick(&inputs.response_headers, headers, &mut self.response);
        let place = inputs
            .response_headers
            .iter()
            .position(|name| *name == CONTENT_LENGTH);
        if let Some(place) = place.and_then(|place| self.response.get_mut(place))
            && place.is_none()
        {
            *place = length.map(HeaderValue::from);
        }
        if inputs.sizes {
            self.response_size = size(headers) + (":status".len() + "200".len()) as u64;
        }
    }

    /// Keeps what is asked for of the trailers of a response.
    pub(crate) fn end(&mut self, inputs: &LogInputs, trailers: &HeaderMap) {
        pick(&inputs.response_trailers, trailers, &mut self.trailers);
        if inputs.sizes {
            self.trailers_size = size(trailers);
        }
    }
}

/// The value of a field among those that were kept.
pub(crate) fn kept<'a>(
    names: &[HeaderName],
    values: &'a [Option<HeaderValue>],
    name: &HeaderName,
) -> Option<&'a HeaderValue> {
    let place = names.iter().position(|kept| kept == name)?;
    values.get(place)?.as_ref()
}

fn pick(names: &[HeaderName], headers: &HeaderMap, values: &mut Vec<Option<HeaderValue>>) {
    values.clear();
    values.reserve_exact(names.len());
    let mut found = [None; 8];
    for names in names.chunks(found.len()) {
        let found = &mut found[..names.len()];
        few_fields::find(names, headers, found);
        values.extend(found.iter().map(|value| value.map(told)));
    }
}

/// What may be told of a value: not what came from a Secret, whoever asks for the field.
fn told(value: &HeaderValue) -> HeaderValue {
    match value.is_sensitive() {
        true => HeaderValue::from_static("<secret>"),
        false => value.clone(),
    }
}

/// Bytes of names and values.
fn size(headers: &HeaderMap) -> u64 {
    let sizes = headers
        .iter()
        .map(|(name, value)| (name.as_str().len() + value.len()) as u64);
    sizes.sum()
}

/// Bytes of the pseudo-header fields of a request (RFC 9113 8.3.1), whatever version it has, beside `host`, which says the
/// authority where they do not.
fn pseudo_size(parts: &Parts, path: usize, authority: usize) -> u64 {
    let method = ":method".len() + parts.method.as_str().len();
    let scheme = ":scheme".len() + parts.uri.scheme_str().map_or("http".len(), str::len);
    let path = match path {
        0 => 0,
        path => ":path".len() + path,
    };
    // The `host` field stands for `:authority`, whose name is longer.
    let authority = if parts.headers.contains_key(http::header::HOST) {
        ":authority".len() - "host".len()
    } else {
        ":authority".len() + authority
    };
    (method + scheme + path + authority) as u64
}
