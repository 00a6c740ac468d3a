//! Fuzzes the request target: any head has one target or is refused.

#![no_main]

use egret_config::name::{Authority, DnsName, Host};
use egret_config::snapshot::Scheme;
use egret_proxy::message::target::{Target, check_framing};
use http::header::HOST;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    authority(data);
    let Some((&form, head)) = data.split_first() else {
        return;
    };
    let Some(mut parts) = read(head, form & 1 == 1) else {
        return;
    };
    let _ = check_framing(&parts.headers);
    for over in [Scheme::Http, Scheme::Https] {
        let Ok(target) = Target::of(&parts, over) else {
            continue;
        };
        target.override_host(&mut parts.headers, parts.version);
        let again = Authority::parse(parts.headers[HOST].as_bytes()).expect("a Host of our own");
        assert_eq!(
            again.host, target.host,
            "who reads the field sees the same host"
        );
        assert!(!target.is_tunnel() || again.port == target.port);
        let port = target.port.unwrap_or_else(|| over.default_port());
        let field = Target::host_header(&target.host, port, over);
        let named = Authority::parse(field.as_bytes()).expect("a Host of our own");
        let named = (
            named.host,
            named.port.unwrap_or_else(|| over.default_port()),
        );
        assert_eq!(named, (target.host, port));
    }
});

/// Checks that a canonical name or authority parses to itself.
fn authority(data: &[u8]) {
    if let Ok(authority) = Authority::parse(data) {
        let again = Authority::parse(authority.to_string().as_bytes());
        assert_eq!(again, Ok(authority));
    }
    if let Ok(name) = DnsName::parse(data) {
        assert_eq!(DnsName::parse(name.as_str().as_bytes()), Ok(name.clone()));
        assert_eq!(name.as_str().parse(), Ok(Host::Name(name)));
    }
}

/// Parses a head as the HTTP/1 library does. HTTP/2 has another encoding, but cannot express any other head.
fn read(data: &[u8], is_http2: bool) -> Option<Parts> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut parsed = httparse::Request::new(&mut fields);
    if !parsed.parse(data).ok()?.is_complete() {
        return None;
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    *request.uri_mut() = parsed.path?.parse::<Uri>().ok()?;
    *request.version_mut() = match parsed.version? {
        _ if is_http2 => Version::HTTP_2,
        0 => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    for field in parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(field.value).ok()?;
        request.headers_mut().append(name, value);
    }
    Some(request.into_parts().0)
}
