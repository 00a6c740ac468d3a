//! Compiles `extAuth` of a TrafficPolicy to [`ExtAuth`], of the GatewayExtension that it refers to.

use egret_api::kgateway::{TrafficExtAuth, TrafficPolicySpec};

use super::extension::read_body;
use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::value::SpecFields;
use crate::policy::ext_auth::ExtAuth;

impl ReadPolicy for ExtAuth {
    type Spec = TrafficExtAuth;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficExtAuth> {
        spec.ext_auth.as_ref()
    }

    fn read(
        spec: &TrafficExtAuth,
        fields: &mut SpecFields<'_>,
        reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficExtAuth {
            extension_ref,
            with_request_body,
            context_extensions,
            disable,
        } = spec;
        let body = with_request_body.as_ref();
        let body = body.and_then(|body| read_body(body, &mut fields.nested("withRequestBody")));
        let reference = extension_ref.as_ref();
        let auth = reader.extension_unless_disabled::<Self>(reference, disable.is_some(), fields);
        match auth {
            Some(auth) => FieldReading::Set(Self {
                body: body.or(auth.body),
                context: context_extensions.clone(),
                ..auth.clone()
            }),
            None => FieldReading::Disabled,
        }
    }
}
