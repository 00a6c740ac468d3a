//! Compiles `requestMirror` of a TrafficPolicy to [`MirrorHost`].

use egret_api::kgateway::{TrafficPolicySpec, TrafficRequestMirror};

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::value::SpecFields;
use crate::name::Authority;
use crate::policy::request_mirror::MirrorHost;

impl ReadPolicy for MirrorHost {
    type Spec = TrafficRequestMirror;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficRequestMirror> {
        spec.request_mirror.as_ref()
    }

    fn read(
        spec: &TrafficRequestMirror,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficRequestMirror {
            disable_shadow_host_suffix_append: unchanged,
            host_rewrite_literal: literal,
        } = spec;
        if unchanged.is_none() && literal.is_none() {
            fields.struct_fault(
                "at least one of the fields in [disableShadowHostSuffixAppend hostRewriteLiteral] must be set",
            );
        }
        FieldReading::Set(match literal {
            Some(literal) => match Authority::parse(literal.as_bytes()) {
                Ok(host) => Self::Literal(host),
                Err(error) => {
                    fields.fault("hostRewriteLiteral", error.to_string());
                    Self::Shadow
                }
            },
            None if *unchanged == Some(true) => Self::Unchanged,
            None => Self::Shadow,
        })
    }
}
