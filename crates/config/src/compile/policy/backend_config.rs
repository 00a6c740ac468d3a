//! Compiles BackendConfigPolicies to [`BackendSettings`], and merges those on one Backend or Service.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::backend_tls::DecidingPolicy;
use super::layer::LayerMerge;
use super::reader::PolicyReader;
use super::service::Upstreams;
use super::{CompiledPolicies, PolicyDraft, TargetOutcome};
use crate::compile::FileAccess;
use crate::compile::annotation::heaviest_first;
use crate::compile::log::{FieldFault, ReportLog};
use crate::compile::target::{PolicyTarget, TargetKinds, TargetLookup};
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::BackendSettings;

mod balancer;
mod dns;
mod health_check;
mod http2;
mod parts;
mod tls;
mod tls_files;
mod tunnel;

use balancer::LoadBalancerLayer;
use parts::{BackendConfigLayer, PerConnectionLayer};
use tls_files::TlsSources;
use tunnel::ProxyLookup;

const TARGETS: TargetKinds = TargetKinds {
    supported: &[Kind::Backend, Kind::Service],
    planned: &[("networking.istio.io", "Hostname")],
};

/// The policies on one Backend or Service, merged.
struct MergedPolicies {
    /// The oldest of the policies.
    first: ObjectRef,
    layer: BackendConfigLayer,
}

pub(super) fn compile(
    targets: TargetLookup<'_>,
    upstreams: Upstreams<'_>,
    files: FileAccess,
    policies: &mut CompiledPolicies,
    log: &mut ReportLog,
) {
    let mut by_backend: BTreeMap<ObjectRef, MergedPolicies> = BTreeMap::new();
    for (reference, object) in heaviest_first(&targets.resources.backend_config_policies) {
        let spec = &object.value.spec;
        let mut draft = PolicyDraft::new(reference, object, &spec.target_refs, TARGETS);
        draft.select(targets, &spec.target_selectors, TARGETS);
        if spec.target_selectors.is_empty() {
            draft.require_target();
        }
        let sources = TlsSources {
            policy: reference,
            resources: targets.resources,
            files,
        };
        let mut layer = BackendConfigLayer::read(spec, sources, &mut draft.faults);
        for warning in spec.tls.iter().flat_map(|tls| sources.absent(tls)) {
            log.warn(reference, &object.source, &warning);
        }
        if let Some(tunnel) = &spec.tunnel {
            let reader = PolicyReader {
                policy: reference,
                resources: targets.resources,
                extensions: &policies.extensions,
            };
            let lookup = ProxyLookup {
                reader,
                targets,
                upstreams,
                policies,
                files,
            };
            layer.tunnel = tunnel::read(tunnel, lookup, &mut draft.faults);
            tunnel::check_neighbours(spec, &mut draft);
        }
        if layer.health_check.is_some() {
            health_check::warn_of_unchecked(&draft, targets, log);
        }
        draft.finish(targets, policies, log, |policies, target| {
            let backend = &target.object;
            let merged = by_backend
                .entry(backend.clone())
                .or_insert_with(|| MergedPolicies {
                    first: reference.clone(),
                    layer: BackendConfigLayer::default(),
                });
            // Each field of `spec` is taken as a whole, as kgateway does.
            let merge = merged.layer.merge(&layer);
            let mut settings = merged.settings();
            // A BackendTLSPolicy takes precedence, and may be for one port of a Service.
            let ports = policies.backend_tls.iter();
            let ports = ports.filter(|(of, _)| of.object == *backend && of.section.is_some());
            for (of, DecidingPolicy { tls, .. }) in ports {
                let tls = tls.clone();
                let settings = BackendSettings {
                    tls,
                    ..settings.clone()
                };
                policies.backend.insert(of.clone(), Arc::new(settings));
            }
            let deciding = policies.backend_tls.get(target);
            if let Some(deciding) = deciding {
                settings.tls.clone_from(&deciding.tls);
            }
            let tls_policy = deciding.filter(|_| layer.tls.is_some());
            let outcome = merged.outcome(reference, target, merge, tls_policy.map(|it| &it.policy));
            policies.backend.insert(target.clone(), Arc::new(settings));
            outcome
        });
    }
}

impl MergedPolicies {
    fn settings(&self) -> BackendSettings {
        let BackendConfigLayer {
            connect_timeout,
            tcp_keepalive,
            load_balancer,
            outlier_detection,
            health_check,
            circuit_breakers,
            replay_limit,
            per_connection,
            http2,
            dns,
            proxy_protocol,
            tunnel,
            tls,
        } = &self.layer;
        let default = BackendSettings::default();
        let LoadBalancerLayer {
            algorithm,
            hash,
            slow_start,
            close_on_address_change,
        } = load_balancer.clone().unwrap_or_default();
        let PerConnectionLayer {
            idle_timeout,
            max_requests,
            max_header_fields,
            max_stream_duration,
        } = per_connection.unwrap_or_default();
        BackendSettings {
            policy: Some(self.first.clone()),
            connect_timeout: connect_timeout.unwrap_or(default.connect_timeout),
            tcp_keepalive: tcp_keepalive.or(default.tcp_keepalive),
            load_balancing: algorithm,
            hash,
            slow_start,
            close_on_address_change: close_on_address_change
                .unwrap_or(default.close_on_address_change),
            outlier_detection: outlier_detection.or(default.outlier_detection),
            // It would go past the proxy.
            health_check: health_check.clone().filter(|_| tunnel.is_none()),
            circuit_breakers: circuit_breakers.unwrap_or(default.circuit_breakers),
            replay_limit: replay_limit.unwrap_or(default.replay_limit),
            idle_timeout,
            max_requests_per_connection: max_requests,
            max_header_fields,
            max_stream_duration,
            tls: tls.clone(),
            http2: http2.unwrap_or(default.http2),
            dns: *dns,
            proxy_protocol: *proxy_protocol,
            tunnel: tunnel.clone(),
        }
    }

    /// The outcome of a policy at a target, after its merge; `tls_policy` is the BackendTLSPolicy that decides its `tls`.
    fn outcome(
        &self,
        policy: &ObjectRef,
        target: &PolicyTarget,
        merge: LayerMerge,
        tls_policy: Option<&ObjectRef>,
    ) -> TargetOutcome {
        let LayerMerge { taken, overridden } = merge;
        let overridden = overridden.into_iter();
        let mut overridden: Vec<(&str, String)> = overridden
            .filter(|name| *name != "tls" || tls_policy.is_none())
            .map(|name| (name, "a policy that goes first".to_owned()))
            .collect();
        overridden.extend(tls_policy.map(|policy| ("tls", policy.to_string())));
        if overridden.is_empty() && self.first == *policy {
            return TargetOutcome::Attached;
        }
        if taken == 0 && !overridden.is_empty() {
            return TargetOutcome::Overridden(self.first.clone());
        }
        let fault = |(name, by)| {
            let message = format!("{by} decides at {}", target.object);
            FieldFault::new(format!("spec.{name}"), message)
        };
        TargetOutcome::Merged(overridden.into_iter().map(fault).collect())
    }
}
