//! `compression` of a TrafficPolicy: which responses are compressed, and which request bodies are decompressed. Decided as
//! Envoy does.

use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    HeaderMap,
};
use http::{HeaderName, HeaderValue};
use serde::Serialize;

/// A content coding (RFC 9110 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ContentCoding {
    /// `gzip` (RFC 1952).
    Gzip,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878).
    Zstd,
}

/// `compression` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compression {
    /// The codings of responses that clients may choose of, the preferred one first; none if responses stay as they are.
    pub responses: Vec<ContentCoding>,
    /// The codings of request bodies that are decompressed.
    pub requests: Vec<ContentCoding>,
}

/// The shortest body in bytes that is compressed.
const SHORTEST: u64 = 30;

/// The types of content that are compressed.
const TYPES: [&str; 11] = [
    "application/javascript",
    "application/json",
    "application/xhtml+xml",
    "image/svg+xml",
    "text/css",
    "text/html",
    "text/plain",
    "text/xml",
    "application/xml",
    "text/javascript",
    "application/x-javascript",
];

impl ContentCoding {
    /// The name in `Content-Encoding` and `Accept-Encoding`.
    #[must_use]
    pub const fn token(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

impl Compression {
    /// The coding that a client wants most of those that responses may have (RFC 9110 12.5.3): the one of the highest
    /// weight, and of equal ones the first in the request.
    #[must_use]
    pub fn wanted(&self, request: &HeaderMap) -> Option<ContentCoding> {
        let wanted = wanted_codings(request);
        // A coding that is named is not meant by `*`.
        let is_named =
            |coding: ContentCoding| wanted.iter().any(|(name, _)| *name == coding.token());
        let mut best: (Option<ContentCoding>, f32) = (None, 0.0);
        for (name, weight) in &wanted {
            let mut offered = self.responses.iter().copied();
            let found = match *name {
                // Not compressed may be wanted most.
                "identity" => Some(None),
                "*" => offered.find(|coding| !is_named(*coding)).map(Some),
                name => offered.find(|coding| coding.token() == name).map(Some),
            };
            if let Some(coding) = found
                && *weight > best.1
            {
                best = (coding, *weight);
            }
        }
        best.0
    }

    /// The coding of a request body that is to be decompressed.
    #[must_use]
    pub fn decompressed(&self, request: &HeaderMap) -> Option<ContentCoding> {
        let mut fields = request.get_all(CONTENT_ENCODING).iter();
        // What has several codings has them one around the other.
        let only = fields.next().filter(|_| fields.next().is_none());
        let coding = only?.to_str().ok()?.trim();
        let mut codings = self.requests.iter().copied();
        codings.find(|known| known.token().eq_ignore_ascii_case(coding))
    }
}

/// Whether a response may be compressed, by its head. A part of a content is none that could be.
#[must_use]
pub fn is_compressible(response: &HeaderMap) -> bool {
    let text = |name: HeaderName| response.get(name).and_then(|value| value.to_str().ok());
    let length = text(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let directives = response.get_all(CACHE_CONTROL).iter();
    let directives = directives.filter_map(|value| value.to_str().ok());
    let mut directives = directives.flat_map(|directives| directives.split(','));
    let is_of_type = text(CONTENT_TYPE).is_none_or(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        TYPES.iter().any(|known| kind.eq_ignore_ascii_case(known))
    });
    is_of_type
        && length.is_none_or(|length| length >= SHORTEST)
        && !response.contains_key(CONTENT_ENCODING)
        && !response.contains_key(CONTENT_RANGE)
        && !directives.any(|directive| directive.trim().eq_ignore_ascii_case("no-transform"))
}

/// The members of `Accept-Encoding` with their weights, in order.
fn wanted_codings(request: &HeaderMap) -> Vec<(&str, f32)> {
    let fields = request.get_all(ACCEPT_ENCODING).iter();
    let texts = fields.filter_map(|value: &HeaderValue| value.to_str().ok());
    let members = texts.flat_map(|text| text.split(','));
    members
        .filter_map(|member| {
            let (name, parameters) = member.split_once(';').unwrap_or((member, ""));
            let weight = match parameters.trim().strip_prefix("q=") {
                Some(weight) => weight.trim().parse().ok()?,
                None => 1.0,
            };
            Some((name.trim(), weight))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::ContentCoding::{Brotli, Gzip, Zstd};
    use super::*;

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        let fields = fields.iter();
        fields
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    /// As seen with Envoy 1.40.
    #[test]
    fn clients_get_the_coding_that_they_want_most() {
        let only_gzip = &[Gzip][..];
        let all = &[Gzip, Brotli, Zstd][..];
        for (offered, accepted, expected) in [
            (only_gzip, "gzip", Some(Gzip)),
            (only_gzip, "*", Some(Gzip)),
            (only_gzip, "deflate, gzip;q=0.5, br", Some(Gzip)),
            (only_gzip, "", None),
            (only_gzip, "gzip;q=0", None),
            (only_gzip, "*;q=0", None),
            (only_gzip, "*, gzip;q=0", None),
            (only_gzip, "identity", None),
            (only_gzip, "identity, gzip;q=0.5", None),
            (only_gzip, "x-gzip", None),
            (only_gzip, "GZIP", None),
            (all, "br, zstd, gzip", Some(Brotli)),
            (all, "gzip;q=0.5, zstd", Some(Zstd)),
            (all, "*", Some(Gzip)),
            (all, "gzip;q=0, *", Some(Brotli)),
            (&[], "gzip", None),
        ] {
            let compression = Compression {
                responses: offered.to_vec(),
                requests: Vec::new(),
            };
            let request = headers(&[(ACCEPT_ENCODING, accepted)]);
            assert_eq!(compression.wanted(&request), expected, "{accepted}");
        }
        assert_eq!(Compression::default().wanted(&HeaderMap::new()), None);
    }

    #[test]
    fn what_is_worth_it_and_whole_is_compressed() {
        let text = (CONTENT_TYPE, "text/plain; charset=utf-8");
        for (fields, expected) in [
            (&[][..], true),
            (std::slice::from_ref(&text), true),
            (&[(CONTENT_TYPE, "Application/JSON")], true),
            (&[(CONTENT_TYPE, "text/event-stream")], false),
            (&[(CONTENT_TYPE, "image/png")], false),
            (&[text.clone(), (CONTENT_LENGTH, "30")], true),
            (&[text.clone(), (CONTENT_LENGTH, "29")], false),
            (&[text.clone(), (CONTENT_ENCODING, "identity")], false),
            (
                &[text.clone(), (CACHE_CONTROL, "public, No-Transform")],
                false,
            ),
            (
                &[
                    text.clone(),
                    (CACHE_CONTROL, "public"),
                    (CACHE_CONTROL, "no-transform"),
                ],
                false,
            ),
            (&[text.clone(), (CONTENT_RANGE, "bytes 0-99/200")], false),
        ] {
            assert_eq!(is_compressible(&headers(fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn known_codings_of_requests_are_decompressed() {
        let compression = Compression {
            responses: Vec::new(),
            requests: vec![Gzip, Zstd],
        };
        for (coding, expected) in [
            ("gzip", Some(Gzip)),
            ("GZIP", Some(Gzip)),
            ("zstd", Some(Zstd)),
            ("br", None),
            ("gzip, gzip", None),
            ("identity", None),
        ] {
            let request = headers(&[(CONTENT_ENCODING, coding)]);
            assert_eq!(compression.decompressed(&request), expected, "{coding}");
        }
        let twice = headers(&[(CONTENT_ENCODING, "gzip"), (CONTENT_ENCODING, "zstd")]);
        assert_eq!(compression.decompressed(&twice), None);
    }
}
