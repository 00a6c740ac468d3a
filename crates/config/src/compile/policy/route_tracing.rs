//! Compiles `tracing` of a TrafficPolicy to [`RouteTracing`].

use egret_api::kgateway::{TrafficPolicySpec, TrafficTracing};

use super::listener::{ALL_SAMPLED, span_attribute};
use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::value::SpecFields;
use crate::policy::route_tracing::RouteTracing;

/// Maximum number of attributes.
const MAX_ATTRIBUTES: usize = 16;

impl ReadPolicy for RouteTracing {
    type Spec = TrafficTracing;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficTracing> {
        spec.tracing.as_ref()
    }

    fn read(
        spec: &TrafficTracing,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficTracing {
            attributes,
            disable,
            overall_sampling,
            random_sampling,
            ..
        } = spec;
        if attributes.len() > MAX_ATTRIBUTES {
            fields.fault(
                "attributes",
                format!("at most {MAX_ATTRIBUTES} are allowed"),
            );
        }
        let percent = 0..=ALL_SAMPLED;
        let random = fields.number("randomSampling", *random_sampling, &percent);
        let overall = fields.number("overallSampling", *overall_sampling, &percent);
        let drawn = (random.is_some() || overall.is_some())
            .then(|| random.unwrap_or(ALL_SAMPLED) * overall.unwrap_or(ALL_SAMPLED));
        let attributes = attributes.iter().enumerate().filter_map(|(index, spec)| {
            span_attribute(spec, &mut fields.nested(&format!("attributes[{index}]")))
        });
        FieldReading::Set(Self {
            attributes: attributes.collect(),
            sampling: if disable.is_some() { Some(0) } else { drawn },
        })
    }
}
