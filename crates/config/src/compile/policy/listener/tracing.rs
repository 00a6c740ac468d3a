//! Reads `tracing`.

use std::sync::Arc;

use egret_api::kgateway::{
    LiteralAttribute, MetadataAttribute, NamedAttribute, OpenTelemetryTracingSpec,
    ResourceDetectorSpec, TracingAttributeSpec, TracingSpec,
};
use http::HeaderName;

use super::super::service::ServiceReader;
use super::tracing_layer::TracingLayer;
use crate::compile::log::FieldFault;
use crate::compile::value::SpecFields;
use crate::snapshot::{AttributeSource, SpanAttribute, Tracing};

/// The most bytes of a path in a span by default, as in Envoy.
const MAX_PATH: usize = 256;
/// All requests, in percent.
pub(in super::super) const ALL: u32 = 100;
/// The path of spans by default (OTLP/HTTP).
const TRACES_PATH: &str = "/v1/traces";
const ONE_SOURCE: &str =
    "exactly one of the fields in [literal requestHeader environment metadata] must be set";

/// Reads the field; `at` is the path of the struct that contains it. `None` if there are faults.
pub(super) fn read(
    spec: &TracingSpec,
    at: &str,
    services: &mut ServiceReader<'_>,
    faults: &mut Vec<FieldFault>,
) -> Option<Arc<TracingLayer>> {
    let TracingSpec {
        attributes,
        max_path_tag_length,
        overall_sampling,
        provider,
        random_sampling,
        spawn_upstream_span,
        ..
    } = spec;
    let at = format!("{at}.tracing");
    let mut fields = SpecFields::new(&at, faults);
    let percent = 0..=ALL;
    let random = fields.number("randomSampling", *random_sampling, &percent);
    let overall = fields.number("overallSampling", *overall_sampling, &percent);
    let max_path = fields.number("maxPathTagLength", *max_path_tag_length, &(1..=64 * 1024));
    let attributes = attributes.iter().enumerate().filter_map(|(index, spec)| {
        attribute(spec, &mut fields.nested(&format!("attributes[{index}]")))
    });
    let attributes = attributes.collect();
    let telemetry: &OpenTelemetryTracingSpec = &provider.open_telemetry;
    let service_name = telemetry.service_name.as_deref();
    let service_name = service_name.filter(|name| !name.is_empty());
    let at = format!("{at}.provider.openTelemetry");
    let (call, field) = match (&telemetry.grpc_service, &telemetry.http_service) {
        (Some(grpc), None) => (grpc.call(), "grpcService"),
        (None, Some(http)) => {
            let path = http.path.as_deref().unwrap_or(TRACES_PATH);
            (http.call().over_http(path), "httpService")
        }
        _ => {
            let message = "exactly one of the fields in [grpcService httpService] must be set";
            faults.push(FieldFault::new(&at, message));
            return None;
        }
    };
    let collector = services.collector(call, &format!("{at}.{field}"), faults)?;
    let tracing = Tracing {
        collector,
        service_name: service_name.unwrap_or_default().into(),
        sampling: random.unwrap_or(ALL) * overall.unwrap_or(ALL),
        max_path: max_path.unwrap_or(MAX_PATH),
        spawns_upstream_span: *spawn_upstream_span == Some(true),
        detects_environment: detects_environment(&telemetry.resource_detectors),
        attributes,
    };
    Some(Arc::new(TracingLayer {
        tracing,
        names_service: service_name.is_some(),
    }))
}

/// Whether the environment says attributes of the resource: the last detector of it decides.
fn detects_environment(detectors: &[ResourceDetectorSpec]) -> bool {
    let mut environment = detectors.iter().rev();
    let last = environment.find_map(|detector| detector.environment_resource_detector);
    last.is_some_and(|detector| detector.enable != Some(false))
}

/// Reads an attribute of spans. `None` if there are faults.
pub(in super::super) fn attribute(
    spec: &TracingAttributeSpec,
    fields: &mut SpecFields<'_>,
) -> Option<SpanAttribute> {
    if let Some(MetadataAttribute { default_value, .. }) = &spec.metadata
        && spec.literal.is_none()
        && spec.request_header.is_none()
        && spec.environment.is_none()
    {
        return Some(SpanAttribute {
            name: spec.name.as_str().into(),
            source: AttributeSource::Nowhere,
            default: default_value.as_deref().map(Into::into),
        });
    }
    let (source, default) = match (&spec.literal, &spec.request_header, &spec.environment) {
        _ if spec.metadata.is_some() => {
            fields.struct_fault(ONE_SOURCE);
            return None;
        }
        (Some(LiteralAttribute { value }), None, None) => {
            (AttributeSource::Literal(value.as_str().into()), None)
        }
        (
            None,
            Some(NamedAttribute {
                name,
                default_value,
            }),
            None,
        ) => {
            let Ok(name) = HeaderName::try_from(name) else {
                fields.fault("requestHeader.name", "not the name of a header field");
                return None;
            };
            (AttributeSource::RequestHeader(name), default_value.clone())
        }
        (
            None,
            None,
            Some(NamedAttribute {
                name,
                default_value,
            }),
        ) => {
            let source = AttributeSource::Environment(name.as_str().into());
            (source, default_value.clone())
        }
        _ => {
            fields.struct_fault(ONE_SOURCE);
            return None;
        }
    };
    Some(SpanAttribute {
        name: spec.name.as_str().into(),
        source,
        default: default.map(Into::into),
    })
}
