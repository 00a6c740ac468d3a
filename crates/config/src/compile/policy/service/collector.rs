//! Reads how a service that collects telemetry is called.

use std::time::Duration;

use egret_api::kgateway::{CallMetadata, CollectorCall, CollectorRetry};
use http::{HeaderName, HeaderValue};

use super::ServiceReader;
use super::backoff::read_pauses;
use crate::compile::log::{FieldFault, misconfiguration};
use crate::compile::review::FaultCause;
use crate::compile::value::{MAX_NUMBER, ONE_MILLISECOND, SpecFields};
use crate::policy::headers::is_protected;
use crate::policy::service::{CalledService, Collector, CollectorProtocol};
use crate::snapshot::BackendDestination;

/// The longest time that a call takes by default.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The first pause before a call is made again; the longest is ten times that.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

impl ServiceReader<'_> {
    /// The collector that the field `at` names; `None` if there are faults. Traffic does not depend on it: one that cannot
    /// be reached because of another object is a warning, and gets nothing.
    pub(in super::super) fn collector(
        &mut self,
        call: CollectorCall<'_>,
        at: &str,
        faults: &mut Vec<FieldFault>,
    ) -> Option<Collector> {
        let CollectorCall {
            authority,
            backend_ref,
            initial_metadata,
            retry_policy,
            timeout,
            path,
        } = call;
        let mut fields = SpecFields::new(at, faults);
        let timeout = fields.time("timeout", timeout, ONE_MILLISECOND);
        let (retries, back_off) = retries(retry_policy, &mut fields);
        let is_authority = |text: &str| text.parse::<http::uri::Authority>().is_ok();
        if authority.is_some_and(|text| !text.is_empty() && !is_authority(text)) {
            fields.fault("authority", "not an authority: write host or host:port");
        }
        if path.is_some_and(|path| !is_path(path)) {
            fields.fault("path", "not a path: it begins with a slash");
        }
        let metadata = metadata(initial_metadata, &mut fields);
        let id = match self.service(backend_ref, at, None) {
            Ok(id) => id,
            Err(fault) if fault.cause == FaultCause::Object => {
                fields.referent_fault("backendRef", fault);
                return None;
            }
            Err(fault) => {
                let message = format!("{}: nothing is sent there", fault.message);
                let wrong = misconfiguration(self.owner, &message);
                let field = format!("{at}.backendRef");
                self.warnings.push(FieldFault::new(field, message));
                self.keep(at, self.owner, BackendDestination::Refuse(wrong))
            }
        };
        let authority = match authority.filter(|text| !text.is_empty()) {
            Some(authority) => authority.to_owned(),
            None => self.authority(&id),
        };
        let service = CalledService {
            id,
            authority,
            timeout: timeout.unwrap_or(TIMEOUT),
            retries,
            back_off,
        };
        let protocol = path.map_or(CollectorProtocol::Grpc, |path| {
            CollectorProtocol::Http(path.into())
        });
        Some(Collector {
            service,
            protocol,
            metadata,
        })
    }
}

/// Whether a text is the path of requests.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok()
}

fn retries(
    spec: Option<&CollectorRetry>,
    fields: &mut SpecFields<'_>,
) -> (u32, (Duration, Duration)) {
    let Some(CollectorRetry {
        num_retries,
        retry_back_off,
    }) = spec
    else {
        return (0, (FIRST_PAUSE, FIRST_PAUSE * 10));
    };
    let mut fields = fields.nested("retryPolicy");
    let retries = fields.number("numRetries", *num_retries, &(1..=MAX_NUMBER));
    let pauses = fields.nested("retryBackOff");
    let pauses = read_pauses(retry_back_off.as_ref(), FIRST_PAUSE, pauses);
    (retries.unwrap_or(1), pauses)
}

fn metadata(specs: &[CallMetadata], fields: &mut SpecFields<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut metadata = Vec::new();
    for (index, CallMetadata { key, value }) in specs.iter().enumerate() {
        let mut fields = fields.nested(&format!("initialMetadata[{index}]"));
        let name = HeaderName::try_from(key).ok();
        let Some(name) = name.filter(|name| !is_protected(name)) else {
            fields.fault("key", "not the name of a header field that may be set");
            continue;
        };
        match HeaderValue::from_str(value) {
            Ok(mut value) => {
                value.set_sensitive(true);
                metadata.push((name, value));
            }
            Err(_) => fields.fault("value", "not the value of a header field"),
        }
    }
    metadata
}
