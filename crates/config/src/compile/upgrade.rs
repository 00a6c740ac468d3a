//! The names of protocols that connections may become, in `httpUpgrade` of a TrafficPolicy and `upgradeConfig` of a
//! ListenerPolicy.

use http::HeaderName;

/// What is no protocol, but stands in lists of them.
pub(super) const CONNECT: &str = "CONNECT";

/// The name of a protocol that a connection may become, in lower case.
pub(super) fn protocol(name: &str) -> Result<Box<str>, &'static str> {
    // Its requests would go past every policy.
    if name.eq_ignore_ascii_case("h2c") {
        return Err("HTTP/2 is no upgrade here; it is spoken with prior knowledge");
    }
    // A token, and perhaps one more for the version. The names of fields are tokens.
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
