//! `headerModifiers` of a TrafficPolicy: changes to the headers of requests and responses.

use serde::Serialize;

use super::headers::HeaderEdit;

/// Changes to the headers of requests and of responses. Values from Secrets are marked sensitive and never printed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeaderModifiers {
    /// Applied to a request before it is forwarded.
    pub request: HeaderEdit,
    /// Applied to a response before it is forwarded.
    pub response: HeaderEdit,
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn no_value_from_a_secret_is_shown() {
        let mut secret = HeaderValue::from_static("hush");
        secret.set_sensitive(true);
        let name = HeaderName::from_static("x-key");
        let edit = HeaderEdit {
            set: vec![(name.clone(), secret.clone())],
            add: vec![(name, secret)],
            remove: Vec::new(),
        };
        let modifiers = HeaderModifiers {
            request: edit.clone(),
            response: edit,
        };
        let json = serde_json::to_string(&modifiers).unwrap();
        assert_eq!(json.matches(r#"["x-key","<secret>"]"#).count(), 4, "{json}");
        for text in [json, format!("{modifiers:?}")] {
            assert!(!text.contains("hush"), "{text}");
        }
    }

    /// A change of a Secret is a change of the configuration, although its content is not shown.
    #[test]
    fn another_value_is_another_policy() {
        let with = |value| {
            let mut value = HeaderValue::from_static(value);
            value.set_sensitive(true);
            HeaderModifiers {
                request: HeaderEdit {
                    set: vec![(HeaderName::from_static("x-key"), value)],
                    ..HeaderEdit::default()
                },
                ..HeaderModifiers::default()
            }
        };
        assert_eq!(with("a"), with("a"));
        assert_ne!(with("a"), with("b"));
    }
}
