//! BackendConfigPolicy to [`BackendSettings`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CompiledPolicies, PolicyDraft, TargetOutcome};
use crate::compile::log::{FieldFault, ReportLog};
use crate::compile::target::{PolicyTarget, TargetKinds, TargetLookup};
use crate::resources::{Kind, ObjectRef, oldest_first};
use crate::snapshot::BackendSettings;

mod http2;
mod parts;
mod tls;

use parts::{BackendConfigLayer, LoadBalancerLayer, PerConnectionLayer};

const TARGETS: TargetKinds = TargetKinds {
    supported: &[Kind::Backend],
    planned: &[("", "Service"), ("networking.istio.io", "Hostname")],
};

/// What all policies on one Backend say together.
struct Said {
    /// The oldest of them.
    first: ObjectRef,
    parts: BackendConfigLayer,
}

/// What became of the fields of a policy that met older ones.
#[derive(Default)]
struct Tally {
    taken: usize,
    /// With who decides them.
    lost: Vec<(&'static str, String)>,
}

pub(super) fn compile(
    targets: TargetLookup<'_>,
    policies: &mut CompiledPolicies,
    log: &mut ReportLog,
) {
    let mut said: BTreeMap<ObjectRef, Said> = BTreeMap::new();
    for (reference, object) in oldest_first(&targets.resources.backend_config_policies) {
        let spec = &object.value.spec;
        let mut draft = PolicyDraft::new(reference, &object.source, &spec.target_refs, TARGETS);
        draft.select(targets, &spec.target_selectors, TARGETS);
        if spec.target_selectors.is_empty() {
            draft.require_target();
        }
        let secret = |name: &str| {
            let secret = ObjectRef::new(Kind::Secret, &reference.namespace, name);
            let object = targets.resources.secrets.get(&secret)?;
            Some((secret, &object.value))
        };
        let parts = BackendConfigLayer::read(spec, secret, &mut draft.faults);
        draft.finish(targets, policies, log, |policies, target| {
            let backend = &target.object;
            let said = said.entry(backend.clone()).or_insert_with(|| Said {
                first: reference.clone(),
                parts: BackendConfigLayer::default(),
            });
            let mut tally = said.parts.add(&parts);
            let mut settings = said.settings();
            // A BackendTLSPolicy goes before it.
            let standard = policies.backend_tls.get(backend);
            if let Some(claim) = standard {
                settings.tls.clone_from(&claim.tls);
                if parts.tls.is_some() {
                    tally.lost.retain(|(name, _)| *name != "tls");
                    tally.lost.push(("tls", claim.policy.to_string()));
                }
            }
            policies.backend.insert(backend.clone(), Arc::new(settings));
            if said.first == *reference && tally.lost.is_empty() {
                return TargetOutcome::Attached;
            }
            tally.outcome(target, &said.first)
        });
    }
}

impl Said {
    fn settings(&self) -> BackendSettings {
        let BackendConfigLayer {
            connect_timeout,
            tcp_keepalive,
            load_balancer,
            outlier_detection,
            circuit_breakers,
            replay_limit,
            per_connection,
            http2,
            tls,
        } = &self.parts;
        let default = BackendSettings::default();
        let LoadBalancerLayer {
            algorithm,
            close_on_address_change,
        } = load_balancer.unwrap_or_default();
        let PerConnectionLayer {
            idle_timeout,
            max_requests,
        } = per_connection.unwrap_or_default();
        BackendSettings {
            policy: Some(self.first.clone()),
            connect_timeout: connect_timeout.unwrap_or(default.connect_timeout),
            tcp_keepalive: tcp_keepalive.or(default.tcp_keepalive),
            load_balancing: algorithm,
            close_on_address_change: close_on_address_change
                .unwrap_or(default.close_on_address_change),
            outlier_detection: outlier_detection.or(default.outlier_detection),
            circuit_breakers: circuit_breakers.unwrap_or(default.circuit_breakers),
            replay_limit: replay_limit.unwrap_or(default.replay_limit),
            idle_timeout,
            max_requests_per_connection: max_requests,
            tls: tls.clone(),
            http2: http2.unwrap_or(default.http2),
        }
    }
}

impl BackendConfigLayer {
    /// Takes from a younger policy what no older one has said, each field of `spec` as a whole, as kgateway does.
    fn add(&mut self, younger: &Self) -> Tally {
        let Self {
            connect_timeout,
            tcp_keepalive,
            load_balancer,
            outlier_detection,
            circuit_breakers,
            replay_limit,
            per_connection,
            http2,
            tls,
        } = self;
        let mut tally = Tally::default();
        tally.settle("connectTimeout", connect_timeout, younger.connect_timeout);
        tally.settle("tcpKeepalive", tcp_keepalive, younger.tcp_keepalive);
        tally.settle("loadBalancer", load_balancer, younger.load_balancer);
        tally.settle(
            "outlierDetection",
            outlier_detection,
            younger.outlier_detection,
        );
        tally.settle(
            "circuitBreakers",
            circuit_breakers,
            younger.circuit_breakers,
        );
        tally.settle(
            "perConnectionBufferLimitBytes",
            replay_limit,
            younger.replay_limit,
        );
        tally.settle(
            "commonHttpProtocolOptions",
            per_connection,
            younger.per_connection,
        );
        tally.settle("http2ProtocolOptions", http2, younger.http2);
        tally.settle("tls", tls, younger.tls.clone());
        tally
    }
}

impl Tally {
    fn settle<T>(&mut self, name: &'static str, older: &mut Option<T>, younger: Option<T>) {
        match (&older, younger) {
            (_, None) => {}
            (Some(_), Some(_)) => self.lost.push((name, "an older policy".to_owned())),
            (None, younger) => {
                *older = younger;
                self.taken += 1;
            }
        }
    }

    fn outcome(self, target: &PolicyTarget, first: &ObjectRef) -> TargetOutcome {
        let Self { taken, lost } = self;
        if taken == 0 && !lost.is_empty() {
            return TargetOutcome::Overridden(first.clone());
        }
        let fault = |(name, by)| {
            let message = format!("{by} decides at {}", target.object);
            FieldFault::new(format!("spec.{name}"), message)
        };
        TargetOutcome::Merged(lost.into_iter().map(fault).collect())
    }
}
