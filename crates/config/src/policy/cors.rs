//! Cross-origin resource sharing (the CORS protocol of the Fetch standard): the filter `CORS` of an HTTPRoute, and `cors`
//! of a TrafficPolicy. Which origin, method and header may be used is for the browser to decide; the gateway tells it
//! what is allowed.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Serialize;

mod origin;

pub use origin::OriginPattern;

/// What pages of other origins may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CorsPolicy {
    /// The origins whose pages may send requests and read the responses.
    pub origins: Vec<OriginPattern>,
    /// Whether requests may carry credentials: cookies, and what the browser knows of `Authorization`.
    pub credentials: bool,
    /// The methods of such requests.
    pub methods: CorsNames,
    /// The header fields of such requests.
    pub headers: CorsNames,
    /// The header fields of responses that pages may read.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub expose: Option<HeaderValue>,
    /// How many seconds a browser may rely on the answer to a preflight request.
    pub max_age: u32,
}

/// The methods or the header fields of requests that are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum CorsNames {
    /// Nothing is said, so that what every page may use is allowed.
    #[default]
    Unset,
    /// All: the answer repeats what the browser asks for, because `*` means nothing where credentials are allowed.
    Asked,
    /// These, as they are written in the answer.
    Listed(#[serde(serialize_with = "value_as_text")] HeaderValue),
}

impl CorsPolicy {
    /// The origin of a request, if its pages may read the response.
    #[must_use]
    pub fn allowed_origin<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let mut origins = headers.get_all(ORIGIN).iter();
        // A request has one origin (RFC 6454 7.3).
        let (origin, None) = (origins.next()?, origins.next()) else {
            return None;
        };
        let mut patterns = self.origins.iter();
        patterns
            .any(|pattern| pattern.matches(origin.as_bytes()))
            .then_some(origin)
    }

    /// The fields of the answer to a request, if it is a preflight request; `allowed` is its origin, if its pages may send
    /// requests. Those of other origins are told nothing, which is no: an upstream that allows everything is not to be
    /// asked. Whether the method and the header fields that an allowed origin asks for are among those that are allowed is
    /// for the browser to see.
    #[must_use]
    pub fn preflight(
        &self,
        method: &Method,
        headers: &HeaderMap,
        allowed: Option<&HeaderValue>,
    ) -> Option<HeaderMap> {
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        if method != Method::OPTIONS || wanted.is_empty() || !headers.contains_key(ORIGIN) {
            return None;
        }
        let mut answer = HeaderMap::new();
        let Some(origin) = allowed else {
            return Some(answer);
        };
        self.say_origin(&mut answer, origin);
        let wanted_headers = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        self.methods
            .say(ACCESS_CONTROL_ALLOW_METHODS, Some(wanted), &mut answer);
        self.headers
            .say(ACCESS_CONTROL_ALLOW_HEADERS, wanted_headers, &mut answer);
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age));
        self.say_exposed(&mut answer);
        Some(answer)
    }

    /// Lets the pages of an allowed origin read a response. What the upstream says of it is replaced.
    pub fn share(&self, origin: &HeaderValue, headers: &mut HeaderMap) {
        self.say_origin(headers, origin);
        self.say_exposed(headers);
    }

    fn say_origin(&self, headers: &mut HeaderMap, origin: &HeaderValue) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            let allowed = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, allowed);
        }
    }

    fn say_exposed(&self, headers: &mut HeaderMap) {
        if let Some(names) = &self.expose {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names.clone());
        }
    }
}

impl CorsNames {
    fn say(&self, name: HeaderName, asked: Option<&HeaderValue>, answer: &mut HeaderMap) {
        let value = match self {
            Self::Unset => None,
            Self::Asked => asked,
            Self::Listed(names) => Some(names),
        };
        if let Some(value) = value {
            answer.insert(name, value.clone());
        }
    }
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
fn as_text<S: serde::Serializer>(
    value: &Option<HeaderValue>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value_as_text(value, serializer),
        None => serializer.serialize_none(),
    }
}

fn value_as_text<S: serde::Serializer>(
    value: &HeaderValue,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(value.as_bytes()))
}

#[cfg(test)]
mod tests;
