//! The messages of Envoy's service protocols, with the fields that are used.

use egret_config::policy::headers::is_protected;
use http::header::PROXY_AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use prost::Message;

pub(crate) mod auth;
pub(crate) mod ext_proc;
pub(crate) mod rate_limit;
pub(crate) mod structure;

/// `envoy.config.core.v3.HeaderValue`
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct HeaderField {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) raw_value: Vec<u8>,
}

impl HeaderField {
    /// The field, if it is one that a service may set: not one that decides where a message goes or ends.
    pub(super) fn settable(&self) -> Option<(HeaderName, HeaderValue)> {
        let name = settable_name(&self.key)?;
        let value = match self.raw_value.as_slice() {
            [] => self.value.as_bytes(),
            raw => raw,
        };
        Some((name, HeaderValue::from_bytes(value).ok()?))
    }
}

/// The name of a field that a service may change.
pub(super) fn settable_name(name: &str) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    // What is for the proxy is never sent on.
    (!is_protected(&name) && name != PROXY_AUTHORIZATION).then_some(name)
}

/// The fields of a list that a service may set.
pub(super) fn settable_fields(
    fields: &[HeaderField],
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    fields.iter().filter_map(HeaderField::settable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_sets_no_field_that_decides_where_a_message_goes_or_ends() {
        let field = |key: &str, value: &str, raw: &[u8]| HeaderField {
            key: key.to_owned(),
            value: value.to_owned(),
            raw_value: raw.to_vec(),
        };
        for (field, expected) in [
            (field("X-A", "b", b""), Some("b")),
            (field("x-a", "b", b"c"), Some("c")),
            (field("host", "b", b""), None),
            (field(":path", "/", b""), None),
            (field("Transfer-Encoding", "chunked", b""), None),
            (field("content-length", "1", b""), None),
            (field("proxy-authorization", "x", b""), None),
            (field("x a", "b", b""), None),
            (field("x-a", "b\r\nx: y", b""), None),
        ] {
            let settable = field.settable();
            let value = settable.as_ref().map(|(_, value)| value.to_str().unwrap());
            assert_eq!(value, expected, "{field:?}");
        }
    }
}
