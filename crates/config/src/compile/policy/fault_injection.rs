//! Compiles `faultInjection` of a TrafficPolicy to [`FaultInjection`].

use std::time::Duration;

use egret_api::kgateway::{
    FaultAbort, FaultDelay, FaultRateLimit, TrafficFaultInjection, TrafficPolicySpec,
};
use http::StatusCode;

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::value::{MAX_NUMBER, ONE_MILLISECOND, SpecFields};
use crate::policy::fault::{Fault, FaultInjection, FaultStatus};

/// The longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(3600);

/// The bytes of a thousand bits.
const BYTES_PER_KBIT: u64 = 125;

impl ReadPolicy for FaultInjection {
    type Spec = TrafficFaultInjection;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficFaultInjection> {
        spec.fault_injection.as_ref()
    }

    fn read(
        spec: &TrafficFaultInjection,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficFaultInjection {
            delay,
            abort,
            response_rate_limit,
            max_active_faults,
            disable,
        } = spec;
        if disable.is_some() {
            return FieldReading::Disabled;
        }
        if delay.is_none() && abort.is_none() && response_rate_limit.is_none() {
            fields.struct_fault(
                "at least one of the fields in [delay abort responseRateLimit disable] must be set",
            );
        }
        let delay = delay.as_ref();
        let abort = abort.as_ref();
        let rate = response_rate_limit.as_ref();
        FieldReading::Set(Self {
            delay: delay.and_then(|spec| delay_of(spec, &mut fields.nested("delay"))),
            abort: abort.and_then(|spec| abort_of(spec, &mut fields.nested("abort"))),
            response_rate: rate
                .and_then(|spec| rate_of(spec, &mut fields.nested("responseRateLimit"))),
            max_active: fields.number("maxActiveFaults", *max_active_faults, &(0..=MAX_NUMBER)),
        })
    }
}

fn delay_of(spec: &FaultDelay, fields: &mut SpecFields<'_>) -> Option<Fault<Duration>> {
    let FaultDelay {
        fixed_delay,
        percentage,
    } = spec;
    let percentage = percentage_of(*percentage, fields);
    let value = fields.time("fixedDelay", Some(fixed_delay), ONE_MILLISECOND)?;
    if value > LONGEST_DELAY {
        fields.fault("fixedDelay", "must not exceed 1h");
    }
    Some(Fault { value, percentage })
}

fn abort_of(spec: &FaultAbort, fields: &mut SpecFields<'_>) -> Option<Fault<FaultStatus>> {
    let FaultAbort {
        http_status,
        grpc_status,
        percentage,
    } = spec;
    let percentage = percentage_of(*percentage, fields);
    let http = fields.number("httpStatus", *http_status, &(200..=599u16));
    let grpc = fields.number("grpcStatus", *grpc_status, &(0..=16));
    if http_status.is_some() == grpc_status.is_some() {
        fields.struct_fault("exactly one of the fields in [httpStatus grpcStatus] must be set");
    }
    let http = http.and_then(|status| StatusCode::from_u16(status).ok());
    let value = http
        .map(FaultStatus::Http)
        .or_else(|| grpc.map(FaultStatus::Grpc))?;
    Some(Fault { value, percentage })
}

fn rate_of(spec: &FaultRateLimit, fields: &mut SpecFields<'_>) -> Option<Fault<u64>> {
    let FaultRateLimit {
        kbits_per_second,
        percentage,
    } = spec;
    let percentage = percentage_of(*percentage, fields);
    let allowed = 1..=u64::from(MAX_NUMBER);
    let kbits = fields.number("kbitsPerSecond", Some(*kbits_per_second), &allowed)?;
    Some(Fault {
        value: kbits * BYTES_PER_KBIT,
        percentage,
    })
}

fn percentage_of(given: Option<i64>, fields: &mut SpecFields<'_>) -> u8 {
    fields
        .number("percentage", given, &(0..=100))
        .unwrap_or(100)
}
