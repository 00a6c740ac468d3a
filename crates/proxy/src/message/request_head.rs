//! Prepares the heads of requests for the next hop (RFC 9110 7.6).

use http::header::{COOKIE, HeaderValue, TE, TRANSFER_ENCODING};
use http::{HeaderMap, Version};

use super::elements::elements;
use super::forwarded::{ForwardedClient, add_forwarded, remove_forwarded};
use super::hop::remove_hop_by_hop;
use super::via::Via;

impl Via {
    /// Prepares the head of a request for the next hop. Hop-by-hop fields are removed first, so that the client's
    /// `Connection` cannot remove fields that are added here. The fields of `from` are set before `edit` runs, with
    /// the changes of policies and filters, which may change them. They cannot change routing and framing: the compiler
    /// rejects edits of those fields.
    pub(crate) fn prepare_request(
        &self,
        headers: &mut HeaderMap,
        version: Version,
        from: Option<&ForwardedClient<'_>>,
        edit: impl FnOnce(&mut HeaderMap),
    ) {
        if remove_hop_by_hop(headers).has_transfer_encoding {
            // Tells the HTTP client that a body of unknown length follows, whatever the method.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        remove_forwarded(headers);
        if version == Version::HTTP_2 {
            join_cookies(headers);
        }
        if let Some(from) = from {
            add_forwarded(headers, from);
        }
        edit(headers);
        self.add(headers, version);
    }
}

/// Whether the sender of a request accepts trailers (`TE: trailers`, RFC 9110 10.1.4).
pub(crate) fn accepts_trailers(headers: &HeaderMap) -> bool {
    elements(headers, &TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// Joins the `Cookie` fields into which HTTP/2 may split cookies (RFC 9113 8.2.3).
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

#[cfg(test)]
mod tests {
    use egret_config::policy::headers::HeaderEdit;
    use egret_config::snapshot::RouteFilters;
    use egret_config::snapshot::Scheme;
    use http::header::VIA;

    use super::super::forwarded::{ForwardedAddresses, ForwardedFields, X_FORWARDED_CLIENT_CERT};
    use super::super::forwarded::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};
    use super::super::test_fields::{headers, names};
    use super::*;

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
    fn a_body_of_unknown_length_stays_one() {
        let mut request = headers(&[
            ("transfer-encoding", "chunked"),
            ("connection", "transfer-encoding"),
        ]);
        Via::new(1).prepare_request(&mut request, Version::HTTP_11, None, |_| ());
        assert_eq!(request[TRANSFER_ENCODING], "chunked");
    }

    #[test]
    fn strangers_learn_nothing_and_our_own_learn_the_client() {
        let fields = [
            ("x-forwarded-for", "10.0.0.9"),
            ("x-forwarded-secret", "1"),
            ("x-forwarded-host", "forged.example"),
            ("forwarded", "for=10.0.0.9"),
        ];
        let prepared = |from: Option<&ForwardedClient<'_>>| {
            let mut request = headers(&fields);
            Via::new(1).prepare_request(&mut request, Version::HTTP_11, from, |_| ());
            request
        };
        assert_eq!(names(&prepared(None)), ["via"]);
        let host = HeaderValue::from_static("a.example");
        let from = ForwardedClient {
            scheme: Scheme::Http,
            client: "::ffff:192.0.2.7".parse().unwrap(),
            host: Some(&host),
            fields: &ForwardedFields::default(),
        };
        let request = prepared(Some(&from));
        assert_eq!(request[X_FORWARDED_FOR], "192.0.2.7");
        assert_eq!(request[X_FORWARDED_PROTO], "http");
        assert_eq!(request[X_FORWARDED_HOST], "a.example");
        assert_eq!(request.len(), 4);
    }

    #[test]
    fn our_own_learn_what_trusted_proxies_say() {
        let told = HeaderValue::from_static("9.9.9.9,192.0.2.7");
        let fields = ForwardedFields {
            addresses: ForwardedAddresses::Told(Some(told)),
            scheme: Some(HeaderValue::from_static("https")),
            certificate: Some(HeaderValue::from_static("Hash=00")),
        };
        let from = |fields| ForwardedClient {
            scheme: Scheme::Http,
            client: "9.9.9.9".parse().unwrap(),
            host: None,
            fields,
        };
        let mut request = headers(&[("x-forwarded-client-cert", "Hash=ff")]);
        let via = Via::new(1);
        via.prepare_request(&mut request, Version::HTTP_11, Some(&from(&fields)), |_| ());
        assert_eq!(request[X_FORWARDED_FOR], "9.9.9.9,192.0.2.7");
        assert_eq!(request[X_FORWARDED_PROTO], "https");
        assert_eq!(request[X_FORWARDED_CLIENT_CERT], "Hash=00");
        let nothing = ForwardedFields {
            addresses: ForwardedAddresses::Told(None),
            ..ForwardedFields::default()
        };
        let mut request = headers(&[]);
        via.prepare_request(
            &mut request,
            Version::HTTP_11,
            Some(&from(&nothing)),
            |_| (),
        );
        assert_eq!(names(&request), ["via", "x-forwarded-proto"]);
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
        let from = ForwardedClient {
            scheme: Scheme::Http,
            client: "192.0.2.7".parse().unwrap(),
            host: None,
            fields: &ForwardedFields::default(),
        };
        let version = Version::HTTP_11;
        let edit = |headers: &mut HeaderMap| {
            rule.request_headers.apply(headers);
            backend.request_headers.apply(headers);
        };
        Via::new(1).prepare_request(&mut request, version, Some(&from), edit);
        assert_eq!(request["x-tenant"], "ours");
        assert_eq!(request[X_FORWARDED_PROTO], "https");
        let via: Vec<_> = request.get_all(VIA).iter().collect();
        assert_eq!(via, ["1.1 forged", "1.1 egret-00000001"]);
    }
}
