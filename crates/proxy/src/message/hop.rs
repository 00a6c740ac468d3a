//! What a proxy does to a message that passes through it (RFC 9110 7.6, RFC 9112 9): fields that end here are taken
//! off, its own are put on, and framing is left with one reading.

use std::net::IpAddr;

use egret_config::snapshot::{RouteFilters, Scheme};
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, Response, StatusCode, Version};

use super::upgrade::UpgradeRequest;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Fields that are for the next hop only (RFC 9110 7.6.1). `Transfer-Encoding` is handled with the framing.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    PROXY_CONNECTION,
    KEEP_ALIVE,
    TE,
    UPGRADE,
    HTTP2_SETTINGS,
    PROXY_AUTHENTICATE,
];

/// This process's entries in `Via`. The name is made at start: two Egrets in a row are no loop.
pub(crate) struct Via {
    pseudonym: String,
    http2: HeaderValue,
    http11: HeaderValue,
    http10: HeaderValue,
}

/// Who sent the request, and what an upstream that belongs to us may know of it.
pub(crate) struct Forwarded<'a> {
    pub(crate) client: IpAddr,
    /// How it came.
    pub(crate) scheme: Scheme,
    pub(crate) host: Option<&'a HeaderValue>,
}

/// The request has been through this process before (RFC 9110 7.6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoopDetected;

/// The head of an upstream's response has more than one reading, or switches to a protocol that was not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidResponse;

impl Via {
    pub(crate) fn new(process: u32) -> Self {
        let pseudonym = format!("egret-{process:08x}");
        let entry = |version| {
            HeaderValue::try_from(format!("{version} {pseudonym}"))
                .expect("the name is made of hexadecimal digits")
        };
        Self {
            http2: entry("2"),
            http11: entry("1.1"),
            http10: entry("1.0"),
            pseudonym,
        }
    }

    /// Refuses what has been through this process before.
    ///
    /// # Errors
    /// [`LoopDetected`].
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), LoopDetected> {
        let name = self.pseudonym.as_bytes();
        let mut entries = headers.get_all(VIA).iter();
        let passed = entries.any(|entry| {
            entry
                .as_bytes()
                .windows(name.len())
                .any(|part| part == name)
        });
        if passed { Err(LoopDetected) } else { Ok(()) }
    }

    fn add(&self, headers: &mut HeaderMap, version: Version) {
        let entry = match version {
            Version::HTTP_2 => &self.http2,
            Version::HTTP_10 => &self.http10,
            _ => &self.http11,
        };
        headers.append(VIA, entry.clone());
    }

    /// Makes a request's fields fit to leave. What the client has no say in goes first, so that its `Connection` takes
    /// off nothing that is put on here, and `from` goes before `edits`, which may say it otherwise. They cannot undo the
    /// rest: the compiler does not let policies and filters change the fields that say where a message goes or ends.
    pub(crate) fn prepare_request(
        &self,
        headers: &mut HeaderMap,
        version: Version,
        from: Option<&Forwarded<'_>>,
        edits: impl FnOnce(&mut HeaderMap),
    ) {
        let chunked = headers.contains_key(TRANSFER_ENCODING);
        remove_hop_by_hop(headers);
        headers.remove(PROXY_AUTHORIZATION);
        if chunked {
            // Says to the sender that a body of unknown length follows, whatever the method.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        remove_forwarded(headers);
        if version == Version::HTTP_2 {
            join_cookies(headers);
        }
        if let Some(from) = from {
            add_forwarded(headers, from);
        }
        edits(headers);
        self.add(headers, version);
    }

    /// Makes the head of a 101 that was asked for fit to be sent on.
    ///
    /// # Errors
    /// [`InvalidResponse`] if it is to another protocol.
    pub(crate) fn prepare_switch<B>(
        &self,
        response: &mut Response<B>,
        wanted: &UpgradeRequest,
        filters: [&RouteFilters; 2],
    ) -> Result<(), InvalidResponse> {
        let version = response.version();
        let headers = response.headers_mut();
        if !wanted.is_agreed_to(headers) {
            return Err(InvalidResponse);
        }
        remove_hop_by_hop(headers);
        headers.remove(CONTENT_LENGTH);
        self.add(headers, version);
        for filters in filters {
            filters.response_headers.apply(headers);
        }
        wanted.answer(response);
        Ok(())
    }

    /// Makes a response's head fit to be sent on.
    ///
    /// # Errors
    /// [`InvalidResponse`] if its framing has more than one reading, or its status is 101: nothing that could
    /// be switched to was asked for.
    pub(crate) fn prepare_response<B>(
        &self,
        response: &mut Response<B>,
        filters: [&RouteFilters; 2],
    ) -> Result<(), InvalidResponse> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(InvalidResponse);
        }
        let version = response.version();
        let headers = response.headers_mut();
        settle_length(headers)?;
        remove_hop_by_hop(headers);
        self.add(headers, version);
        for filters in filters {
            filters.response_headers.apply(headers);
        }
        // The version is that of each connection (RFC 9110 2.5), not of the message that passed through.
        *response.version_mut() = Version::HTTP_11;
        Ok(())
    }
}

/// Whether the sender reads trailers, and says so (RFC 9110 10.1.4).
pub(crate) fn takes_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TE).iter();
    let mut codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','));
    codings.any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

/// Leaves a response with one `Content-Length` at most, which is true (RFC 9112 6.3): none beside `Transfer-Encoding`,
/// and one for several that are equal.
fn settle_length(headers: &mut HeaderMap) -> Result<(), InvalidResponse> {
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        return if codings.all(chunked) {
            Ok(())
        } else {
            Err(InvalidResponse)
        };
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => return Ok(()),
        (Some(length), None) if is_number(length.as_bytes()) => return Ok(()),
        _ => {}
    }
    let lengths = headers.get_all(CONTENT_LENGTH).iter();
    let lengths = lengths.flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
    let mut lengths = lengths.map(<[u8]>::trim_ascii);
    let length = lengths.next().filter(|length| is_number(length));
    let length = length.ok_or(InvalidResponse)?;
    if lengths.any(|other| other != length) {
        return Err(InvalidResponse);
    }
    let length = HeaderValue::from_bytes(length).map_err(|_| InvalidResponse)?;
    headers.insert(CONTENT_LENGTH, length);
    Ok(())
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Takes off what the client says of where the request comes from: nobody could rely on it, and it tells a stranger
/// about the networks behind us.
pub(super) fn remove_forwarded(headers: &mut HeaderMap) {
    headers.remove(FORWARDED);
    let names = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-forwarded-"));
    let names: Vec<_> = names.cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Makes one field of the pieces that HTTP/2 may send cookies in (RFC 9113 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let (Some(_), Some(_)) = (crumbs.next(), crumbs.next()) else {
        return;
    };
    let crumbs = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let whole = crumbs.collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(whole) = HeaderValue::from_bytes(&whole) {
        headers.insert(COOKIE, whole);
    }
}

/// Puts on what an upstream of our own may rely on.
fn add_forwarded(headers: &mut HeaderMap, from: &Forwarded<'_>) {
    let client = from.client.to_canonical().to_string();
    let client = HeaderValue::try_from(client).expect("an address is visible ASCII");
    headers.insert(X_FORWARDED_FOR, client);
    let scheme = HeaderValue::from_static(from.scheme.as_str());
    headers.insert(X_FORWARDED_PROTO, scheme);
    if let Some(host) = from.host {
        headers.insert(X_FORWARDED_HOST, host.clone());
    }
}

pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        for name in nominated(headers) {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove(TRANSFER_ENCODING);
}

/// The fields that `Connection` names (RFC 9110 7.6.1), without those that no hop may take off: a client could make
/// two servers read one message in two ways, or strip another's credentials.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let options = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    options
        .flat_map(|options| options.split(','))
        .filter_map(|option| HeaderName::from_bytes(option.trim().as_bytes()).ok())
        .filter(|name| !is_end_to_end(name))
        .collect()
}

fn is_end_to_end(name: &HeaderName) -> bool {
    let name = name.as_str();
    [HOST, CONTENT_LENGTH, COOKIE, VIA, FORWARDED]
        .iter()
        .any(|kept| kept.as_str() == name)
        || matches!(
            name,
            "authorization"
                | "set-cookie"
                | "content-type"
                | "content-encoding"
                | "transfer-encoding"
        )
        || matches!(
            name,
            "cache-control"
                | "date"
                | "location"
                | "range"
                | "content-range"
                | "expect"
                | "trailer"
        )
        || name.starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests {
    use egret_config::policy::headers::HeaderEdit;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    const NO_FILTERS: fn() -> RouteFilters = RouteFilters::default;

    #[test]
    fn fields_for_the_next_hop_end_here() {
        let mut request = headers(&[
            ("host", "a.example"),
            ("connection", "close, X-Hop"),
            ("connection", "x-other"),
            ("proxy-connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("proxy-authorization", "Basic c2VjcmV0"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("x-end", "1"),
        ]);
        Via::new(1).prepare_request(&mut request, Version::HTTP_11, None, |_| ());
        assert_eq!(names(&request), ["host", "via", "x-end"]);
        assert_eq!(request[VIA], "1.1 egret-00000001");
    }

    #[test]
    fn connection_cannot_take_off_what_others_rely_on() {
        let kept = [
            ("host", "a.example"),
            ("authorization", "Bearer x"),
            ("content-length", "3"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        let mut request = headers(&kept);
        let options =
            "connection, host, authorization, Content-Length, cookie, x-forwarded-for, ,\"";
        request.insert(CONNECTION, HeaderValue::from_static(options));
        remove_hop_by_hop(&mut request);
        assert_eq!(
            names(&request),
            [
                "authorization",
                "content-length",
                "cookie",
                "host",
                "x-forwarded-for"
            ]
        );
    }

    #[test]
    fn a_body_of_unknown_length_stays_one() {
        let mut request = headers(&[
            ("transfer-encoding", "chunked"),
            ("connection", "transfer-encoding"),
        ]);
        Via::new(1).prepare_request(&mut request, Version::HTTP_11, None, |_| ());
        assert_eq!(request[TRANSFER_ENCODING], "chunked");
    }

    #[test]
    fn a_response_has_one_framing() {
        type Fields<'a> = &'a [(&'a str, &'a str)];
        let chunked = ("transfer-encoding", "chunked");
        let cases: &[(u16, Fields<'_>, Option<&str>)] = &[
            (200, &[], Some("")),
            (200, &[("content-length", "5")], Some("5")),
            (200, &[chunked], Some("")),
            (200, &[chunked, ("content-length", "5")], Some("")),
            (
                200,
                &[("content-length", "5"), ("content-length", "5")],
                Some("5"),
            ),
            (200, &[("content-length", "5, 5")], Some("5")),
            (
                200,
                &[("content-length", "5"), ("content-length", "6")],
                None,
            ),
            (200, &[("content-length", "5, 6")], None),
            (200, &[("content-length", "+5")], None),
            (200, &[("content-length", "")], None),
            (200, &[("transfer-encoding", "gzip, chunked")], None),
            (200, &[chunked, ("transfer-encoding", "gzip")], None),
            (101, &[("upgrade", "h2c"), ("connection", "upgrade")], None),
        ];
        for (status, fields, expected) in cases {
            let mut response = Response::builder().status(*status);
            for (name, value) in *fields {
                response = response.header(*name, *value);
            }
            let mut response = response.body(()).unwrap();
            let prepared =
                Via::new(1).prepare_response(&mut response, [&NO_FILTERS(), &NO_FILTERS()]);
            let lengths = response.headers().get_all(CONTENT_LENGTH).iter();
            let lengths: Vec<_> = lengths.map(|length| length.to_str().unwrap()).collect();
            let got = prepared.is_ok().then(|| lengths.join("; "));
            assert_eq!(got.as_deref(), *expected, "{status} {fields:?}");
        }
    }

    #[test]
    fn only_this_process_in_via_is_a_loop() {
        let via = Via::new(1);
        assert!(
            via.check(&headers(&[
                ("via", "1.1 egret-00000002"),
                ("via", "1.0 proxy.example")
            ]))
            .is_ok()
        );
        assert!(
            via.check(&headers(&[("via", "1.1 a, 1.1 egret-00000001, 1.1 b")]))
                .is_err()
        );
    }

    #[test]
    fn strangers_learn_nothing_and_our_own_learn_the_client() {
        let fields = [
            ("x-forwarded-for", "10.0.0.9"),
            ("x-forwarded-secret", "1"),
            ("x-forwarded-host", "forged.example"),
            ("forwarded", "for=10.0.0.9"),
        ];
        let prepared = |from: Option<&Forwarded<'_>>| {
            let mut request = headers(&fields);
            Via::new(1).prepare_request(&mut request, Version::HTTP_11, from, |_| ());
            request
        };
        assert_eq!(names(&prepared(None)), ["via"]);
        let host = HeaderValue::from_static("a.example");
        let from = Forwarded {
            scheme: Scheme::Http,
            client: "::ffff:192.0.2.7".parse().unwrap(),
            host: Some(&host),
        };
        let request = prepared(Some(&from));
        assert_eq!(request[X_FORWARDED_FOR], "192.0.2.7");
        assert_eq!(request[X_FORWARDED_PROTO], "http");
        assert_eq!(request[X_FORWARDED_HOST], "a.example");
        assert_eq!(request.len(), 4);
    }

    #[test]
    fn what_filters_set_is_sent() {
        let set = |fields| RouteFilters {
            request_headers: HeaderEdit {
                set: headers(fields)
                    .into_iter()
                    .filter_map(|(name, value)| Some((name?, value)))
                    .collect(),
                ..HeaderEdit::default()
            },
            ..RouteFilters::default()
        };
        let rule = set(&[("x-tenant", "ours"), ("x-forwarded-proto", "https")]);
        let backend = set(&[("via", "1.1 forged")]);
        let mut request = headers(&[
            ("connection", "close, x-tenant, via"),
            ("x-tenant", "theirs"),
        ]);
        let from = Forwarded {
            scheme: Scheme::Http,
            client: "192.0.2.7".parse().unwrap(),
            host: None,
        };
        let version = Version::HTTP_11;
        let edits = |headers: &mut HeaderMap| {
            rule.request_headers.apply(headers);
            backend.request_headers.apply(headers);
        };
        Via::new(1).prepare_request(&mut request, version, Some(&from), edits);
        assert_eq!(request["x-tenant"], "ours");
        assert_eq!(request[X_FORWARDED_PROTO], "https");
        let via: Vec<_> = request.get_all(VIA).iter().collect();
        assert_eq!(via, ["1.1 forged", "1.1 egret-00000001"]);
    }
}
