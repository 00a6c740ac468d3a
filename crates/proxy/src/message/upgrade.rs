//! Another protocol in place of HTTP: Upgrade of HTTP/1.1 (RFC 9110 7.8), and extended CONNECT of HTTP/2 (RFC 8441), which
//! asks for the same. Within the gateway a request is always of the first form.

use egret_config::snapshot::AllowedUpgrades;
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, Version};
use hyper::ext::Protocol;

use super::websocket;

const WEBSOCKET: &str = "websocket";
/// Requests inside would be seen by no policy.
const HTTP_2: &str = "h2c";

/// A protocol that a request asks for, and that is let through.
pub(crate) struct UpgradeRequest {
    protocol: HeaderValue,
    form: UpgradeForm,
}

/// An extended CONNECT asks for a protocol that is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UpgradeDenied;

/// How a client asks.
enum UpgradeForm {
    /// By the field.
    Upgrade,
    /// By a CONNECT of HTTP/2. What proves to it that the upstream understood is made up here, for WebSocket.
    Extended { key: Option<HeaderValue> },
}

/// Makes an extended CONNECT the request that it stands for (RFC 8441 5), and gives the protocol.
pub(crate) fn unwrap_extended(parts: &mut Parts) -> Option<Protocol> {
    let protocol = parts.extensions.remove::<Protocol>()?;
    parts.method = Method::GET;
    Some(protocol)
}

/// What a request asks for besides HTTP. Nothing if it does so by the field, and that is not let through: the field is
/// left out, and the request is one like any other.
///
/// # Errors
/// [`UpgradeDenied`] for an extended CONNECT that is not let through: there is no such request without it.
pub(crate) fn wanted(
    parts: &Parts,
    has_body: bool,
    extended: Option<&Protocol>,
    allowed: &AllowedUpgrades,
) -> Result<Option<Box<UpgradeRequest>>, UpgradeDenied> {
    let is_allowed = |protocol: &str| protocol != HTTP_2 && allowed.allow(protocol);
    if let Some(protocol) = extended {
        let protocol = protocol.as_str().to_ascii_lowercase();
        if !is_allowed(&protocol) {
            return Err(UpgradeDenied);
        }
        let form = UpgradeForm::Extended {
            key: (protocol == WEBSOCKET).then(websocket::new_key),
        };
        return Ok(of(&protocol, form));
    }
    // With a body what follows it could be read as either.
    let asks = parts.headers.contains_key(UPGRADE)
        && parts.version == Version::HTTP_11
        && parts.method == Method::GET
        && !has_body
        && tokens(&parts.headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let mut offered = tokens(&parts.headers, &UPGRADE).map(str::to_ascii_lowercase);
    let chosen = asks.then(|| offered.find(|protocol| is_allowed(protocol)));
    let chosen = chosen.flatten();
    Ok(chosen.and_then(|protocol| of(&protocol, UpgradeForm::Upgrade)))
}

/// Boxed, because few requests have one.
fn of(protocol: &str, form: UpgradeForm) -> Option<Box<UpgradeRequest>> {
    let protocol = HeaderValue::try_from(protocol).ok()?;
    Some(Box::new(UpgradeRequest { protocol, form }))
}

impl UpgradeRequest {
    /// Its name, in lower case.
    pub(crate) fn protocol(&self) -> &str {
        self.protocol.to_str().unwrap_or_default()
    }

    /// Says it to the next hop, after the fields of the last one have been taken off.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.protocol.clone());
        if let UpgradeForm::Extended { key: Some(key) } = &self.form {
            headers.insert(SEC_WEBSOCKET_KEY, key.clone());
        }
    }

    /// Whether a 101 says that it was agreed to.
    pub(crate) fn is_agreed_to(&self, headers: &HeaderMap) -> bool {
        let mut fields = headers.get_all(UPGRADE).iter();
        let only = fields.next().filter(|_| fields.next().is_none());
        let agreed = only.is_some_and(|value| {
            value
                .as_bytes()
                .eq_ignore_ascii_case(self.protocol.as_bytes())
        });
        let proven = match &self.form {
            UpgradeForm::Extended { key: Some(key) } => {
                headers.get(SEC_WEBSOCKET_ACCEPT) == Some(&websocket::accept_of(key))
            }
            UpgradeForm::Upgrade | UpgradeForm::Extended { key: None } => true,
        };
        agreed && proven
    }

    /// Answers the client as it asked, after the fields of the upstream's hop have been taken off.
    pub(crate) fn answer<B>(&self, response: &mut Response<B>) {
        match &self.form {
            UpgradeForm::Upgrade => {
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(UPGRADE, self.protocol.clone());
            }
            UpgradeForm::Extended { .. } => {
                *response.status_mut() = StatusCode::OK;
                response.headers_mut().remove(SEC_WEBSOCKET_ACCEPT);
            }
        }
    }

    /// Whether a response that is none to the question would be taken for consent.
    pub(crate) fn is_misread(&self, status: StatusCode) -> bool {
        matches!(self.form, UpgradeForm::Extended { .. }) && status.is_success()
    }
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn websocket(form: UpgradeForm) -> Box<UpgradeRequest> {
        of(WEBSOCKET, form).unwrap()
    }

    #[test]
    fn tokens_are_found_in_any_spelling() {
        let fields = headers(&[("upgrade", "h2c, WebSocket"), ("upgrade", " x/1 ")]);
        let found: Vec<_> = tokens(&fields, &UPGRADE).collect();
        assert_eq!(found, ["h2c", "WebSocket", "x/1"]);
    }

    #[test]
    fn only_what_was_asked_for_is_agreed_to() {
        let wanted = websocket(UpgradeForm::Upgrade);
        assert!(wanted.is_agreed_to(&headers(&[("upgrade", "WebSocket")])));
        for fields in [
            &[][..],
            &[("upgrade", "h2c")],
            &[("upgrade", "websocket, h2c")],
            &[("upgrade", "websocket"), ("upgrade", "h2c")],
        ] {
            assert!(!wanted.is_agreed_to(&headers(fields)), "{fields:?}");
        }
    }

    #[test]
    fn who_cannot_check_the_proof_has_it_checked() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        let wanted = websocket(UpgradeForm::Extended { key: Some(key) });
        let answer =
            |accept| headers(&[("upgrade", "websocket"), ("sec-websocket-accept", accept)]);
        assert!(wanted.is_agreed_to(&answer("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
        assert!(!wanted.is_agreed_to(&answer("s3pPLMBiTxaQ9kYGzzhZRbK+xOp=")));
        assert!(!wanted.is_agreed_to(&headers(&[("upgrade", "websocket")])));
    }

    #[test]
    fn a_client_of_http2_is_answered_by_a_status() {
        let key = Some(websocket::new_key());
        let wanted = websocket(UpgradeForm::Extended { key });
        let mut response = Response::builder()
            .status(101)
            .header(SEC_WEBSOCKET_ACCEPT, "x")
            .body(())
            .unwrap();
        wanted.answer(&mut response);
        assert_eq!(response.status(), 200);
        assert!(response.headers().is_empty());
        assert!(wanted.is_misread(StatusCode::OK));
        assert!(!wanted.is_misread(StatusCode::FORBIDDEN));
    }
}
