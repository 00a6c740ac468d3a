//! Compiles `extProc` of a GatewayExtension.

use std::time::Duration;

use egret_api::kgateway::{
    BodySendMode, ExtProcExtension, ForwardedMetadata, HeaderSendMode, ProcessingMetadata,
    ProcessingModeSpec,
};

use super::ServiceReader;
use crate::compile::value::{ONE_MILLISECOND, SpecFields};
use crate::expression::ToldExpression;
use crate::policy::ext_proc::{BodyMode, ExtProc, MessageMode, ModeOverrides, ProcessingMode};
use crate::snapshot::FOREVER;

/// The longest time for each answer, which is Envoy's.
const MESSAGE_TIMEOUT: Duration = Duration::from_millis(200);
/// The namespace of metadata that has what the client's token says.
const CLAIMS: &str = "envoy.filters.http.jwt_authn";
/// That of what the service of `extAuth` has said of the request.
const AUTHORIZATION: &str = "envoy.filters.http.ext_authz";

impl ServiceReader<'_> {
    /// The service and what it gets; `None` if there are faults.
    pub(super) fn ext_proc(
        &mut self,
        spec: &ExtProcExtension,
        fields: &mut SpecFields<'_>,
    ) -> Option<ExtProc> {
        let ExtProcExtension {
            grpc_service,
            fail_open,
            processing_mode,
            message_timeout,
            max_message_timeout,
            allow_processing_mode_override,
            allowed_processing_mode_overrides,
            request_attributes,
            route_cache_action: _,
            metadata_options,
            filter_stage: _,
            stat_prefix: _,
        } = spec;
        let mut attributes = Vec::new();
        for (index, text) in request_attributes.iter().enumerate() {
            match ToldExpression::compile(text) {
                Ok(attribute) => attributes.push(attribute),
                Err(fault) => {
                    fields.fault(&format!("requestAttributes[{index}]"), fault.to_string())
                }
            }
        }
        let mode = processing_mode.unwrap_or_default();
        let mode = read_mode(&mode, &mut fields.nested("processingMode"));
        let mut among = Vec::new();
        for (index, mode) in allowed_processing_mode_overrides.iter().enumerate() {
            let mut list = fields.nested("allowedProcessingModeOverrides");
            among.push(read_mode(mode, &mut list.element(index)));
        }
        let overrides = match (allow_processing_mode_override, among.as_slice()) {
            (Some(true), []) => ModeOverrides::Any,
            (Some(true), _) => ModeOverrides::Among(among),
            (None | Some(false), _) => ModeOverrides::Ignored,
        };
        let mut time =
            |name, text: &Option<String>| fields.time(name, text.as_deref(), ONE_MILLISECOND);
        let message_timeout = time("messageTimeout", message_timeout).unwrap_or(MESSAGE_TIMEOUT);
        let max_message_timeout = time("maxMessageTimeout", max_message_timeout);
        let options = metadata_options.as_ref();
        let forwards = |name| options.is_some_and(|options| is_forwarded(options, name));
        let mut inner = fields.nested("grpcService");
        let field = "spec.extProc.grpcService";
        let service = self.grpc_service(grpc_service, &mut inner, field, FOREVER)?;
        Some(ExtProc {
            service,
            fails_open: fail_open.unwrap_or(true),
            message_timeout,
            max_message_timeout,
            mode,
            overrides,
            attributes,
            forwards_claims: forwards(CLAIMS),
            forwards_authorization: forwards(AUTHORIZATION),
        })
    }
}

/// What of a request and its response a service gets.
pub(in crate::compile::policy) fn read_mode(
    spec: &ProcessingModeSpec,
    fields: &mut SpecFields<'_>,
) -> ProcessingMode {
    let ProcessingModeSpec {
        request_header_mode,
        response_header_mode,
        request_body_mode,
        response_body_mode,
        request_trailer_mode,
        response_trailer_mode,
    } = spec;
    ProcessingMode {
        request: MessageMode {
            headers: is_sent(*request_header_mode, true),
            body: read_body_mode("requestBodyMode", *request_body_mode, fields),
            trailers: is_sent(*request_trailer_mode, false),
        },
        response: MessageMode {
            headers: is_sent(*response_header_mode, true),
            body: read_body_mode("responseBodyMode", *response_body_mode, fields),
            trailers: is_sent(*response_trailer_mode, false),
        },
    }
}

const fn is_sent(mode: Option<HeaderSendMode>, by_default: bool) -> bool {
    match mode {
        Some(HeaderSendMode::Send) => true,
        Some(HeaderSendMode::Skip) => false,
        Some(HeaderSendMode::Default) | None => by_default,
    }
}

fn read_body_mode(name: &str, mode: Option<BodySendMode>, fields: &mut SpecFields<'_>) -> BodyMode {
    match mode.unwrap_or_default() {
        BodySendMode::None => BodyMode::None,
        BodySendMode::Streamed => BodyMode::Streamed,
        BodySendMode::Buffered => BodyMode::Buffered,
        BodySendMode::BufferedPartial => BodyMode::BufferedPartial,
        BodySendMode::FullDuplexStreamed => {
            fields.fault(
                name,
                "FULL_DUPLEX_STREAMED is not supported: write STREAMED",
            );
            BodyMode::None
        }
    }
}

/// Whether the service gets the metadata of this namespace.
fn is_forwarded(options: &ProcessingMetadata, namespace: &str) -> bool {
    let forwarding = options.forwarding.as_ref();
    let untyped = forwarding.and_then(|ForwardedMetadata { untyped, .. }| untyped.as_ref());
    untyped.is_some_and(|names| names.iter().any(|name| name == namespace))
}
