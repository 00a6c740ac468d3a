//! `internalRedirect` of a TrafficPolicy: what the next request is where an upstream redirects one, and what it may not say
//! any more. Who sends it is elsewhere.

use egret_config::policy::api_key_auth::KeySource;
use egret_config::policy::internal_redirect::InternalRedirect;
use egret_config::policy::jwt_auth::TokenSource;
use egret_config::policy::traffic::TrafficSettings;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION,
    CONTENT_TYPE, COOKIE, EXPECT, TRAILER, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::message::content;
use crate::message::location::{LocationError, Url, UrlOrigin};

/// What describes a body, and has no meaning without one.
const OF_BODY: [HeaderName; 8] = [
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_LOCATION,
    CONTENT_TYPE,
    EXPECT,
    TRAILER,
    TRANSFER_ENCODING,
];

/// A request that was redirected.
#[derive(Clone, Debug)]
pub(crate) struct RedirectedRequest {
    /// What it asked for, as the client would have seen it.
    pub(crate) url: Url,
    pub(crate) method: Method,
    /// How many redirects led to it.
    pub(crate) redirects: u32,
    /// Whether it has the body of the client's request, if that has one.
    pub(crate) has_body: bool,
}

/// Why a redirect is not followed, although its status is one that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnfollowedRedirect {
    #[error("{0}")]
    Location(#[from] LocationError),
    #[error("there were {0} redirects before, which is the most (maxRedirects)")]
    TooMany(u32),
    #[error("it leads to another scheme (allowCrossSchemeRedirect)")]
    Scheme,
    #[error("the body of the request is too large to be sent again")]
    Body,
}

impl RedirectedRequest {
    /// The next request, if the policy follows this response; `None` if its status is not one that is followed.
    ///
    /// # Errors
    /// [`UnfollowedRedirect`] if it is, and the response is passed on all the same.
    pub(crate) fn next(
        &self,
        policy: &InternalRedirect,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<Result<Self, UnfollowedRedirect>> {
        policy
            .follows(status)
            .then(|| self.led_on(policy, status, headers))
    }

    fn led_on(
        &self,
        policy: &InternalRedirect,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Self, UnfollowedRedirect> {
        if self.redirects >= policy.most {
            return Err(UnfollowedRedirect::TooMany(self.redirects));
        }
        let url = self.url.redirected(headers)?;
        if url.origin.scheme != self.url.origin.scheme && !policy.crosses_schemes {
            return Err(UnfollowedRedirect::Scheme);
        }
        // Only this status says that the method changes; 301 and 302 leave it to the client (RFC 9110 15.4).
        let becomes_get = status == StatusCode::SEE_OTHER
            && self.method != Method::GET
            && self.method != Method::HEAD;
        Ok(Self {
            url,
            method: match becomes_get {
                true => Method::GET,
                false => self.method.clone(),
            },
            redirects: self.redirects + 1,
            has_body: self.has_body && !becomes_get,
        })
    }
}

/// Removes what describes a body, from a request that has none any more.
pub(crate) fn drop_body(headers: &mut HeaderMap) {
    for name in OF_BODY {
        headers.remove(name);
    }
    content::forget_bytes(headers);
}

/// Removes from a request what only the origin that the client asked may see, unless it goes there: the credentials that
/// clients send, whatever the policies of its rule take for credentials, and `of_service`, what a service has set in it.
pub(crate) fn keep_secrets(
    headers: &mut HeaderMap,
    to: &UrlOrigin,
    first: &UrlOrigin,
    policies: &TrafficSettings,
    of_service: &[HeaderName],
) {
    if to == first {
        return;
    }
    headers.remove(AUTHORIZATION);
    headers.remove(COOKIE);
    for name in of_service {
        headers.remove(name);
    }
    let keys = policies.api_key_auth.value();
    for source in keys.iter().flat_map(|keys| &keys.sources) {
        if let KeySource::Header(name) = source {
            headers.remove(name);
        }
    }
    let tokens = policies.jwt_auth.value();
    for provider in tokens.iter().flat_map(|jwt| &jwt.providers) {
        if let TokenSource::Header { name, .. } = &provider.source {
            headers.remove(name);
        }
    }
}

/// Copies fields of a redirect to the next request, in place of its own of these names.
pub(crate) fn copy_fields(names: &[HeaderName], redirect: &HeaderMap, headers: &mut HeaderMap) {
    for name in names {
        headers.remove(name);
        for value in redirect.get_all(name) {
            headers.append(name, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use egret_config::name::Port;
    use egret_config::policy::api_key_auth::ApiKeyAuth;
    use egret_config::policy::traffic::PolicySetting;
    use egret_config::resources::{Kind, ObjectRef};
    use egret_config::snapshot::Scheme;
    use http::HeaderValue;
    use http::header::LOCATION;
    use http::uri::PathAndQuery;

    use super::*;

    fn origin(host: &str, port: u16) -> UrlOrigin {
        UrlOrigin {
            scheme: Scheme::Http,
            host: host.parse().unwrap(),
            port: Port::new(port).unwrap(),
        }
    }

    fn request(method: Method, redirects: u32) -> RedirectedRequest {
        RedirectedRequest {
            url: Url {
                origin: origin("a.example", 80),
                path: PathAndQuery::from_static("/a"),
            },
            method,
            redirects,
            has_body: true,
        }
    }

    fn policy() -> InternalRedirect {
        InternalRedirect {
            statuses: BTreeSet::from([301, 302, 303, 307]),
            most: 2,
            crosses_schemes: false,
            copied: Vec::new(),
        }
    }

    fn headers(location: &str) -> HeaderMap {
        HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())])
    }

    #[test]
    fn only_see_other_changes_the_method() {
        for (status, method, expected, keeps_body) in [
            (301, Method::POST, Method::POST, true),
            (302, Method::POST, Method::POST, true),
            (303, Method::POST, Method::GET, false),
            (303, Method::DELETE, Method::GET, false),
            (303, Method::HEAD, Method::HEAD, true),
            (303, Method::GET, Method::GET, true),
            (307, Method::PUT, Method::PUT, true),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let next = request(method, 0).next(&policy(), status, &headers("/b"));
            let next = next.unwrap().unwrap();
            assert_eq!((next.method, next.has_body), (expected, keeps_body));
            assert_eq!(next.url.to_string(), "http://a.example/b");
            assert_eq!(next.redirects, 1);
        }
    }

    #[test]
    fn what_is_not_followed_says_why() {
        let next = |status, redirects, location, policy: &InternalRedirect| {
            let status = StatusCode::from_u16(status).unwrap();
            let next = request(Method::GET, redirects).next(policy, status, &headers(location));
            next.map(|next| next.map(|next| next.url.to_string()))
        };
        let policy = policy();
        for status in [200, 304, 308, 503] {
            assert_eq!(next(status, 0, "/b", &policy), None, "{status}");
        }
        assert!(next(302, 1, "/b", &policy).unwrap().is_ok());
        let error = next(302, 2, "/b", &policy);
        assert_eq!(error, Some(Err(UnfollowedRedirect::TooMany(2))));
        let error = next(302, 0, "https://a.example/", &policy);
        assert_eq!(error, Some(Err(UnfollowedRedirect::Scheme)));
        let error = next(302, 0, "ftp://a.example/", &policy);
        let of_scheme = UnfollowedRedirect::Location(LocationError::Scheme);
        assert_eq!(error, Some(Err(of_scheme)));
        let crossing = InternalRedirect {
            crosses_schemes: true,
            ..policy
        };
        let crossed = next(302, 0, "https://a.example/", &crossing);
        assert_eq!(crossed, Some(Ok("https://a.example/".to_owned())));
    }

    #[test]
    fn credentials_are_for_the_first_origin_alone() {
        let key = HeaderName::from_static("x-key");
        let mut keys = ApiKeyAuth::new(vec![KeySource::Header(key.clone())], []);
        keys.forwards = true;
        let by = ObjectRef::new(Kind::TrafficPolicy, "apps", "keys");
        let policies = TrafficSettings {
            api_key_auth: PolicySetting::Set(by, Arc::new(keys)),
            ..TrafficSettings::default()
        };
        let granted = HeaderName::from_static("x-granted");
        let kept = |to: &UrlOrigin| {
            let all = [
                AUTHORIZATION,
                COOKIE,
                key.clone(),
                granted.clone(),
                CONTENT_TYPE,
            ];
            let one = HeaderValue::from_static("1");
            let fields = all.into_iter().map(|name| (name, one.clone()));
            let mut headers: HeaderMap = fields.collect();
            let first = origin("a.example", 80);
            let of_service = std::slice::from_ref(&granted);
            keep_secrets(&mut headers, to, &first, &policies, of_service);
            headers.len()
        };
        assert_eq!(kept(&origin("a.example", 80)), 5);
        for other in [
            origin("b.example", 80),
            origin("a.example", 81),
            UrlOrigin {
                scheme: Scheme::Https,
                ..origin("a.example", 80)
            },
        ] {
            assert_eq!(kept(&other), 1, "{other}");
        }
    }

    #[test]
    fn fields_of_the_redirect_take_the_place_of_those_of_the_request() {
        let (token, gone) = (
            HeaderName::from_static("x-token"),
            HeaderName::from_static("x-gone"),
        );
        let one = HeaderValue::from_static("1");
        let redirect = HeaderMap::from_iter([(token.clone(), one)]);
        let old = HeaderValue::from_static("old");
        let mut headers = HeaderMap::from_iter([(token.clone(), old.clone()), (gone.clone(), old)]);
        copy_fields(&[token.clone(), gone], &redirect, &mut headers);
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[token], "1");
    }
}
