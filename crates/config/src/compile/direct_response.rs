//! DirectResponses: fixed responses that rules refer to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use egret_api::kgateway::DirectResponseSpec;
use http::StatusCode;

use super::ancestor::AncestorConditions;
use super::body_format;
use super::log::{FieldFault, ReportLog, join, misconfiguration};
use super::value::SpecFields;
use crate::report::StatusCondition;
use crate::resources::{ObjectRef, Resources};
use crate::snapshot::{FixedResponse, Misconfiguration, ReplyFormat};

/// Every DirectResponse, by identity.
pub(super) type DirectResponses = BTreeMap<ObjectRef, DirectResponseDraft>;

/// A DirectResponse while routes are compiled.
#[derive(Debug)]
pub(super) struct DirectResponseDraft {
    /// The response, or the reason why it cannot be served.
    pub(super) answer: Result<FixedResponse, Misconfiguration>,
    /// The Gateways whose routes refer to it; its status lists them.
    pub(super) gateways: BTreeSet<ObjectRef>,
}

/// Maximum length of a body in characters.
const MAX_BODY: usize = 4096;

pub(super) fn compile(resources: &Resources, log: &mut ReportLog) -> DirectResponses {
    let mut responses = DirectResponses::new();
    for (reference, object) in &resources.direct_responses {
        let answer = answer(&object.value.spec).map_err(|faults| {
            log.problems(reference, &object.source, &faults);
            misconfiguration(reference, &join(&faults))
        });
        if let Ok(FixedResponse {
            format: Some(format),
            ..
        }) = &answer
        {
            let formats = [&format.body.format];
            let warning = body_format::never_known("bodyFormat", formats);
            if let Some(warning) = warning {
                log.warn(reference, &object.source, &warning);
            }
        }
        let gateways = BTreeSet::new();
        responses.insert(reference.clone(), DirectResponseDraft { answer, gateways });
    }
    responses
}

fn answer(spec: &DirectResponseSpec) -> Result<FixedResponse, Vec<FieldFault>> {
    let DirectResponseSpec {
        status,
        body,
        body_format,
    } = spec;
    let mut faults = Vec::new();
    let mut fields = SpecFields::new("spec.bodyFormat", &mut faults);
    let format = body_format.as_ref();
    let format = format.and_then(|spec| body_format::read(spec, &mut fields));
    if body
        .as_ref()
        .is_some_and(|body| !(1..=MAX_BODY).contains(&body.chars().count()))
    {
        faults.push(FieldFault::new(
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
            format: format.map(|format| Arc::new(ReplyFormat::new(format))),
        }),
        Some(_) => Err(faults),
        None => {
            faults.push(FieldFault::new("spec.status", "200 to 599 is allowed"));
            Err(faults)
        }
    }
}

/// Reports the status of every DirectResponse, after the routes have been compiled.
pub(super) fn report(resources: &Resources, responses: &DirectResponses, log: &mut ReportLog) {
    for (reference, response) in responses {
        let Some(object) = resources.direct_responses.get(reference) else {
            continue;
        };
        let conditions = match &response.answer {
            Ok(_) => vec![
                StatusCondition::new("Accepted", true, "Valid", "Policy accepted"),
                StatusCondition::new("Attached", true, "Attached", "Attached to all targets"),
            ],
            Err(wrong) => vec![StatusCondition::new(
                "Accepted",
                false,
                "Invalid",
                wrong.message.to_string(),
            )],
        };
        let mut status = AncestorConditions::default();
        for gateway in &response.gateways {
            status.add(gateway, &conditions);
        }
        log.object(reference, &object.source, status.into_status());
    }
}
