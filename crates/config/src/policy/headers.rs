//! Changes to header fields: `RequestHeaderModifier` and `ResponseHeaderModifier` (Gateway API HTTPHeaderFilter).

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

/// Fields that decide where a message goes or where it ends: to change them would bypass the checks.
const PROTECTED: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether no policy and no service may change this field.
#[must_use]
pub fn is_protected(name: &HeaderName) -> bool {
    PROTECTED.contains(&name.as_str())
}

/// Changes to the header fields of a message. They are made in the order: remove, set, add.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeaderEdit {
    /// Fields that replace all fields of the same name.
    #[serde(serialize_with = "as_pairs")]
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Fields that are added to those of the same name.
    #[serde(serialize_with = "as_pairs")]
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Names of fields that are removed.
    #[serde(serialize_with = "as_names")]
    pub remove: Vec<HeaderName>,
}

impl HeaderEdit {
    /// Applies the changes to the fields of a message.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}

/// Serializes fields. A value that is marked sensitive comes from a Secret and is not shown.
pub(crate) fn as_pairs<'a, S: serde::Serializer>(
    pairs: &'a [(HeaderName, HeaderValue)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let pair = |(name, value): &'a (HeaderName, HeaderValue)| {
        let text = match value.is_sensitive() {
            true => "<secret>".into(),
            false => String::from_utf8_lossy(value.as_bytes()),
        };
        (name.as_str(), text)
    };
    serializer.collect_seq(pairs.iter().map(pair))
}

pub(crate) fn as_names<S: serde::Serializer>(
    names: &[HeaderName],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(HeaderName::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_replaces_add_joins_remove_takes() {
        let edit = HeaderEdit {
            set: vec![(
                HeaderName::from_static("a"),
                HeaderValue::from_static("new"),
            )],
            add: vec![(
                HeaderName::from_static("b"),
                HeaderValue::from_static("two"),
            )],
            remove: vec![HeaderName::from_static("c")],
        };
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("a", "1"),
            ("a", "2"),
            ("b", "one"),
            ("c", "gone"),
            ("d", "kept"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        edit.apply(&mut headers);
        let all = |name| {
            headers
                .get_all(name)
                .iter()
                .map(|v| v.to_str().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(all("a"), ["new"]);
        assert_eq!(all("b"), ["one", "two"]);
        assert!(all("c").is_empty());
        assert_eq!(all("d"), ["kept"]);
    }
}
