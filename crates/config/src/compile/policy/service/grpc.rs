//! Reads how a service that speaks gRPC is called.

use std::time::Duration;

use egret_api::kgateway::{GrpcServiceSpec, ServiceRetry};

use super::ServiceReader;
use super::backoff::read_pauses;
use crate::compile::value::{MAX_NUMBER, ONE_MILLISECOND, SpecFields};
use crate::policy::service::{CalledService, ServiceId};
use crate::snapshot::BackendDestination;

/// The first pause before a call is made again, as in Envoy; the longest is ten times that.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

impl ServiceReader<'_> {
    /// The service that a field refers to, with this timeout by default; `None` if there are faults.
    pub(in super::super) fn grpc_service(
        &mut self,
        spec: &GrpcServiceSpec,
        fields: &mut SpecFields<'_>,
        field: &str,
        timeout: Duration,
    ) -> Option<CalledService> {
        let GrpcServiceSpec {
            authority,
            backend_ref,
            request_timeout,
            retry,
        } = spec;
        let given = fields.time(
            "requestTimeout",
            request_timeout.as_deref(),
            ONE_MILLISECOND,
        );
        let (retries, back_off) = read_retry(retry.as_ref(), &mut fields.nested("retry"));
        let is_authority = |text: &&String| text.parse::<http::uri::Authority>().is_ok();
        if authority.as_ref().is_some_and(|text| !is_authority(&text)) {
            fields.fault("authority", "not an authority: write host or host:port");
        }
        let service = self.service(backend_ref, field, None);
        let id = service.map_err(|fault| fields.referent_fault("backendRef", fault));
        let id = id.ok()?;
        let authority = match authority.as_ref().filter(|text| !text.is_empty()) {
            Some(authority) => authority.clone(),
            None => self.authority(&id),
        };
        Some(CalledService {
            id,
            authority,
            timeout: given.unwrap_or(timeout),
            retries,
            back_off,
        })
    }

    /// The host and port of a service that was found.
    pub(in super::super) fn authority(&self, id: &ServiceId) -> String {
        let host = match self.found.get(id).map(|found| &found.destination) {
            Some(BackendDestination::Service(to)) => Some(format!("{}:{}", to.host, to.port)),
            Some(BackendDestination::Static(to)) => {
                let first = to.hosts.first();
                first.map(|(host, port)| format!("{host}:{port}"))
            }
            _ => None,
        };
        // What cannot be reached is not called.
        host.unwrap_or_else(|| "localhost".to_owned())
    }
}

/// How often a call is made again, and the first and the longest pause before.
pub(in super::super) fn read_retry(
    spec: Option<&ServiceRetry>,
    fields: &mut SpecFields<'_>,
) -> (u32, (Duration, Duration)) {
    let Some(spec) = spec else {
        return (0, (FIRST_PAUSE, FIRST_PAUSE * 10));
    };
    let attempts = fields.number("attempts", spec.attempts, &(0..=MAX_NUMBER));
    let pauses = read_pauses(spec.backoff.as_ref(), FIRST_PAUSE, fields.nested("backoff"));
    (attempts.unwrap_or(1), pauses)
}
