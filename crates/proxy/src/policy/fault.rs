//! `faultInjection` of a TrafficPolicy: delays requests, fails them, and sends responses slowly, on purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use egret_config::policy::fault::{FaultInjection, FaultStatus};
use egret_config::policy::traffic::{PolicySetting, TrafficSettings};
use egret_config::resources::ObjectRef;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use tokio::time::sleep;

use super::draw::lot;
use crate::message::grpc;
use crate::refusal::{DenyingField, GRPC_STATUS, PolicyDenial, Refusal};

mod pace;

pub(crate) use pace::Pace;

/// The body of the response, which is Envoy's.
const BODY: &str = "fault filter abort";

/// How many delays and slow responses there are in the process, which `maxActiveFaults` limits.
#[derive(Debug, Default)]
pub(crate) struct ActiveFaults(AtomicU32);

/// One of the active faults, for as long as it lasts.
#[derive(Debug)]
pub(crate) struct ActiveFault(Arc<ActiveFaults>);

impl ActiveFaults {
    /// Begins a fault, unless there are as many as there may be.
    fn begin(self: &Arc<Self>, most: Option<u32>) -> Option<ActiveFault> {
        let most = most.unwrap_or(u32::MAX);
        let add = |active| (active < most).then(|| active + 1);
        let begun = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        begun.ok().map(|_| ActiveFault(Arc::clone(self)))
    }
}

impl Drop for ActiveFault {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes a request wait, and fails it, as the policies of its rule say. `None` if they say nothing, which costs nothing else.
pub(crate) fn inject<'a>(
    policies: &'a TrafficSettings,
    request: &'a Parts,
    active: &'a Arc<ActiveFaults>,
) -> Option<impl Future<Output = Result<(), Refusal>> + 'a> {
    let PolicySetting::Set(policy, fault) = &policies.fault_injection else {
        return None;
    };
    Some(delay_and_abort((policy, fault), request, active))
}

async fn delay_and_abort(
    (policy, fault): (&ObjectRef, &FaultInjection),
    request: &Parts,
    active: &Arc<ActiveFaults>,
) -> Result<(), Refusal> {
    if let Some(time) = fault.delay.and_then(|delay| delay.of(lot()))
        && let Some(_delay) = active.begin(fault.max_active)
    {
        sleep(time).await;
    }
    match fault.abort.and_then(|abort| abort.of(lot())) {
        Some(status) if active.begin(fault.max_active).is_some() => {
            Err(Refusal::Denied(Box::new(denial(policy, status, request))))
        }
        _ => Ok(()),
    }
}

/// The pace of the body of a response, if the policies of its rule want it slow.
pub(crate) fn response_pace(
    policies: &TrafficSettings,
    active: &Arc<ActiveFaults>,
) -> Option<Box<Pace>> {
    let fault = policies.fault_injection.value()?;
    let bytes_per_second = fault.response_rate?.of(lot())?;
    let active = active.begin(fault.max_active)?;
    Some(Box::new(Pace::new(bytes_per_second, active)))
}

fn denial(policy: &ObjectRef, status: FaultStatus, request: &Parts) -> PolicyDenial {
    let is_connect = request.method == Method::CONNECT;
    let is_grpc = !is_connect && grpc::is_asked_for(request.version, &request.headers);
    let (http, grpc) = match status {
        FaultStatus::Http(status) => (status, None),
        FaultStatus::Grpc(code) => (StatusCode::OK, Some(HeaderValue::from(u16::from(code)))),
    };
    PolicyDenial {
        policy: policy.clone(),
        by: DenyingField::Fault,
        rule: None,
        // A success would be consent to a tunnel.
        status: match http {
            success if is_connect && success.is_success() => StatusCode::SERVICE_UNAVAILABLE,
            status => status,
        },
        details: format!("faultInjection of {policy} fails this request on purpose"),
        body: Some(BODY.into()),
        headers: grpc
            .filter(|_| is_grpc)
            .map(|code| (GRPC_STATUS, code))
            .into_iter()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_faults_than_allowed() {
        let active = Arc::new(ActiveFaults::default());
        assert!(active.begin(Some(0)).is_none());
        let first = active.begin(Some(2)).unwrap();
        let second = active.begin(Some(2)).unwrap();
        assert!(active.begin(Some(2)).is_none());
        assert!(active.begin(None).is_some());
        drop(first);
        let third = active.begin(Some(2));
        assert!(third.is_some());
        drop((second, third));
        assert_eq!(active.0.load(Ordering::Relaxed), 0);
    }
}
