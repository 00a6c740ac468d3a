//! TrafficPolicy. Of all it can say, only `retry` is supported.

use std::sync::Arc;

use super::{Draft, Outcome, Policies};
use crate::api::kgateway::TrafficPolicySpec;
use crate::compile::log::{Fault, Log};
use crate::compile::retry;
use crate::compile::target::{TargetKinds, Targets};
use crate::compile::value::Fields;
use crate::resources::{GATEWAY_GROUP, Kind, oldest_first};

const TARGETS: TargetKinds = TargetKinds {
    now: &[Kind::Gateway, Kind::HttpRoute],
    later: &[
        (GATEWAY_GROUP, "GRPCRoute"),
        (GATEWAY_GROUP, "ListenerSet"),
        ("gateway.networking.x-k8s.io", "XListenerSet"),
    ],
};

pub(super) fn compile(targets: Targets<'_>, policies: &mut Policies, log: &mut Log) {
    for (reference, object) in oldest_first(&targets.resources.traffic_policies) {
        let spec = &object.value.spec;
        let TrafficPolicySpec {
            target_refs,
            target_selectors,
            retry,
            acl: _,
            api_key_auth: _,
            auto_host_rewrite: _,
            basic_auth: _,
            buffer: _,
            compression: _,
            cors: _,
            csrf: _,
            ext_auth: _,
            ext_proc: _,
            fault_injection: _,
            header_modifiers: _,
            http_upgrade: _,
            internal_redirect: _,
            jwt_auth: _,
            oauth2: _,
            rate_limit: _,
            rbac: _,
            request_mirror: _,
            stat_prefix: _,
            timeouts: _,
            tracing: _,
            transformation: _,
            url_rewrite: _,
        } = spec;
        let mut draft = Draft::new(reference, &object.source, target_refs, TARGETS);
        draft.select(targets, target_selectors, TARGETS);
        if target_refs.is_empty() && target_selectors.is_empty() {
            // No fault: a rule may refer to it by a filter, and that is reported there.
            let message = "without targets the policy applies to nothing";
            log.warn(
                reference,
                &object.source,
                &Fault::new("spec.targetRefs", message),
            );
        }
        Fields::new("spec", &mut draft.faults).unsupported(spec.unsupported());
        let retry = retry
            .as_ref()
            .map(|retry| Arc::new(retry::of_policy(retry, &mut draft.faults)));
        draft.finish(targets, policies, log, |policies, target| {
            let Some(retry) = &retry else {
                return Outcome::Attached;
            };
            if let Some((older, _)) = policies.retry.get(target) {
                return Outcome::Overridden(older.clone());
            }
            let said = (reference.clone(), retry.clone());
            policies.retry.insert(target.clone(), said);
            Outcome::Attached
        });
    }
}
