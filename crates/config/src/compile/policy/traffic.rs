//! TrafficPolicy. Of all it can say, `retry`, `httpUpgrade`, `basicAuth` and `apiKeyAuth` are supported.

use std::sync::Arc;

use super::authentication::Reader;
use super::{Draft, Outcome, Policies};
use crate::api::kgateway::TrafficPolicySpec;
use crate::compile::log::{Fault, Log};
use crate::compile::target::{Target, TargetKinds, Targets};
use crate::compile::value::Fields;
use crate::compile::{retry, upgrade};
use crate::policy::authentication::{ApiKeyAuth, BasicAuth};
use crate::resources::{GATEWAY_GROUP, Kind, ObjectRef, oldest_first};
use crate::snapshot::{RetryPolicy, Upgrades};

/// A value, and the policy that says it.
type Said<T> = (ObjectRef, T);

/// What clients have to have; `None` is nothing, whatever a wider policy says.
pub(super) type Demand<T> = Option<Arc<T>>;

const TARGETS: TargetKinds = TargetKinds {
    now: &[Kind::Gateway, Kind::HttpRoute, Kind::GrpcRoute],
    later: &[
        (GATEWAY_GROUP, "ListenerSet"),
        ("gateway.networking.x-k8s.io", "XListenerSet"),
    ],
};

/// What policies say at one target, each field with the policy that says it.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) retry: Option<Said<Arc<RetryPolicy>>>,
    pub(super) upgrades: Option<Said<Arc<Upgrades>>>,
    pub(super) basic: Option<Said<Demand<BasicAuth>>>,
    pub(super) keys: Option<Said<Demand<ApiKeyAuth>>>,
}

/// What became of the fields of a policy that met older ones.
#[derive(Default)]
struct Tally {
    taken: usize,
    /// With the policies that decide them.
    lost: Vec<(&'static str, ObjectRef)>,
}

pub(super) fn compile(targets: Targets<'_>, policies: &mut Policies, log: &mut Log) {
    for (reference, object) in oldest_first(&targets.resources.traffic_policies) {
        let spec = &object.value.spec;
        let TrafficPolicySpec {
            target_refs,
            target_selectors,
            retry,
            http_upgrade,
            basic_auth,
            api_key_auth,
            acl: _,
            auto_host_rewrite: _,
            buffer: _,
            compression: _,
            cors: _,
            csrf: _,
            ext_auth: _,
            ext_proc: _,
            fault_injection: _,
            header_modifiers: _,
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
        let reader = Reader {
            policy: reference,
            resources: targets.resources,
        };
        let said = Traffic {
            retry: retry.as_ref().map(|spec| {
                let retry = retry::of_policy(spec, &mut draft.faults);
                (reference.clone(), Arc::new(retry))
            }),
            upgrades: http_upgrade.as_ref().map(|specs| {
                let upgrades = upgrade::of_policy(specs, &mut draft.faults);
                (reference.clone(), Arc::new(upgrades))
            }),
            basic: basic_auth.as_ref().map(|spec| {
                let demand = reader.basic(spec, &mut draft.faults);
                (reference.clone(), demand)
            }),
            keys: api_key_auth.as_ref().map(|spec| {
                let demand = reader.api_keys(spec, &mut draft.faults);
                (reference.clone(), demand)
            }),
        };
        draft.finish(targets, policies, log, |policies, target| {
            let older = policies.traffic.entry(target.clone()).or_default();
            older.add(&said).outcome(target)
        });
    }
}

impl Traffic {
    /// Takes from a younger policy what no older one has said.
    fn add(&mut self, younger: &Self) -> Tally {
        let Self {
            retry,
            upgrades,
            basic,
            keys,
        } = self;
        let mut tally = Tally::default();
        tally.settle("retry", retry, younger.retry.as_ref());
        tally.settle("httpUpgrade", upgrades, younger.upgrades.as_ref());
        tally.settle("basicAuth", basic, younger.basic.as_ref());
        tally.settle("apiKeyAuth", keys, younger.keys.as_ref());
        tally
    }
}

impl Tally {
    fn settle<T: Clone>(
        &mut self,
        name: &'static str,
        older: &mut Option<Said<T>>,
        younger: Option<&Said<T>>,
    ) {
        match (&older, younger) {
            (_, None) => {}
            (Some((by, _)), Some(_)) => self.lost.push((name, by.clone())),
            (None, Some(said)) => {
                *older = Some(said.clone());
                self.taken += 1;
            }
        }
    }

    fn outcome(self, target: &Target) -> Outcome {
        let Self { taken, mut lost } = self;
        if taken == 0
            && let Some((_, by)) = lost.pop()
        {
            return Outcome::Overridden(by);
        }
        if lost.is_empty() {
            return Outcome::Attached;
        }
        let fault = |(name, by)| {
            let message = format!("the older {by} decides at {}", target.object);
            Fault::new(format!("spec.{name}"), message)
        };
        Outcome::Merged(lost.into_iter().map(fault).collect())
    }
}
