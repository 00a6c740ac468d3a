//! `buffer` of a TrafficPolicy: the body of a request is read as a whole before anything is sent on.

use egret_config::policy::traffic::{PolicySetting, TrafficSettings};
use egret_config::resources::ObjectRef;
use http::StatusCode;

use crate::policy::transformation::MAX_BODY;
use crate::refusal::{DenyingField, PolicyDenial, Refusal};
use crate::upstream::{RequestBody, WholeBodyFault};

/// The body of the response, which is Envoy's.
const BODY: &str = "Payload Too Large";

/// The most bytes of the body of a request that a policy reads as a whole.
pub(super) fn most(policies: &TrafficSettings) -> usize {
    policies.buffer.value().map_or(MAX_BODY, |buffer| {
        usize::try_from(buffer.max_request_size).unwrap_or(usize::MAX)
    })
}

/// Reads the body as the policies of the rule say. `None` if they say nothing, which costs nothing else.
///
/// The error of the reading is [`Refusal::Denied`] for a body that is too large, and [`Refusal::RequestBody`] if the client
/// does not send all of it.
pub(super) fn read_whole<'a>(
    policies: &'a TrafficSettings,
    body: &'a mut RequestBody,
) -> Option<impl Future<Output = Result<(), Refusal>> + 'a> {
    let PolicySetting::Set(policy, buffer) = &policies.buffer else {
        return None;
    };
    let most = usize::try_from(buffer.max_request_size).unwrap_or(usize::MAX);
    Some(async move {
        body.read_whole(most).await.map_err(|fault| match fault {
            WholeBodyFault::TooLarge => Refusal::Denied(Box::new(denial(policy, most))),
            WholeBodyFault::Incomplete => Refusal::RequestBody,
        })
    })
}

fn denial(policy: &ObjectRef, most: usize) -> PolicyDenial {
    PolicyDenial {
        policy: policy.clone(),
        by: DenyingField::Buffer,
        rule: None,
        status: StatusCode::PAYLOAD_TOO_LARGE,
        details: format!("the body has more than {most} bytes, which buffer of {policy} allows"),
        body: Some(BODY.into()),
        headers: Vec::new(),
    }
}
