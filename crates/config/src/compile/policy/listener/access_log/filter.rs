//! Compiles `filter` of a sink to [`LogFilter`].

use egret_api::kgateway::{
    ComparisonFilterSpec, GrpcStatusFilterSpec, HeaderFilterSpec, HeaderMatchSpec, LogFilterSpec,
    OneFilterSpec, ResponseFlagFilterSpec, RuntimeFilterSpec, SampledSpec,
};
use egret_api::suggest::did_you_mean;
use http::HeaderName;

use crate::access_log::{
    ComparisonOperator, GRPC_STATUSES, GrpcStatusSet, HeaderCondition, HeaderTest, LogFilter,
    LogShare, NumberComparison, ResponseFlag,
};
use crate::compile::log::FieldFault;
use crate::expression::Expression;
use crate::pattern::RegexPattern;

const ONE: &str = "exactly one filter is needed";

/// Compiles a filter. `None` if there are faults.
pub(in super::super) fn read(
    spec: &LogFilterSpec,
    at: &str,
    faults: &mut Vec<FieldFault>,
) -> Option<LogFilter> {
    let LogFilterSpec {
        status_code_filter,
        duration_filter,
        not_health_check_filter,
        traceable_filter,
        runtime_filter,
        header_filter,
        response_flag_filter,
        grpc_status_filter,
        cel_filter,
        and_filter,
        or_filter,
    } = spec;
    let one = OneFilterSpec {
        status_code_filter: status_code_filter.clone(),
        duration_filter: duration_filter.clone(),
        not_health_check_filter: *not_health_check_filter,
        traceable_filter: *traceable_filter,
        runtime_filter: runtime_filter.clone(),
        header_filter: header_filter.clone(),
        response_flag_filter: response_flag_filter.clone(),
        grpc_status_filter: grpc_status_filter.clone(),
        cel_filter: cel_filter.clone(),
    };
    let mut several = |name: &str, filters: &[OneFilterSpec]| {
        let at = format!("{at}.{name}");
        if filters.len() < 2 {
            faults.push(FieldFault::new(&at, "at least two filters are needed"));
        }
        let filters = filters.iter().enumerate();
        let filters = filters.map(|(index, one)| single(one, &format!("{at}[{index}]"), faults));
        let filters: Vec<_> = filters.collect();
        filters.into_iter().collect::<Option<Vec<_>>>()
    };
    match (and_filter, or_filter) {
        _ if (and_filter.is_some() || or_filter.is_some()) && one != OneFilterSpec::default() => {}
        (Some(filters), None) => return several("andFilter", filters).map(LogFilter::Every),
        (None, Some(filters)) => return several("orFilter", filters).map(LogFilter::Either),
        (None, None) => return single(&one, at, faults),
        (Some(_), Some(_)) => {}
    }
    faults.push(FieldFault::new(at, ONE));
    None
}

fn single(spec: &OneFilterSpec, at: &str, faults: &mut Vec<FieldFault>) -> Option<LogFilter> {
    let OneFilterSpec {
        status_code_filter,
        duration_filter,
        not_health_check_filter,
        traceable_filter,
        runtime_filter,
        header_filter,
        response_flag_filter,
        grpc_status_filter,
        cel_filter,
    } = spec;
    let mut found: Vec<Result<LogFilter, FieldFault>> = Vec::new();
    let field = |name: &str| format!("{at}.{name}");
    if let Some(spec) = status_code_filter {
        let compared = comparison(spec, &field("statusCodeFilter"));
        found.push(compared.map(LogFilter::StatusCode));
    }
    if let Some(spec) = duration_filter {
        let compared = comparison(spec, &field("durationFilter"));
        found.push(compared.map(LogFilter::Duration));
    }
    match not_health_check_filter {
        Some(true) => found.push(Ok(LogFilter::NotHealthCheck)),
        Some(false) => found.push(Ok(LogFilter::All)),
        None => {}
    }
    match traceable_filter {
        Some(true) => found.push(Ok(LogFilter::Sampled)),
        Some(false) => found.push(Ok(LogFilter::All)),
        None => {}
    }
    if let Some(spec) = runtime_filter {
        found.push(share(spec, &field("runtimeFilter")));
    }
    if let Some(spec) = header_filter {
        found.push(header(spec, &field("headerFilter.header")));
    }
    if let Some(spec) = response_flag_filter {
        found.push(flags(spec, &field("responseFlagFilter.flags")));
    }
    if let Some(spec) = grpc_status_filter {
        found.push(statuses(spec, &field("grpcStatusFilter.statuses")));
    }
    if let Some(spec) = cel_filter {
        let compiled = Expression::compile_for_log(&spec.expression);
        let wrong = |fault| FieldFault::new(field("celFilter.match"), format!("{fault}"));
        found.push(compiled.map(LogFilter::Expression).map_err(wrong));
    }
    if found.len() != 1 {
        faults.push(FieldFault::new(at, ONE));
        return None;
    }
    match found.pop()? {
        Ok(filter) => Some(filter),
        Err(fault) => {
            faults.push(fault);
            None
        }
    }
}

fn comparison(spec: &ComparisonFilterSpec, at: &str) -> Result<NumberComparison, FieldFault> {
    let operator = match spec.op.as_str() {
        "EQ" => ComparisonOperator::Equal,
        "GE" => ComparisonOperator::AtLeast,
        "LE" => ComparisonOperator::AtMost,
        other => {
            let message = format!("{other} is not EQ, GE or LE");
            return Err(FieldFault::new(format!("{at}.op"), message));
        }
    };
    let wrong = |_| {
        let message = format!("{} is not from 0 to {}", spec.value, u32::MAX);
        FieldFault::new(format!("{at}.value"), message)
    };
    let value = spec.value.try_into().map_err(wrong)?;
    Ok(NumberComparison { operator, value })
}

fn share(spec: &RuntimeFilterSpec, at: &str) -> Result<LogFilter, FieldFault> {
    // Without a fraction Envoy takes what the key has at run time, which is nothing, and logs nothing of it.
    let Some(SampledSpec {
        numerator,
        denominator,
    }) = &spec.percent_sampled
    else {
        return Ok(LogFilter::None);
    };
    let at = format!("{at}.percentSampled");
    let denominator = match denominator.as_deref() {
        None | Some("HUNDRED") => 100,
        Some("TEN_THOUSAND") => 10_000,
        Some("MILLION") => 1_000_000,
        Some(other) => {
            let message = format!("{other} is not HUNDRED, TEN_THOUSAND or MILLION");
            return Err(FieldFault::new(format!("{at}.denominator"), message));
        }
    };
    let wrong = |_| FieldFault::new(format!("{at}.numerator"), "not a number from 0 on");
    let numerator = u32::try_from(*numerator).map_err(wrong)?;
    Ok(LogFilter::Share(LogShare {
        numerator,
        denominator,
    }))
}

fn header(spec: &HeaderFilterSpec, at: &str) -> Result<LogFilter, FieldFault> {
    let HeaderMatchSpec { kind, name, value } = &spec.header;
    let wrong = |_| {
        FieldFault::new(
            format!("{at}.name"),
            format!("{name} is no name of a field"),
        )
    };
    let name: HeaderName = name.parse().map_err(wrong)?;
    let value = match kind.as_deref() {
        None | Some("Exact") => HeaderTest::Exact(value.clone()),
        Some("RegularExpression") => {
            let wrong = |message| FieldFault::new(format!("{at}.value"), message);
            HeaderTest::Regex(RegexPattern::new(value).map_err(wrong)?)
        }
        Some(other) => {
            let message = format!("{other} is not Exact or RegularExpression");
            return Err(FieldFault::new(format!("{at}.type"), message));
        }
    };
    Ok(LogFilter::Header(HeaderCondition { name, value }))
}

fn flags(spec: &ResponseFlagFilterSpec, at: &str) -> Result<LogFilter, FieldFault> {
    let flags = spec.flags.iter().enumerate().map(|(index, short)| {
        ResponseFlag::named(short).ok_or_else(|| {
            let meant = did_you_mean(short, ResponseFlag::ALL.iter().map(|flag| flag.short()));
            let message = format!("{short} is no response flag{meant}");
            FieldFault::new(format!("{at}[{index}]"), message)
        })
    });
    let flags: Vec<_> = flags.collect::<Result<_, _>>()?;
    if flags.is_empty() {
        return Err(FieldFault::new(at, "at least one is needed"));
    }
    Ok(LogFilter::Flags(flags))
}

fn statuses(spec: &GrpcStatusFilterSpec, at: &str) -> Result<LogFilter, FieldFault> {
    let statuses = spec.statuses.iter().enumerate().map(|(index, name)| {
        let place = GRPC_STATUSES.iter().position(|status| status == name);
        let status = place.and_then(|place| u8::try_from(place).ok());
        status.ok_or_else(|| {
            let meant = did_you_mean(name, GRPC_STATUSES);
            let message = format!("{name} is no status of gRPC{meant}");
            FieldFault::new(format!("{at}[{index}]"), message)
        })
    });
    let statuses: Vec<_> = statuses.collect::<Result<_, _>>()?;
    if statuses.is_empty() {
        return Err(FieldFault::new(at, "at least one is needed"));
    }
    let exclude = spec.exclude.unwrap_or_default();
    Ok(LogFilter::GrpcStatus(GrpcStatusSet { statuses, exclude }))
}
