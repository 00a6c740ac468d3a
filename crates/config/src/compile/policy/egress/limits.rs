//! Compiles `limits` of an EgressPolicy to [`EgressLimit`].

use egret_api::egret::{EgressLimitPer, EgressLimitSpec};

use crate::compile::log::FieldFault;
use crate::compile::policy::rate_limit::token_bucket_of;
use crate::compile::value::{MAX_NUMBER, SpecFields};
use crate::policy::egress::EgressLimit;
use crate::policy::limit::LimitId;
use crate::resources::ObjectRef;

use super::{any_of, fault_of_name, host};

pub(super) fn read(
    policy: &ObjectRef,
    specs: &[EgressLimitSpec],
    faults: &mut Vec<FieldFault>,
) -> Vec<EgressLimit> {
    let mut limits: Vec<EgressLimit> = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let limit = limit(policy, index, spec, faults);
        if limits.iter().any(|other| other.name == limit.name) {
            let field = format!("spec.limits[{index}].name");
            let message = format!("{} is the name of another limit too", limit.name);
            faults.push(FieldFault::new(field, message));
        }
        limits.push(limit);
    }
    limits
}

fn limit(
    policy: &ObjectRef,
    index: usize,
    spec: &EgressLimitSpec,
    faults: &mut Vec<FieldFault>,
) -> EgressLimit {
    let EgressLimitSpec {
        name,
        hosts,
        per,
        token_bucket,
        max_concurrent,
    } = spec;
    let at = format!("spec.limits[{index}]");
    if let Some(fault) = name.as_deref().and_then(fault_of_name) {
        faults.push(FieldFault::new(format!("{at}.name"), fault));
    }
    let hosts = any_of(hosts, &format!("{at}.hosts"), faults, |text| host(text));
    let mut fields = SpecFields::new(at, faults);
    if token_bucket.is_none() && max_concurrent.is_none() {
        let message = "at least one of the fields in [tokenBucket maxConcurrent] must be set";
        fields.struct_fault(message);
    }
    if per.len() == 2 && per[0] == per[1] || per.len() > 2 {
        fields.fault("per", "Destination and Client, each at most once");
    }
    let name = name.clone().unwrap_or_else(|| format!("limit-{index}"));
    EgressLimit {
        id: LimitId::new(policy, &name),
        name: name.into(),
        hosts,
        per_destination: per.contains(&EgressLimitPer::Destination),
        per_client: per.contains(&EgressLimitPer::Client),
        bucket: token_bucket
            .as_ref()
            .map(|bucket| token_bucket_of(bucket, &mut fields.nested("tokenBucket"))),
        max_concurrent: fields.number("maxConcurrent", *max_concurrent, &(1..=MAX_NUMBER)),
    }
}
