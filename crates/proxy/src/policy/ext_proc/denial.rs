//! What a client is told when a service answers it, or gives no answer.

use std::sync::Arc;

use egret_config::policy::ext_proc::ExtProc;
use egret_config::resources::ObjectRef;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::fault::ProcessorFault;
use super::mutation::FieldMutation;
use crate::policy::envoy::ext_proc::ImmediateResponse;
use crate::refusal::grpc::GRPC_STATUS;
use crate::refusal::{DenyingField, PolicyDenial, Refusal};

/// The body of the response to a request with a body that is too large, which is Envoy's.
const TOO_LARGE: &str = "Payload Too Large";

/// What a client takes for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientForm {
    /// Any response.
    Plain,
    /// One with a status of gRPC.
    Grpc,
    /// A success begins a tunnel.
    Tunnel,
}

/// What a service answers the client in place of everything else.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ImmediateAnswer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: String,
    details: String,
}

impl ImmediateAnswer {
    /// Reads the answer to a request. As in Envoy the status is 200 if none is said, but that is no consent to a tunnel.
    ///
    /// # Errors
    /// If its fields are none.
    pub(super) fn read(
        response: &ImmediateResponse,
        form: ClientForm,
    ) -> Result<Self, ProcessorFault> {
        let status = response.status.as_ref();
        let status = status.and_then(|status| u16::try_from(status.code).ok());
        let status = status.filter(|code| (200..=599).contains(code));
        let status = status.and_then(|code| StatusCode::from_u16(code).ok());
        let status = match status.unwrap_or(StatusCode::OK) {
            consent if consent.is_success() && form == ClientForm::Tunnel => StatusCode::FORBIDDEN,
            status => status,
        };
        let mut headers = HeaderMap::new();
        if let Some(fields) = &response.headers {
            FieldMutation::read(fields, false)?.apply(&mut headers);
        }
        if let Some(grpc) = response.grpc_status.filter(|_| form == ClientForm::Grpc) {
            headers.insert(GRPC_STATUS, grpc.status.into());
        }
        let fields = headers.iter();
        Ok(Self {
            status,
            headers: fields
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            body: String::from_utf8_lossy(&response.body).into_owned(),
            details: response.details.clone(),
        })
    }
}

/// The refusal of a request that the service answers itself.
pub(super) fn immediate(policy: &ObjectRef, answer: &ImmediateAnswer) -> Refusal {
    let said = match answer.details.as_str() {
        "" => String::new(),
        details => format!(": {details}"),
    };
    Refusal::Denied(Box::new(PolicyDenial {
        policy: policy.clone(),
        by: DenyingField::ExtProc,
        rule: None,
        status: answer.status,
        details: format!("extProc of {policy}: the service answers the request itself{said}"),
        body: Some(answer.body.clone().into()),
        headers: answer.headers.clone(),
    }))
}

/// The refusal of a request about which the service gave no answer. The status is Envoy's.
pub(super) fn failed(policy: &ObjectRef, proc: &Arc<ExtProc>, fault: &ProcessorFault) -> Refusal {
    let (status, details) = match fault {
        ProcessorFault::Timeout => {
            let limit = proc.message_timeout;
            let details = format!("no answer came within {limit:?}");
            (StatusCode::GATEWAY_TIMEOUT, details)
        }
        fault => (StatusCode::INTERNAL_SERVER_ERROR, fault.to_string()),
    };
    denied(policy, DenyingField::ExtProcService, status, &details)
}

/// The refusal of a request whose body has more than so many bytes.
pub(crate) fn request_too_large(policy: &ObjectRef, most: usize) -> Refusal {
    let details = format!("the body has more than {most} bytes");
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    let mut denial = denial(policy, DenyingField::Buffer, status, &details);
    denial.body = Some(TOO_LARGE.into());
    Refusal::Denied(Box::new(denial))
}

/// The refusal in place of a response whose body has more than so many bytes.
pub(crate) fn response_too_large(policy: &ObjectRef, most: usize) -> Refusal {
    let details = format!("the body of the response has more than {most} bytes");
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    denied(policy, DenyingField::ExtProcBuffer, status, &details)
}

fn denied(policy: &ObjectRef, by: DenyingField, status: StatusCode, details: &str) -> Refusal {
    Refusal::Denied(Box::new(denial(policy, by, status, details)))
}

fn denial(policy: &ObjectRef, by: DenyingField, status: StatusCode, details: &str) -> PolicyDenial {
    PolicyDenial {
        policy: policy.clone(),
        by,
        rule: None,
        status,
        details: format!("extProc of {policy}: {details}"),
        body: None,
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::envoy::auth::HttpStatus;
    use crate::policy::envoy::ext_proc::GrpcStatus;

    #[test]
    fn an_answer_has_a_final_status_that_is_no_consent() {
        use ClientForm::{Grpc, Plain, Tunnel};
        for (code, form, expected) in [
            (Some(403), Plain, 403),
            (Some(200), Plain, 200),
            (Some(200), Tunnel, 403),
            (None, Tunnel, 403),
            (Some(404), Tunnel, 404),
            (None, Grpc, 200),
            (Some(101), Plain, 200),
            (Some(1000), Plain, 200),
            (Some(-1), Plain, 200),
        ] {
            let response = ImmediateResponse {
                status: code.map(|code| HttpStatus { code }),
                grpc_status: Some(GrpcStatus { status: 7 }),
                ..ImmediateResponse::default()
            };
            let answer = ImmediateAnswer::read(&response, form).unwrap();
            assert_eq!(answer.status, expected, "{code:?} {form:?}");
            assert_eq!(answer.headers.is_empty(), form != Grpc);
        }
    }
}
