//! Compiles `rateLimit` of a GatewayExtension.

use std::time::Duration;

use egret_api::kgateway::{RateLimitExtension, XRateLimitHeaders};

use super::ServiceReader;
use crate::compile::value::{ONE_MILLISECOND, SpecFields};
use crate::policy::global_limit::RateLimitService;

/// The longest time that a request waits for the answer.
const TIMEOUT: Duration = Duration::from_millis(100);

impl ServiceReader<'_> {
    /// The service; `None` if there are faults.
    pub(super) fn rate_limit(
        &mut self,
        spec: &RateLimitExtension,
        fields: &mut SpecFields<'_>,
    ) -> Option<RateLimitService> {
        let RateLimitExtension {
            domain,
            fail_open,
            grpc_service,
            timeout,
            x_rate_limit_headers,
        } = spec;
        if domain.is_empty() {
            fields.fault("domain", "a domain is needed");
        }
        let timeout = fields.time("timeout", timeout.as_deref(), ONE_MILLISECOND);
        let timeout = timeout.unwrap_or(TIMEOUT);
        let mut inner = fields.nested("grpcService");
        let mut grpc = self.grpc_service(
            grpc_service,
            &mut inner,
            "spec.rateLimit.grpcService",
            timeout,
        )?;
        // The call itself may have a shorter one.
        grpc.timeout = grpc.timeout.min(timeout);
        Some(RateLimitService {
            grpc,
            domain: domain.clone(),
            fails_open: fail_open.unwrap_or(true),
            tells_limits: *x_rate_limit_headers == Some(XRateLimitHeaders::DraftVersion03),
        })
    }
}
