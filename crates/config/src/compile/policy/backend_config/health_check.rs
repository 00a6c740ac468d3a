//! Compiles `healthCheck` of a BackendConfigPolicy.

use std::time::Duration;

use egret_api::kgateway::{
    GrpcHealthCheckSpec, HealthCheckSpec, HttpHealthCheckSpec, TcpHealthCheckSpec,
};
use http::Method;
use http::uri::PathAndQuery;

use super::super::PolicyDraft;
use crate::compile::log::{FieldFault, ReportLog};
use crate::compile::target::TargetLookup;
use crate::compile::value::{MAX_NUMBER, ONE_MILLISECOND, SpecFields};
use crate::name::Authority;
use crate::snapshot::{HealthCheck, HealthProbe};

/// The most digits of what is sent or received.
const MAX_DIGITS: usize = 1024;
/// The most parts of what is received.
const MAX_PARTS: usize = 16;

/// Warns if a target is a Backend whose hosts clients choose: there is nothing to check.
pub(super) fn warn_of_unchecked(
    draft: &PolicyDraft<'_>,
    targets: TargetLookup<'_>,
    log: &mut ReportLog,
) {
    for target in &draft.targets {
        let backend = targets.resources.backends.get(&target.object);
        if backend.is_some_and(|it| it.value.spec.dynamic_forward_proxy.is_some()) {
            let message = format!(
                "has no effect on {}: its hosts are known when clients ask for them; outlierDetection is for such hosts",
                target.object
            );
            let warning = FieldFault::new("spec.healthCheck", message);
            log.warn(draft.policy, draft.source, &warning);
        }
    }
}

pub(super) fn read(spec: &HealthCheckSpec, faults: &mut Vec<FieldFault>) -> HealthCheck {
    let HealthCheckSpec {
        timeout,
        interval,
        unhealthy_threshold,
        healthy_threshold,
        http,
        grpc,
        tcp,
    } = spec;
    let mut fields = SpecFields::new("spec.healthCheck", faults);
    let probe = match (http, grpc, tcp) {
        (Some(http), None, None) => http_probe(http, &mut fields.nested("http")),
        (None, Some(grpc), None) => grpc_probe(grpc, &mut fields.nested("grpc")),
        (None, None, Some(tcp)) => tcp_probe(tcp, &mut fields.nested("tcp")),
        _ => {
            fields.struct_fault("exactly one of the fields in [http grpc tcp] must be set");
            tcp_probe(&TcpHealthCheckSpec::default(), &mut fields)
        }
    };
    let mut time = |name: &str, text: &str| {
        let time = fields.time(name, Some(text), ONE_MILLISECOND);
        time.unwrap_or(Duration::from_secs(1))
    };
    let (timeout, interval) = (time("timeout", timeout), time("interval", interval));
    // As Envoy does, zero counts as one.
    let mut count = |name: &str, number: i64| {
        let count = fields.number(name, Some(number), &(0..=MAX_NUMBER));
        count.unwrap_or(1).max(1)
    };
    HealthCheck {
        timeout,
        interval,
        unhealthy_threshold: count("unhealthyThreshold", *unhealthy_threshold),
        healthy_threshold: count("healthyThreshold", *healthy_threshold),
        probe,
    }
}

fn http_probe(spec: &HttpHealthCheckSpec, fields: &mut SpecFields<'_>) -> HealthProbe {
    let HttpHealthCheckSpec { host, path, method } = spec;
    if !path.starts_with('/') || PathAndQuery::try_from(path.as_str()).is_err() {
        fields.fault("path", "not a path: it begins with '/' and has no blanks");
    }
    let method = match method.as_deref() {
        None | Some("GET") => Method::GET,
        Some("HEAD") => Method::HEAD,
        Some("POST") => Method::POST,
        Some("PUT") => Method::PUT,
        Some("DELETE") => Method::DELETE,
        Some("OPTIONS") => Method::OPTIONS,
        Some("TRACE") => Method::TRACE,
        Some("PATCH") => Method::PATCH,
        Some(_) => {
            let message = "GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE and PATCH are supported";
            fields.fault("method", message);
            Method::GET
        }
    };
    HealthProbe::Http {
        host: authority("host", host.as_deref(), fields),
        path: path.clone(),
        method,
    }
}

fn grpc_probe(spec: &GrpcHealthCheckSpec, fields: &mut SpecFields<'_>) -> HealthProbe {
    let GrpcHealthCheckSpec {
        service_name,
        authority: named,
    } = spec;
    HealthProbe::Grpc {
        authority: authority("authority", named.as_deref(), fields),
        service: service_name.clone().unwrap_or_default(),
    }
}

fn tcp_probe(spec: &TcpHealthCheckSpec, fields: &mut SpecFields<'_>) -> HealthProbe {
    let TcpHealthCheckSpec { send, receive } = spec;
    if send.is_none() && receive.is_some() {
        fields.struct_fault("receive requires send to be set");
    }
    let parts = receive.as_deref().unwrap_or_default();
    if receive.is_some() && parts.is_empty() {
        fields.fault("receive", "at least one is needed");
    }
    if parts.len() > MAX_PARTS {
        fields.fault("receive", format!("at most {MAX_PARTS} are allowed"));
    }
    let parts = parts.iter().enumerate();
    HealthProbe::Tcp {
        send: send
            .as_deref()
            .map(|digits| bytes("send", digits, fields))
            .unwrap_or_default(),
        receive: parts
            .map(|(index, digits)| bytes(&format!("receive[{index}]"), digits, fields))
            .collect(),
    }
}

/// Reads bytes in hexadecimal digits.
fn bytes(name: &str, digits: &str, fields: &mut SpecFields<'_>) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()
        }
        _ => None,
    };
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    let bytes = bytes.filter(|bytes| !bytes.is_empty() && digits.len() <= MAX_DIGITS);
    bytes.unwrap_or_else(|| {
        let message =
            format!("an even number of hexadecimal digits is needed, at most {MAX_DIGITS}");
        fields.fault(name, message);
        Vec::new()
    })
}

/// Reads a host, with a port if it has one.
fn authority(name: &str, text: Option<&str>, fields: &mut SpecFields<'_>) -> Option<String> {
    let text = text.filter(|text| !text.is_empty())?;
    match Authority::parse(text.as_bytes()) {
        Ok(_) => Some(text.to_owned()),
        Err(error) => {
            fields.fault(name, error.to_string());
            None
        }
    }
}
