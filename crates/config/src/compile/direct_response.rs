//! DirectResponses: fixed answers that rules refer to.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;

use super::log::{Fault, Log, join, misconfiguration};
use super::target::Target;
use crate::api::kgateway::DirectResponseSpec;
use crate::report::{AncestorStatus, Condition, PolicyStatus, Status};
use crate::resources::{ObjectRef, Resources};
use crate::snapshot::{FixedResponse, Misconfiguration};

/// Every DirectResponse, by name.
pub(super) type Responses = BTreeMap<ObjectRef, Response>;

/// A DirectResponse while routes are compiled.
#[derive(Debug)]
pub(super) struct Response {
    /// The answer, or why there is none.
    pub(super) answer: Result<FixedResponse, Misconfiguration>,
    /// The Gateways whose routes refer to it: its status tells them.
    pub(super) gateways: BTreeSet<ObjectRef>,
}

/// Most characters of a body.
const MAX_BODY: usize = 4096;

pub(super) fn compile(resources: &Resources, log: &mut Log) -> Responses {
    let mut responses = Responses::new();
    for (reference, object) in &resources.direct_responses {
        let answer = answer(&object.value.spec).map_err(|faults| {
            log.problems(reference, &object.source, &faults);
            misconfiguration(reference, &join(&faults))
        });
        let gateways = BTreeSet::new();
        responses.insert(reference.clone(), Response { answer, gateways });
    }
    responses
}

fn answer(spec: &DirectResponseSpec) -> Result<FixedResponse, Vec<Fault>> {
    let DirectResponseSpec {
        status,
        body,
        body_format,
    } = spec;
    let mut faults = Vec::new();
    if body_format.is_some() {
        faults.push(Fault::unsupported("spec.bodyFormat"));
    }
    if body
        .as_ref()
        .is_some_and(|body| !(1..=MAX_BODY).contains(&body.chars().count()))
    {
        faults.push(Fault::new(
            "spec.body",
            format!("1 to {MAX_BODY} characters are allowed"),
        ));
    }
    let code = u16::try_from(*status)
        .ok()
        .filter(|code| (200..=599).contains(code));
    match code.and_then(|code| StatusCode::from_u16(code).ok()) {
        Some(status) if faults.is_empty() => Ok(FixedResponse {
            status,
            body: body.as_deref().unwrap_or_default().into(),
        }),
        Some(_) => Err(faults),
        None => {
            faults.push(Fault::new("spec.status", "200 to 599 is allowed"));
            Err(faults)
        }
    }
}

/// Reports, once it is known who refers to what.
pub(super) fn report(resources: &Resources, responses: &Responses, log: &mut Log) {
    for (reference, response) in responses {
        let Some(object) = resources.direct_responses.get(reference) else {
            continue;
        };
        let conditions = match &response.answer {
            Ok(_) => vec![
                Condition::new("Accepted", true, "Valid", "Policy accepted"),
                Condition::new("Attached", true, "Attached", "Attached to all targets"),
            ],
            Err(wrong) => vec![Condition::new(
                "Accepted",
                false,
                "Invalid",
                wrong.message.to_string(),
            )],
        };
        let ancestor = |gateway: &ObjectRef| AncestorStatus {
            ancestor_ref: Target::new(gateway, None).reference(),
            conditions: conditions.clone(),
        };
        let ancestors = response.gateways.iter().map(ancestor).collect();
        log.object(
            reference,
            &object.source,
            Status::Policy(PolicyStatus { ancestors }),
        );
    }
}
