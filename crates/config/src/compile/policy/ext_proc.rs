//! Compiles `extProc` of a TrafficPolicy to [`ExtProc`], of the GatewayExtension that it refers to.

use egret_api::kgateway::{TrafficExtProc, TrafficPolicySpec};

use super::extension::read_mode;
use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::value::SpecFields;
use crate::policy::ext_proc::ExtProc;

impl ReadPolicy for ExtProc {
    type Spec = TrafficExtProc;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficExtProc> {
        spec.ext_proc.as_ref()
    }

    fn read(
        spec: &TrafficExtProc,
        fields: &mut SpecFields<'_>,
        reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficExtProc {
            extension_ref,
            processing_mode,
            disable,
        } = spec;
        let mode = processing_mode.as_ref();
        let mode = mode.map(|mode| read_mode(mode, &mut fields.nested("processingMode")));
        let reference = extension_ref.as_ref();
        match reader.extension_unless_disabled::<Self>(reference, disable.is_some(), fields) {
            Some(of_extension) => FieldReading::Set(Self {
                mode: mode.unwrap_or(of_extension.mode),
                ..of_extension.clone()
            }),
            None => FieldReading::Disabled,
        }
    }
}
