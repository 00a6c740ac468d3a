//! Compiles the small fields of a TrafficPolicy: `timeouts`, `urlRewrite`, `autoHostRewrite` and `buffer`.

use std::sync::Arc;
use std::time::Duration;

use egret_api::kgateway::{
    PathRegexRewrite, TrafficBuffer, TrafficPolicySpec, TrafficTimeouts, TrafficUrlRewrite,
};

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::value::SpecFields;
use crate::pattern::{RegexRewrite, RewriteFault};
use crate::policy::buffer::RequestBuffer;
use crate::policy::timeouts::{TimeoutLimits, TimeoutSetting};
use crate::policy::url_rewrite::{AutoHostRewrite, UrlRewriting};

/// The lengths of the texts of a rewrite in characters.
const REWRITE_LENGTH: usize = 1024;

impl ReadPolicy for TimeoutLimits {
    type Spec = TrafficTimeouts;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficTimeouts> {
        spec.timeouts.as_ref()
    }

    fn read(
        spec: &TrafficTimeouts,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficTimeouts {
            request,
            stream_idle,
        } = spec;
        let mut limit = |name, text: Option<&str>| match fields.time(name, text, Duration::ZERO) {
            None => TimeoutSetting::Default,
            Some(Duration::ZERO) => TimeoutSetting::Never,
            Some(time) => TimeoutSetting::After(time),
        };
        FieldReading::Set(Self {
            request: limit("request", request.as_deref()),
            stream_idle: limit("streamIdle", stream_idle.as_deref()),
        })
    }
}

impl ReadPolicy for UrlRewriting {
    type Spec = PathRegexRewrite;

    fn of(spec: &TrafficPolicySpec) -> Option<&PathRegexRewrite> {
        let TrafficUrlRewrite { path_regex } = spec.url_rewrite.as_ref()?;
        path_regex.as_ref()
    }

    fn read(
        spec: &PathRegexRewrite,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let PathRegexRewrite {
            pattern,
            substitution,
        } = spec;
        let mut fields = fields.nested("pathRegex");
        for (name, text) in [("pattern", pattern), ("substitution", substitution)] {
            if !(1..=REWRITE_LENGTH).contains(&text.chars().count()) {
                fields.fault(
                    name,
                    format!("1 to {REWRITE_LENGTH} characters are allowed"),
                );
            }
        }
        let odd = |char: char| !char.is_ascii_graphic() || char == '#';
        if substitution.contains(odd) {
            fields.fault("substitution", "not a part of a path");
        }
        match RegexRewrite::new(pattern, substitution) {
            Ok(rewrite) => FieldReading::Set(Self {
                path: Arc::new(rewrite),
            }),
            Err(fault) => {
                let (name, message) = match fault {
                    RewriteFault::Pattern(message) => ("pattern", message),
                    RewriteFault::Substitution(message) => ("substitution", message),
                };
                fields.fault(name, message);
                FieldReading::Disabled
            }
        }
    }
}

impl ReadPolicy for AutoHostRewrite {
    type Spec = bool;

    fn of(spec: &TrafficPolicySpec) -> Option<&bool> {
        spec.auto_host_rewrite.as_ref()
    }

    fn read(
        spec: &bool,
        _fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        match spec {
            true => FieldReading::Set(Self),
            false => FieldReading::Disabled,
        }
    }
}

impl ReadPolicy for RequestBuffer {
    type Spec = TrafficBuffer;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficBuffer> {
        spec.buffer.as_ref()
    }

    fn read(
        spec: &TrafficBuffer,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficBuffer {
            max_request_size,
            disable,
        } = spec;
        match (max_request_size, disable) {
            (None, Some(_)) => FieldReading::Disabled,
            (Some(size), None) => {
                let size = fields.bytes("maxRequestSize", Some(size), &(1..=u32::MAX));
                FieldReading::Set(Self {
                    max_request_size: size.unwrap_or(1),
                })
            }
            _ => {
                fields.struct_fault(
                    "exactly one of the fields in [maxRequestSize disable] must be set",
                );
                FieldReading::Disabled
            }
        }
    }
}
