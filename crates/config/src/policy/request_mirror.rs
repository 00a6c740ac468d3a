//! `requestMirror` of a TrafficPolicy: the `Host` of mirrored requests.

use serde::Serialize;

use crate::name::Authority;

/// The `Host` of mirrored requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum MirrorHost {
    /// That of the request, with `-shadow` at the end of its name.
    #[default]
    Shadow,
    /// That of the request.
    Unchanged,
    /// This one.
    Literal(#[serde(serialize_with = "as_text")] Authority),
}

impl MirrorHost {
    /// The `Host` of a mirrored request, of that which the request itself has; `None` is the same.
    #[must_use]
    pub fn of(&self, host: &str) -> Option<String> {
        match self {
            Self::Unchanged => None,
            Self::Literal(literal) => Some(literal.to_string()),
            Self::Shadow => {
                let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
                let (name, port) = match host.rsplit_once(':') {
                    Some((name, port)) if is_port(port) => (name, Some(port)),
                    _ => (host, None),
                };
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                Some(format!("{name}-shadow{port}"))
            }
        }
    }
}

fn as_text<S: serde::Serializer>(authority: &Authority, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_marked_and_not_the_port() {
        for (host, expected) in [
            ("a.example", "a.example-shadow"),
            ("a.example:8080", "a.example-shadow:8080"),
            ("127.0.0.1:80", "127.0.0.1-shadow:80"),
            ("[::1]:80", "[::1]-shadow:80"),
            ("[::1]", "[::1]-shadow"),
        ] {
            assert_eq!(MirrorHost::Shadow.of(host).as_deref(), Some(expected));
            assert_eq!(MirrorHost::Unchanged.of(host), None);
        }
        let literal = Authority::parse(b"b.example:81").unwrap();
        let literal = MirrorHost::Literal(literal).of("a.example");
        assert_eq!(literal.as_deref(), Some("b.example:81"));
    }
}
