//! The response to a refused request.

use std::fmt::Write as _;

use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderName, Response};
use hyper::ext::ReasonPhrase;

use super::{Refusal, RefusalSubject};

/// The `Proxy-Status` field (RFC 9209 2).
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
/// Most bytes of a reason phrase.
const MAX_REASON_PHRASE: usize = 150;

impl Refusal {
    /// Whether the connection must close: because ambiguous framing leaves it unclear where the next request begins, or
    /// because it would bring more requests than can be served.
    #[must_use]
    pub(crate) const fn ends_connection(&self) -> bool {
        matches!(self, Self::Framing(_) | Self::Overload)
    }

    /// The response to the client. Its body says who refuses and why, and so does the reason phrase of the status line,
    /// which is all that many clients show.
    #[must_use]
    pub(crate) fn response(&self, about: &RefusalSubject) -> Response<String> {
        let row = self.row();
        let details = self.client_message(about);
        let status = self.proxy_status(&details, about);
        let reason_phrase = reason_phrase(row.status.canonical_reason(), &details);
        let mut response = Response::new(self.body(&details));
        *response.status_mut() = row.status;
        if let Ok(phrase) = ReasonPhrase::try_from(reason_phrase) {
            response.extensions_mut().insert(phrase);
        }
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if let Ok(value) = HeaderValue::from_str(&status) {
            headers.insert(PROXY_STATUS, value);
        }
        match self {
            Self::Unauthenticated(client) => client.challenge(headers),
            Self::Denied(denial) => denial.add_headers(headers),
            Self::Overload => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        if self.ends_connection() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The body: of a policy of kgateway its documented text, else one line that begins with who speaks.
    fn body(&self, details: &str) -> String {
        match self {
            Self::Unauthenticated(client) => client.body().to_owned(),
            Self::Denied(denial) if denial.body.is_some() => {
                denial.body.as_deref().unwrap_or_default().to_owned()
            }
            _ => format!("egret: {details}\n"),
        }
    }

    /// The value of `Proxy-Status`: `egret; error=...; details="..."`, a structured field item (RFC 9209 2, RFC 8941). The
    /// parameter `id` is an extension.
    fn proxy_status(&self, details: &str, about: &RefusalSubject) -> String {
        let mut text = format!("egret; error={}", self.row().error);
        if let Self::Dns(failure) = self
            && let Some(rcode) = failure.rcode()
        {
            let _ = write!(text, "; rcode=\"{rcode}\"");
        }
        text.push_str("; details=\"");
        for char in details.chars() {
            match char {
                '"' | '\\' => text.extend(['\\', char]),
                ' '..='~' => text.push(char),
                _ => text.push('?'),
            }
        }
        text.push('"');
        if let Some(id) = about.id {
            let _ = write!(text, "; id=\"{id}\"");
        }
        text
    }
}

/// The reason phrase (RFC 9112 4): the usual one, and the details, in visible ASCII and blanks.
fn reason_phrase(usual: Option<&str>, details: &str) -> String {
    let mut phrase = usual.unwrap_or("Refused").to_owned();
    phrase.push_str(": ");
    let shown = |char| if matches!(char, ' '..='~') { char } else { '?' };
    phrase.extend(details.chars().map(shown));
    if phrase.len() > MAX_REASON_PHRASE {
        phrase.truncate(MAX_REASON_PHRASE - 3);
        phrase.push_str("...");
    }
    phrase
}

#[cfg(test)]
mod tests {
    use egret_config::name::Port;
    use egret_config::policy::egress::DecidingRule;

    use super::*;
    use crate::refusal::subject::RefusalId;

    #[test]
    fn the_reason_phrase_is_short_visible_ascii() {
        let usual = Some("Forbidden");
        assert_eq!(
            reason_phrase(usual, "a.test:80 is denied"),
            "Forbidden: a.test:80 is denied"
        );
        assert_eq!(
            reason_phrase(None, "caf\u{e9}\r\nx: y"),
            "Refused: caf???x: y"
        );
        let long = reason_phrase(usual, &"x".repeat(200));
        assert_eq!(long.len(), MAX_REASON_PHRASE);
        assert!(long.ends_with("x..."));
        let fits = reason_phrase(usual, &"x".repeat(MAX_REASON_PHRASE - "Forbidden: ".len()));
        assert!(fits.ends_with('x'));
    }

    #[test]
    fn a_response_says_who_refuses_what_and_why() {
        let id = RefusalId::random();
        let about = RefusalSubject {
            destination: Some(("a.test".parse().unwrap(), Port::HTTP)),
            address: None,
            id: Some(id),
        };
        let refusal = Refusal::Policy(DecidingRule::default());
        let response = refusal.response(&about);
        assert_eq!(response.body(), "egret: a.test:80 is denied\n");
        let phrase = response.extensions().get::<ReasonPhrase>().unwrap();
        assert_eq!(phrase.as_bytes(), b"Forbidden: a.test:80 is denied");
        let expected = format!(
            "egret; error=http_request_denied; details=\"a.test:80 is denied\"; id=\"{id}\""
        );
        assert_eq!(response.headers()[PROXY_STATUS], expected);
    }
}
