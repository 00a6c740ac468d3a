//! Compiles `cors` of a TrafficPolicy to [`CorsPolicy`].

use egret_api::kgateway::{TrafficCors, TrafficPolicySpec};

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::cors::{CorsSpec, compile};
use crate::compile::value::SpecFields;
use crate::policy::cors::CorsPolicy;

impl ReadPolicy for CorsPolicy {
    type Spec = TrafficCors;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficCors> {
        spec.cors.as_ref()
    }

    fn read(
        spec: &TrafficCors,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficCors {
            allow_origins,
            allow_credentials,
            allow_methods,
            allow_headers,
            expose_headers,
            max_age,
            disable,
        } = spec;
        if disable.is_some() {
            return FieldReading::Disabled;
        }
        let spec = CorsSpec {
            allow_origins: allow_origins.as_deref().unwrap_or_default(),
            allow_credentials: *allow_credentials == Some(true),
            allow_methods: allow_methods.as_deref().unwrap_or_default(),
            allow_headers: allow_headers.as_deref().unwrap_or_default(),
            expose_headers: expose_headers.as_deref().unwrap_or_default(),
            max_age: *max_age,
        };
        FieldReading::Set(compile(spec, fields))
    }
}
