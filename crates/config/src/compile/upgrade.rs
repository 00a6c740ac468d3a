//! Names of upgrade protocols in `httpUpgrade` of a TrafficPolicy and `upgradeConfig` of a ListenerPolicy.

use http::HeaderName;

/// The method that is listed among the protocols, although it is not one.
pub(super) const CONNECT: &str = "CONNECT";

/// Parses the name of an upgrade protocol, to lower case.
pub(super) fn protocol(name: &str) -> Result<Box<str>, &'static str> {
    // Requests on an h2c connection would bypass every policy.
    if name.eq_ignore_ascii_case("h2c") {
        return Err("not supported as an upgrade: HTTP/2 is served with prior knowledge");
    }
    // A token, with another token for the version if there is one. Header names are tokens.
    let is_token = |text: &str| HeaderName::from_bytes(text.as_bytes()).is_ok();
    let is_protocol = match name.split_once('/') {
        Some((name, version)) => is_token(name) && is_token(version),
        None => is_token(name),
    };
    if is_protocol {
        Ok(name.to_ascii_lowercase().into_boxed_str())
    } else {
        Err("not a protocol (RFC 9110 7.8)")
    }
}
