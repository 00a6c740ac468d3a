//! `rateLimit.global` of TrafficPolicies: what a service that counts requests is told of them (Envoy's rate limit service
//! protocol).

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Method};
use serde::Serialize;

use super::service::CalledService;
use crate::resources::ObjectRef;

/// `rateLimit.global` of the TrafficPolicies that apply to a rule: each is asked about. That of a route does not take the
/// place of that of its Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GlobalRateLimits(pub Vec<GlobalRateLimit>);

/// `rateLimit.global` of one TrafficPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GlobalRateLimit {
    /// The policy.
    pub policy: ObjectRef,
    /// The service that is asked.
    pub service: RateLimitService,
    /// What a request is counted under.
    pub descriptors: Vec<Vec<DescriptorEntry>>,
}

/// A service that counts requests, as a GatewayExtension says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RateLimitService {
    /// How it is called.
    pub grpc: CalledService,
    /// The domain of the limits.
    pub domain: String,
    /// Whether requests are let through if it gives no answer.
    pub fails_open: bool,
    /// Whether responses tell what is left (`x-ratelimit` fields).
    pub tells_limits: bool,
}

/// One entry of a descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DescriptorEntry {
    /// The key.
    pub key: String,
    /// Where the value comes from.
    pub value: EntryValue,
}

/// Where the value of an entry comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum EntryValue {
    /// It is always this.
    Fixed(String),
    /// A header of the request; the first of several.
    Header(#[serde(skip)] HeaderName),
    /// The host and port that the request names.
    Authority,
    /// The method.
    Method,
    /// The path with its query.
    Path,
    /// The scheme.
    Scheme,
    /// The client's address.
    RemoteAddress,
}

/// What descriptors are made of.
#[derive(Clone, Copy, Debug)]
pub struct DescribedRequest<'a> {
    /// The header.
    pub headers: &'a HeaderMap,
    /// The method; absent where requests cannot be read.
    pub method: Option<&'a Method>,
    /// The path with its query; absent in tunnels.
    pub path: Option<&'a str>,
    /// The scheme; absent in tunnels.
    pub scheme: Option<&'a str>,
    /// The host and port.
    pub authority: &'a str,
    /// The client's address.
    pub client: IpAddr,
}

impl GlobalRateLimit {
    /// The descriptors of a request, as keys and values. A descriptor of which an entry has no value is left out, as in
    /// Envoy.
    #[must_use]
    pub fn describe(&self, request: &DescribedRequest<'_>) -> Vec<Vec<(&str, String)>> {
        let described = self.descriptors.iter().map(|entries| {
            let entries = entries
                .iter()
                .map(|DescriptorEntry { key, value }| Some((key.as_str(), request.value(value)?)));
            entries.collect::<Option<Vec<_>>>()
        });
        described.flatten().collect()
    }
}

impl DescribedRequest<'_> {
    fn value(&self, of: &EntryValue) -> Option<String> {
        match of {
            EntryValue::Fixed(value) => Some(value.clone()),
            EntryValue::Header(name) => {
                let value = self.headers.get(name)?;
                Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
            }
            EntryValue::Authority => Some(self.authority.to_owned()),
            EntryValue::Method => self.method.map(|method| method.as_str().to_owned()),
            EntryValue::Path => self.path.map(str::to_owned),
            EntryValue::Scheme => self.scheme.map(str::to_owned),
            EntryValue::RemoteAddress => Some(self.client.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;

    use super::*;
    use crate::policy::service::ServiceId;
    use crate::resources::Kind;

    fn limit(descriptors: Vec<Vec<DescriptorEntry>>) -> GlobalRateLimit {
        let policy = ObjectRef::new(Kind::TrafficPolicy, "n", "p");
        let grpc = CalledService {
            id: ServiceId::new(&policy, "x"),
            authority: "limits:8081".to_owned(),
            timeout: Duration::from_millis(100),
            retries: 0,
            back_off: (Duration::ZERO, Duration::ZERO),
        };
        GlobalRateLimit {
            policy,
            service: RateLimitService {
                grpc,
                domain: "d".to_owned(),
                fails_open: true,
                tells_limits: false,
            },
            descriptors,
        }
    }

    fn entry(key: &str, value: EntryValue) -> DescriptorEntry {
        let key = key.to_owned();
        DescriptorEntry { key, value }
    }

    /// The descriptors as text, with `;` after each.
    fn described(limit: &GlobalRateLimit, request: &DescribedRequest<'_>) -> String {
        let descriptors = limit.describe(request);
        let text = |entries: &Vec<(&str, String)>| {
            let entries = entries.iter().map(|(key, value)| format!("{key}={value}"));
            entries.collect::<Vec<_>>().join(",") + ";"
        };
        descriptors.iter().map(text).collect()
    }

    #[test]
    fn descriptors_have_the_values_of_the_request_or_are_left_out() {
        let user = "x-user".parse::<HeaderName>().unwrap();
        let of_user = || EntryValue::Header(user.clone());
        let fixed = || EntryValue::Fixed("v".to_owned());
        let limit = limit(vec![
            vec![entry("k", fixed()), entry("X-User", of_user())],
            vec![entry("remote_address", EntryValue::RemoteAddress)],
            vec![entry("path", EntryValue::Path), entry("k", fixed())],
            vec![
                entry("m", EntryValue::Method),
                entry("a", EntryValue::Authority),
                entry("s", EntryValue::Scheme),
            ],
        ]);
        let mut headers = HeaderMap::new();
        fn request(headers: &HeaderMap) -> DescribedRequest<'_> {
            DescribedRequest {
                headers,
                method: Some(&Method::GET),
                path: Some("/a?b=c"),
                scheme: Some("http"),
                authority: "a.test",
                client: [192, 0, 2, 7].into(),
            }
        }
        let always = "remote_address=192.0.2.7;path=/a?b=c,k=v;m=GET,a=a.test,s=http;";
        assert_eq!(described(&limit, &request(&headers)), always);
        headers.append(&user, HeaderValue::from_static("ann"));
        headers.append(&user, HeaderValue::from_static("bob"));
        let with_user = format!("k=v,X-User=ann;{always}");
        assert_eq!(described(&limit, &request(&headers)), with_user);
        headers.insert(&user, HeaderValue::from_bytes(b"\xff").unwrap());
        let not_utf8 = format!("k=v,X-User=\u{fffd};{always}");
        assert_eq!(described(&limit, &request(&headers)), not_utf8);
        let tunnel = DescribedRequest {
            path: None,
            scheme: None,
            method: None,
            ..request(&headers)
        };
        let left = "k=v,X-User=\u{fffd};remote_address=192.0.2.7;";
        assert_eq!(described(&limit, &tunnel), left);
    }
}
