//! Where a redirect leads: `Location` (RFC 9110 10.2.2), resolved against the URL that was redirected.

use std::fmt;

use egret_config::name::{Authority, Host, NameError, Port};
use egret_config::snapshot::Scheme;
use http::HeaderMap;
use http::header::LOCATION;
use http::uri::PathAndQuery;

/// Whom a URL is of (RFC 6454 4). Credentials for one origin are for no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UrlOrigin {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
    pub(crate) port: Port,
}

/// A URL that a client may request, without userinfo and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) origin: UrlOrigin,
    pub(crate) path: PathAndQuery,
}

/// Why a redirect leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LocationError {
    #[error("it has no Location")]
    Missing,
    #[error("it has more than one Location")]
    Repeated,
    #[error("its Location has characters that no URL has")]
    Characters,
    #[error("the scheme of its Location is not http or https")]
    Scheme,
    #[error("its Location is not a URL")]
    Malformed,
    #[error("its Location names no valid host: {0}")]
    Host(#[from] NameError),
}

impl Url {
    /// Where a response with these fields redirects a request for this URL.
    ///
    /// # Errors
    /// [`LocationError`] if the response does not say so in the one way that has no second reading.
    pub(crate) fn redirected(&self, headers: &HeaderMap) -> Result<Self, LocationError> {
        let mut fields = headers.get_all(LOCATION).iter();
        let field = fields.next().ok_or(LocationError::Missing)?;
        if fields.next().is_some() {
            return Err(LocationError::Repeated);
        }
        let text = field.to_str().map_err(|_| LocationError::Characters)?;
        self.resolve(text.trim())
    }

    /// Resolves a reference against this URL (RFC 3986 5.2).
    fn resolve(&self, reference: &str) -> Result<Self, LocationError> {
        let (reference, _) = reference.split_once('#').unwrap_or((reference, ""));
        if let Some((scheme, rest)) = split_scheme(reference) {
            let scheme = [Scheme::Http, Scheme::Https]
                .into_iter()
                .find(|known| scheme.eq_ignore_ascii_case(known.as_str()))
                .ok_or(LocationError::Scheme)?;
            let rest = rest.strip_prefix("//").ok_or(LocationError::Malformed)?;
            return with_authority(scheme, rest);
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return with_authority(self.origin.scheme, rest);
        }
        let path = match reference.as_bytes().first() {
            None => return Ok(self.clone()),
            Some(b'/') => reference.to_owned(),
            Some(b'?') => format!("{}{reference}", self.path.path()),
            Some(_) => merged(self.path.path(), reference),
        };
        Ok(Self {
            origin: self.origin.clone(),
            path: PathAndQuery::try_from(path).map_err(|_| LocationError::Malformed)?,
        })
    }
}

/// The scheme that a reference begins with, and what follows its colon.
fn split_scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// The URL of this scheme that goes on with an authority.
fn with_authority(scheme: Scheme, rest: &str) -> Result<Url, LocationError> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let Authority { host, port } = Authority::parse(authority.as_bytes())?;
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    };
    Ok(Url {
        origin: UrlOrigin {
            scheme,
            host,
            port: port.unwrap_or_else(|| scheme.default_port()),
        },
        path: PathAndQuery::try_from(path).map_err(|_| LocationError::Malformed)?,
    })
}

/// A relative path in place of the last segment of another (RFC 3986 5.2.3), without its dot segments (5.2.4).
fn merged(base: &str, reference: &str) -> String {
    let end = reference.find('?').unwrap_or(reference.len());
    let (path, query) = reference.split_at(end);
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut segments: Vec<&str> = folder.split('/').skip(1).collect();
    let mut steps = path.split('/').peekable();
    while let Some(step) = steps.next() {
        let is_last = steps.peek().is_none();
        match step {
            "." => {}
            ".." => {
                segments.pop();
            }
            other => {
                segments.push(other);
                continue;
            }
        }
        if is_last {
            segments.push("");
        }
    }
    format!("/{}{query}", segments.join("/"))
}

impl fmt::Display for UrlOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port } = self;
        write!(f, "{}://{host}", scheme.as_str())?;
        if *port != scheme.default_port() {
            write!(f, ":{port}")?;
        }
        Ok(())
    }
}

/// Without the query, which may hold credentials.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path.path())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn url(path: &'static str) -> Url {
        Url {
            origin: UrlOrigin {
                scheme: Scheme::Https,
                host: "a.example".parse().unwrap(),
                port: Port::new(8443).unwrap(),
            },
            path: PathAndQuery::from_static(path),
        }
    }

    fn redirected(location: &str) -> Result<String, LocationError> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_str(location).unwrap());
        let to = url("/b/c/d?q=1").redirected(&headers)?;
        Ok(format!("{}{}", to.origin, to.path))
    }

    #[test]
    fn references_are_resolved() {
        for (location, expected) in [
            ("http://b.example/x?y", "http://b.example/x?y"),
            ("HTTP://B.Example.:80", "http://b.example/"),
            ("https://b.example:80?y#z", "https://b.example:80/?y"),
            ("https://[::1]/", "https://[::1]/"),
            ("//b.example/x", "https://b.example/x"),
            ("//b.example:8443", "https://b.example:8443/"),
            ("/x/../y", "https://a.example:8443/x/../y"),
            ("?y=2", "https://a.example:8443/b/c/d?y=2"),
            ("", "https://a.example:8443/b/c/d?q=1"),
            ("#z", "https://a.example:8443/b/c/d?q=1"),
            ("x", "https://a.example:8443/b/c/x"),
            ("./x?y=:", "https://a.example:8443/b/c/x?y=:"),
            ("..", "https://a.example:8443/b/"),
            ("../x/.", "https://a.example:8443/b/x/"),
            ("../../../x", "https://a.example:8443/x"),
            ("x/y:z", "https://a.example:8443/b/c/x/y:z"),
        ] {
            assert_eq!(redirected(location).as_deref(), Ok(expected), "{location}");
        }
    }

    #[test]
    fn what_has_two_readings_leads_nowhere() {
        for location in [
            "ftp://b.example/",
            "javascript:alert(1)",
            "http:/x",
            "http:x",
            "http://",
            "http:///x",
            "http://user:word@b.example/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://b.example:0/",
            "http://b.example\\@c.example/",
            "/a b",
        ] {
            assert!(redirected(location).is_err(), "{location}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(url("/").redirected(&headers), Err(LocationError::Missing));
        for location in ["/x", "/y"] {
            headers.append(LOCATION, HeaderValue::from_static(location));
        }
        assert_eq!(url("/").redirected(&headers), Err(LocationError::Repeated));
        headers.insert(LOCATION, HeaderValue::from_bytes(b"/\xc3\xa4").unwrap());
        let error = url("/").redirected(&headers);
        assert_eq!(error, Err(LocationError::Characters));
    }

    #[test]
    fn a_url_is_told_without_its_query() {
        assert_eq!(url("/b?key=1").to_string(), "https://a.example:8443/b");
    }
}
