//! `rateLimit.global` of a TrafficPolicy: what the service that counts requests is asked, and what its answer means. Who
//! asks it is elsewhere.

use std::fmt::{Display, Write as _};

use egret_config::policy::global_limit::{DescribedRequest, GlobalRateLimit};
use http::header::{HOST, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};

use super::ClientIdentity;
use super::envoy::rate_limit::{
    Code, CurrentLimit, Descriptor, DescriptorStatus, Entry, RateLimitRequest, RateLimitResponse,
};
use super::envoy::settable_fields;
use super::limit::{X_RATELIMIT_LIMIT, X_RATELIMIT_REMAINING, X_RATELIMIT_RESET};
use crate::message::target::{Target, TargetForm};
use crate::refusal::{DenyingField, PolicyDenial, Refusal};

/// The fields that a service wants to be sent on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct AddedFields {
    /// With the request.
    pub(crate) request: Vec<(HeaderName, HeaderValue)>,
    /// With the response.
    pub(crate) response: Vec<(HeaderName, HeaderValue)>,
}

/// A request as descriptors see it. `host` has the host and port of a request that has no `Host`.
pub(crate) fn described<'r>(
    target: &'r Target,
    request: &'r Parts,
    client: &ClientIdentity,
    host: &'r str,
) -> DescribedRequest<'r> {
    let is_readable = !matches!(target.form, TargetForm::Passthrough | TargetForm::Terminate);
    let authority = request.headers.get(HOST);
    let authority = authority.and_then(|value| value.to_str().ok());
    let scheme = target.scheme.unwrap_or(client.scheme);
    let path = request.uri.path_and_query();
    let path = path.map_or("/", |path| path.as_str());
    DescribedRequest {
        headers: &request.headers,
        method: is_readable.then_some(&request.method),
        path: (!target.is_tunnel()).then_some(path),
        scheme: (!target.is_tunnel()).then_some(scheme.as_str()),
        authority: authority.unwrap_or(host),
        client: client.address.ip(),
    }
}

/// What the service is asked about a request; `None` if no descriptor is for it.
pub(super) fn question(
    limit: &GlobalRateLimit,
    request: &DescribedRequest<'_>,
) -> Option<RateLimitRequest> {
    let described = limit.describe(request);
    if described.is_empty() {
        return None;
    }
    let entry = |(key, value): (&str, String)| Entry {
        key: key.to_owned(),
        value,
    };
    let descriptors = described.into_iter().map(|entries| Descriptor {
        entries: entries.into_iter().map(entry).collect(),
    });
    Some(RateLimitRequest {
        domain: limit.service.domain.clone(),
        descriptors: descriptors.collect(),
    })
}

/// What the answer of the service means for a request.
///
/// # Errors
/// [`Refusal::Denied`] if the limit is reached, or if there is no answer and requests are not let through without one.
pub(super) fn judge(
    limit: &GlobalRateLimit,
    answer: Result<RateLimitResponse, impl Display>,
) -> Result<AddedFields, Refusal> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return unanswered(limit, &error),
    };
    let mut response = Vec::new();
    if limit.service.tells_limits {
        response.extend(told(&answer.statuses));
    }
    response.extend(settable_fields(&answer.response_headers_to_add));
    match answer.overall_code() {
        Code::Ok => Ok(AddedFields {
            request: settable_fields(&answer.request_headers_to_add).collect(),
            response,
        }),
        Code::OverLimit => {
            let denial = denial(limit, &answer, response);
            Err(Refusal::Denied(Box::new(denial)))
        }
        Code::Unknown => unanswered(limit, &"the answer has no code that is known"),
    }
}

/// What becomes of a request for which there is no answer.
fn unanswered(limit: &GlobalRateLimit, error: &dyn Display) -> Result<AddedFields, Refusal> {
    if limit.service.fails_open {
        return Ok(AddedFields::default());
    }
    let policy = &limit.policy;
    Err(Refusal::Denied(Box::new(PolicyDenial {
        policy: policy.clone(),
        by: DenyingField::RateLimitService,
        rule: None,
        status: StatusCode::INTERNAL_SERVER_ERROR,
        details: format!("rateLimit.global of {policy}: {error}"),
        body: None,
        headers: Vec::new(),
    })))
}

fn denial(
    limit: &GlobalRateLimit,
    answer: &RateLimitResponse,
    mut headers: Vec<(HeaderName, HeaderValue)>,
) -> PolicyDenial {
    let policy = &limit.policy;
    let over = |status: &&DescriptorStatus| status.code() == Code::OverLimit;
    let reached = answer.statuses.iter().find(over);
    let wait = reached.and_then(|status| status.duration_until_reset);
    if let Some(wait) = wait
        && headers.iter().all(|(name, _)| *name != RETRY_AFTER)
    {
        headers.push((RETRY_AFTER, wait.seconds.max(1).into()));
    }
    let of_limit = reached.and_then(|status| status.current_limit.as_ref());
    let name = of_limit.map_or("", |limit| limit.name.as_str());
    let mut details = format!("rateLimit.global of {policy} is reached");
    if !name.is_empty() {
        let _ = write!(details, ": {name}");
    }
    let body = String::from_utf8_lossy(&answer.raw_body);
    PolicyDenial {
        policy: policy.clone(),
        by: DenyingField::GlobalRateLimit,
        rule: None,
        status: StatusCode::TOO_MANY_REQUESTS,
        details,
        body: (!body.is_empty()).then(|| body.into_owned().into()),
        headers,
    }
}

/// What is left of the limit that is the closest (draft-polli-ratelimit-headers-03), with Envoy's form of it.
fn told(statuses: &[DescriptorStatus]) -> Vec<(HeaderName, HeaderValue)> {
    let limited = statuses.iter().filter(|it| it.current_limit.is_some());
    let Some(closest) = limited.clone().min_by_key(|status| status.limit_remaining) else {
        return Vec::new();
    };
    let of = |status: &DescriptorStatus| status.current_limit.clone().unwrap_or_default();
    let mut limit = of(closest).requests_per_unit.to_string();
    for status in limited {
        let CurrentLimit {
            requests_per_unit,
            name,
            ..
        } = of(status);
        let Some(window) = of(status).unit().seconds() else {
            continue;
        };
        let _ = write!(limit, ", {requests_per_unit};w={window}");
        let is_plain = |char: char| matches!(char, ' '..='~') && !matches!(char, '"' | '\\');
        if !name.is_empty() && name.chars().all(is_plain) {
            let _ = write!(limit, ";name=\"{name}\"");
        }
    }
    let reset = closest.duration_until_reset.map_or(0, |it| it.seconds);
    let limit = HeaderValue::try_from(limit).ok();
    let limit = limit.map(|limit| (X_RATELIMIT_LIMIT, limit));
    let rest = [
        (X_RATELIMIT_REMAINING, closest.limit_remaining.into()),
        (X_RATELIMIT_RESET, reset.max(0).into()),
    ];
    limit.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests;
