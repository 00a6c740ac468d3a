//! Upgrades to other protocols: Upgrade in HTTP/1.1 (RFC 9110 7.8) and extended CONNECT in HTTP/2 (RFC 8441). Within the
//! gateway an upgrade request always has the form of HTTP/1.1.

use egret_config::snapshot::AllowedUpgrades;
use h2::ext::Protocol;
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode, Version};

use super::elements::elements;
use super::websocket;

const WEBSOCKET: &str = "websocket";
/// HTTP/2 in clear text, which is never upgraded to: policies would not see the requests inside.
const HTTP_2: &str = "h2c";

/// An upgrade that a request asks for and that is allowed.
pub(crate) struct UpgradeRequest {
    protocol: HeaderValue,
    form: UpgradeForm,
}

/// The error of an extended CONNECT to a protocol that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UpgradeDenied;

/// How a client asked for an upgrade.
enum UpgradeForm {
    /// The `Upgrade` field of HTTP/1.1.
    Upgrade,
    /// An extended CONNECT of HTTP/2. For WebSocket, `key` is the `Sec-WebSocket-Key` that the gateway sends in its place.
    Extended { key: Option<HeaderValue> },
}

/// Turns an extended CONNECT into the equivalent GET (RFC 8441 5) and returns its protocol; `None` for other requests.
pub(crate) fn unwrap_extended(parts: &mut Parts) -> Option<Protocol> {
    let protocol = parts.extensions.remove::<Protocol>()?;
    parts.method = Method::GET;
    Some(protocol)
}

/// The upgrade that a request asks for. `None` if it asks for none, or if it asks with the `Upgrade` field for a protocol
/// that is not allowed: such a request is served without the field.
///
/// # Errors
/// [`UpgradeDenied`] for an extended CONNECT to a protocol that is not allowed, which has no meaning without the upgrade.
pub(crate) fn requested(
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
        return Ok(request_of(&protocol, form));
    }
    // After a body, the next bytes could be either protocol.
    let asks = parts.headers.contains_key(UPGRADE)
        && parts.version == Version::HTTP_11
        && parts.method == Method::GET
        && !has_body
        && elements(&parts.headers, &CONNECTION).any(|it| it.eq_ignore_ascii_case(b"upgrade"));
    let offered = elements(&parts.headers, &UPGRADE).filter_map(|it| str::from_utf8(it).ok());
    let mut offered = offered.map(str::to_ascii_lowercase);
    let chosen = asks.then(|| offered.find(|protocol| is_allowed(protocol)));
    let chosen = chosen.flatten();
    Ok(chosen.and_then(|protocol| request_of(&protocol, UpgradeForm::Upgrade)))
}

/// Creates an upgrade request. It is boxed because few requests have one.
fn request_of(protocol: &str, form: UpgradeForm) -> Option<Box<UpgradeRequest>> {
    let protocol = HeaderValue::try_from(protocol).ok()?;
    Some(Box::new(UpgradeRequest { protocol, form }))
}

impl UpgradeRequest {
    /// The name of the protocol, in lower case.
    pub(crate) fn protocol(&self) -> &str {
        self.protocol.to_str().unwrap_or_default()
    }

    /// Adds the upgrade to a request for the next hop, whose hop-by-hop fields have been removed.
    pub(crate) fn apply_to_request(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.protocol.clone());
        if let UpgradeForm::Extended { key: Some(key) } = &self.form {
            headers.insert(SEC_WEBSOCKET_KEY, key.clone());
        }
    }

    /// Whether the header fields of a 101 response accept this upgrade.
    pub(crate) fn is_accepted_by(&self, headers: &HeaderMap) -> bool {
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

    /// Turns the upstream's 101 response, whose hop-by-hop fields have been removed, into the form that the client expects.
    pub(crate) fn apply_to_response<B>(&self, response: &mut Response<B>) {
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

    /// Whether the client would take a response without an upgrade for its acceptance, because of the status.
    pub(crate) fn would_be_misread(&self, status: StatusCode) -> bool {
        matches!(self.form, UpgradeForm::Extended { .. }) && status.is_success()
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_fields::headers;
    use super::*;

    fn websocket(form: UpgradeForm) -> Box<UpgradeRequest> {
        request_of(WEBSOCKET, form).unwrap()
    }

    #[test]
    fn only_what_was_asked_for_is_agreed_to() {
        let wanted = websocket(UpgradeForm::Upgrade);
        assert!(wanted.is_accepted_by(&headers(&[("upgrade", "WebSocket")])));
        for fields in [
            &[][..],
            &[("upgrade", "h2c")],
            &[("upgrade", "websocket, h2c")],
            &[("upgrade", "websocket"), ("upgrade", "h2c")],
        ] {
            assert!(!wanted.is_accepted_by(&headers(fields)), "{fields:?}");
        }
    }

    #[test]
    fn who_cannot_check_the_proof_has_it_checked() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        let wanted = websocket(UpgradeForm::Extended { key: Some(key) });
        let answer =
            |accept| headers(&[("upgrade", "websocket"), ("sec-websocket-accept", accept)]);
        assert!(wanted.is_accepted_by(&answer("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
        assert!(!wanted.is_accepted_by(&answer("s3pPLMBiTxaQ9kYGzzhZRbK+xOp=")));
        assert!(!wanted.is_accepted_by(&headers(&[("upgrade", "websocket")])));
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
        wanted.apply_to_response(&mut response);
        assert_eq!(response.status(), 200);
        assert!(response.headers().is_empty());
        assert!(wanted.would_be_misread(StatusCode::OK));
        assert!(!wanted.would_be_misread(StatusCode::FORBIDDEN));
    }
}
