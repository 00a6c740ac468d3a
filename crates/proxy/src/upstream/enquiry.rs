//! Calls of services that policies ask, and of those that are told things, by requests of the gateway's own.

use std::rc::Rc;

use bytes::Bytes;
use egret_config::policy::service::CalledService;
use egret_config::snapshot::{Snapshot, WeightedBackend};
use http::{Request, Response, StatusCode};
use prost::Message;
use tokio::time::{sleep, timeout};

use super::call::{AnswerError, WholeAnswer};
use super::upstreams::Upstreams;
use crate::message::grpc::unary::{self, GrpcError};

/// The longest answer in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// Why a service gave no answer to a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the service is not configured")]
    NoService,
    #[error("its authority is not valid")]
    Authority(#[from] http::Error),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Grpc(#[from] GrpcError),
    #[error("the service answers {0}")]
    Status(StatusCode),
    #[error("the answer did not come in time")]
    Timeout,
}

impl Upstreams {
    /// Calls a method of a service over gRPC, a path, and waits for the answer, within the timeout of the service. What fails
    /// for the moment is tried again as configured.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) async fn call_grpc<A: Message + Default>(
        self: &Rc<Self>,
        snapshot: &Snapshot,
        to: &CalledService,
        method: &str,
        question: &impl Message,
    ) -> Result<A, CallError> {
        let service = service(snapshot, to)?;
        let request = unary::request(&to.authority, method, question, to.timeout)?;
        let call = async || {
            let answer = self.call_once(service, request.clone(), to).await?;
            let (head, body) = answer.into_parts();
            Ok(unary::answer(&head, &body.data, &body.trailers)?)
        };
        retried(to, call).await
    }

    /// Tells a service something over gRPC by this request, and waits until it has confirmed that.
    ///
    /// # Errors
    /// Why it has not.
    pub(crate) async fn tell_grpc(
        self: &Rc<Self>,
        snapshot: &Snapshot,
        to: &CalledService,
        request: Request<Bytes>,
    ) -> Result<(), CallError> {
        let service = service(snapshot, to)?;
        let call = async || {
            let answer = self.call_once(service, request.clone(), to).await?;
            let (head, body) = answer.into_parts();
            Ok(unary::succeeded(&head, &body.trailers)?)
        };
        retried(to, call).await
    }

    /// Sends a service a request over HTTP, likewise.
    ///
    /// # Errors
    /// Why there is no answer. A status that says that the service failed is none.
    pub(crate) async fn call_http(
        self: &Rc<Self>,
        snapshot: &Snapshot,
        to: &CalledService,
        request: Request<Bytes>,
    ) -> Result<Response<WholeAnswer>, CallError> {
        let service = service(snapshot, to)?;
        let call = async || {
            let answer = self.call_once(service, request.clone(), to).await?;
            let status = answer.status();
            if status.is_server_error() {
                return Err(CallError::Status(status));
            }
            Ok(answer)
        };
        retried(to, call).await
    }

    async fn call_once(
        self: &Rc<Self>,
        service: &WeightedBackend,
        request: Request<Bytes>,
        to: &CalledService,
    ) -> Result<Response<WholeAnswer>, CallError> {
        Ok(self.ask(service, request, to.timeout, MAX_ANSWER).await?)
    }
}

/// Where a service is.
///
/// # Errors
/// [`CallError::NoService`] if it is not configured.
pub(super) fn service<'s>(
    snapshot: &'s Snapshot,
    to: &CalledService,
) -> Result<&'s WeightedBackend, CallError> {
    let service = snapshot.services.get(&to.id);
    service
        .map(|service| &**service)
        .ok_or(CallError::NoService)
}

/// Calls again what failed for the moment, as configured, within the timeout.
async fn retried<T>(
    to: &CalledService,
    call: impl AsyncFn() -> Result<T, CallError>,
) -> Result<T, CallError> {
    let (mut pause, longest) = to.back_off;
    let mut left = to.retries;
    let called = async {
        loop {
            match call().await {
                Err(error) if left > 0 && error.may_pass() => {
                    left -= 1;
                    sleep(pause).await;
                    pause = pause.saturating_mul(2).min(longest);
                }
                outcome => return outcome,
            }
        }
    };
    let outcome = timeout(to.timeout, called).await;
    outcome.unwrap_or(Err(CallError::Timeout))
}

impl CallError {
    /// Whether the same call may be answered a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Answer(AnswerError::Refused(_) | AnswerError::BrokenOff(_)) | Self::Status(_) => {
                true
            }
            Self::Grpc(error) => error.may_pass(),
            Self::Answer(AnswerError::TooLong(_) | AnswerError::Timeout)
            | Self::NoService
            | Self::Authority(_)
            | Self::Timeout => false,
        }
    }
}
