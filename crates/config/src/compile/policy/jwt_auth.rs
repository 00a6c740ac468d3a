//! Compiles `jwtAuth` of a TrafficPolicy to [`JwtAuth`], of the GatewayExtension that it refers to.

use super::extension::ExtensionMember;
use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::api::kgateway::{TrafficJwtAuth, TrafficPolicySpec};
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
        match (extension_ref, disable) {
            (None, Some(_)) => FieldReading::Disabled,
            (Some(reference), None) => match reader.extension(reference, "jwt") {
                Ok(ExtensionMember::Jwt(jwt)) => FieldReading::Set(jwt.clone()),
                Ok(_) => unreachable!("the member was asked for by its name"),
                Err(fault) => {
                    fields.referent_fault("extensionRef", fault);
                    FieldReading::Disabled
                }
            },
            _ => {
                let message = "exactly one of the fields in [extensionRef disable] must be set";
                fields.struct_fault(message);
                FieldReading::Disabled
            }
        }
    }
}
