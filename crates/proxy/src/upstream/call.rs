//! Requests of the gateway's own, to services that policies ask and to collectors.

use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use egret_config::name::Authority;
use egret_config::snapshot::{FOREVER, RouteTimeouts, Scheme, TimeoutSetting, WeightedBackend};
use http::header::HOST;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::client_memo::ClientMemo;
use super::outgoing::OutgoingRequest;
use super::request::{SendOptions, UpstreamReply};
use super::request_body::RequestBody;
use super::response_body::{UpstreamBody, UpstreamBodyError};
use super::upstreams::Upstreams;
use crate::clock;
use crate::exchange::Progress;
use crate::message::target::{Target, TargetError, TargetForm};
use crate::meter::LabelValue as _;
use crate::plan::{ForwardPlan, PlannedRoute};
use crate::policy::Cleared;
use crate::record::Trip;
use crate::refusal::Refusal;

impl Upstreams {
    /// Sends a request of the gateway's own to a service, and waits for the response's head, all within `timeout`. The
    /// request takes the path of all others: circuit breakers, DNS, the egress policies of the service, the check of
    /// every address, TLS and the connection pool. The built-in deny list does not hold for it, because the configuration
    /// names the service. Its URI is in absolute form; for a static backend the URI decides
    /// only `Host` and path.
    ///
    /// # Errors
    /// Every way in which a request can fail to be answered.
    pub(crate) async fn call(
        self: &Rc<Self>,
        service: &WeightedBackend,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> Result<Response<UpstreamBody>, Refusal> {
        let request = request.map(RequestBody::own);
        // Boxed, because whoever calls holds it for long.
        Box::pin(self.call_with(service, request, timeout)).await
    }

    /// As [`Self::call`], with a body that may be made while it is sent. `timeout` is that of the response with its body too.
    ///
    /// # Errors
    /// Likewise.
    pub(super) async fn call_with(
        self: &Rc<Self>,
        service: &WeightedBackend,
        request: Request<RequestBody>,
        timeout: Duration,
    ) -> Result<Response<UpstreamBody>, Refusal> {
        let (mut parts, body) = request.into_parts();
        let target = target(&parts.uri)?;
        let mut plan = Box::new(ForwardPlan::new(
            &target,
            &PlannedRoute::default(),
            service,
            &parts,
        )?);
        self.choose_host(&mut plan);
        let cleared = Cleared::own(plan)?;
        target.override_host(&mut parts.headers, parts.version);
        let host = parts.headers.get(HOST).cloned();
        cleared.plan().address(&mut parts, host);
        let progress = Progress::new(clock::now(), timeout);
        let trip = Trip::default();
        let options = SendOptions {
            timeouts: RouteTimeouts {
                request: match timeout {
                    FOREVER => TimeoutSetting::Never,
                    timeout => TimeoutSetting::After(timeout),
                },
                ..RouteTimeouts::default()
            },
            retry: None,
            upgrade: false,
            progress: &progress,
            trip: &trip,
            memo: &ClientMemo::default(),
        };
        let request = OutgoingRequest::of(parts, body);
        match self.send(cleared, request, options).await? {
            UpstreamReply::Response(response) => Ok(response),
            UpstreamReply::Switched { .. } => Err(Refusal::UpstreamProtocol),
        }
    }
}

/// Why a service gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("no answer: {}", .0.row().reason.as_str())]
    Refused(Refusal),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("the answer is broken off: {0}")]
    BrokenOff(#[from] UpstreamBodyError),
    #[error("the answer did not come in time")]
    Timeout,
}

/// The whole content of an answer.
#[derive(Debug, Default)]
pub(crate) struct WholeAnswer {
    pub(crate) data: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Upstreams {
    /// Sends a request of the gateway's own to a service, and waits for the whole response, all within `limit`. Of a body that
    /// is longer than `longest` no more is read.
    ///
    /// # Errors
    /// Every way in which there is no whole response.
    pub(crate) async fn ask(
        self: &Rc<Self>,
        service: &WeightedBackend,
        request: Request<Bytes>,
        limit: Duration,
        longest: usize,
    ) -> Result<Response<WholeAnswer>, AnswerError> {
        let answer = async {
            let response = self.call(service, request, limit).await;
            let (head, mut body) = response.map_err(AnswerError::Refused)?.into_parts();
            let mut whole = BytesMut::new();
            let mut trailers = HeaderMap::new();
            while let Some(frame) = body.frame().await {
                let data = match frame?.into_data() {
                    Ok(data) => data,
                    Err(other) => {
                        trailers = other.into_trailers().unwrap_or_default();
                        continue;
                    }
                };
                if whole.len() + data.len() > longest {
                    return Err(AnswerError::TooLong(longest));
                }
                whole.extend_from_slice(&data);
            }
            let data = whole.freeze();
            Ok(Response::from_parts(head, WholeAnswer { data, trailers }))
        };
        let answer = timeout(limit, answer).await;
        answer.unwrap_or(Err(AnswerError::Timeout))
    }
}

/// The target that an absolute URI names.
fn target(uri: &http::Uri) -> Result<Target, TargetError> {
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err(TargetError::Scheme),
    };
    let authority = uri.authority().ok_or(TargetError::Missing)?;
    let Authority { host, port } = Authority::parse(authority.as_str().as_bytes())?;
    Ok(Target {
        scheme: Some(scheme),
        host,
        port,
        form: TargetForm::Request,
    })
}

#[cfg(test)]
mod tests;
