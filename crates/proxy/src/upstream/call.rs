//! Requests of the gateway's own, to services that policies ask and to collectors.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use egret_config::name::Authority;
use egret_config::snapshot::{RouteTimeouts, Scheme, TimeoutSetting, WeightedBackend};
use http::header::HOST;
use http::{Request, Response};

use super::request::{SendOptions, UpstreamReply};
use super::request_body::RequestBody;
use super::response_body::UpstreamBody;
use super::upstreams::Upstreams;
use crate::clock;
use crate::exchange::Progress;
use crate::message::target::{Target, TargetError, TargetForm};
use crate::plan::{ForwardPlan, PlannedRoute};
use crate::policy::Cleared;
use crate::record::Trip;
use crate::refusal::Refusal;

impl Upstreams {
    /// Sends a request of the gateway's own to a service, and waits for the response's head, all within `timeout`. The
    /// request takes the path of all others: circuit breakers, DNS, the egress policies of the service, the check of
    /// every address, TLS and the connection pool. Its URI is in absolute form; for a static backend the URI decides
    /// only `Host` and path.
    ///
    /// # Errors
    /// Every way in which a request can fail to be answered.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for the services that policies ask")
    )]
    pub(crate) async fn call(
        self: &Rc<Self>,
        service: &WeightedBackend,
        request: Request<Bytes>,
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
                request: TimeoutSetting::After(timeout),
                ..RouteTimeouts::default()
            },
            retry: None,
            upgrade: false,
            progress: &progress,
            trip: &trip,
        };
        let request = Request::from_parts(parts, RequestBody::own(body));
        match self.send(cleared, request, options).await? {
            UpstreamReply::Response(response) => Ok(response),
            UpstreamReply::Switched { .. } => Err(Refusal::UpstreamProtocol),
        }
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
