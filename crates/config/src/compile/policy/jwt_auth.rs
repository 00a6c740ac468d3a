//! Compiles `jwtAuth` of a TrafficPolicy to [`JwtAuth`], of the GatewayExtension that it refers to.

use egret_api::kgateway::{TrafficJwtAuth, TrafficPolicySpec};

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::value::SpecFields;
use crate::policy::jwt_auth::JwtAuth;

impl ReadPolicy for JwtAuth {
    type Spec = TrafficJwtAuth;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficJwtAuth> {
        spec.jwt_auth.as_ref()
    }

    fn read(
        spec: &TrafficJwtAuth,
        fields: &mut SpecFields<'_>,
        reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficJwtAuth {
            extension_ref,
            disable,
        } = spec;
        let reference = extension_ref.as_ref();
        match reader.extension_unless_disabled::<Self>(reference, disable.is_some(), fields) {
            Some(jwt) => FieldReading::Set(jwt.clone()),
            None => FieldReading::Disabled,
        }
    }
}
