//! Compiles ListenerPolicies and HTTPListenerPolicies: settings of client connections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::layer::PolicyLayer;
use super::service::{ServiceReader, Upstreams};
use super::{CompiledPolicies, ListenerScope, PolicyDraft, TargetOutcome};
use crate::compile::annotation::heaviest_first;
use crate::compile::backend::port_of;
use crate::compile::log::{FieldFault, ReportLog};
use crate::compile::target::{PolicyTarget, TargetKinds, TargetLookup};
use crate::name::Port;
use crate::resources::{Kind, ObjectRef};

mod access_log;
mod clients;
mod edge;
mod forwarding;
mod http;
mod local_replies;
mod settings;
mod tracing;
mod tracing_layer;
mod upgrade;

use egret_api::gateway::{GatewayListener, TlsMode};
use egret_api::kgateway::{ListenerPolicySpec, ListenerPort, ListenerSettings};
use egret_api::target::TargetSelector;
use http::HttpFields;
pub(super) use settings::ListenerLayer;
pub(super) use tracing::{ALL as ALL_SAMPLED, attribute as span_attribute};

const TARGETS: TargetKinds = TargetKinds::only(&[Kind::Gateway]);

/// The settings of one policy.
#[derive(Debug, Default)]
struct SettingsByPort {
    default: ListenerLayer,
    /// Settings of single ports, in place of the default.
    per_port: BTreeMap<Port, ListenerLayer>,
}

/// The policies that have been attached so far.
struct AttachedPolicies<'a> {
    targets: TargetLookup<'a>,
    policies: &'a mut CompiledPolicies,
    all: PoliciesByTarget,
}

/// The settings of policies by target; those that take precedence first.
type PoliciesByTarget = BTreeMap<PolicyTarget, Vec<Arc<SettingsByPort>>>;

pub(super) fn compile(
    targets: TargetLookup<'_>,
    upstreams: Upstreams<'_>,
    policies: &mut CompiledPolicies,
    log: &mut ReportLog,
) {
    let mut found = BTreeMap::new();
    let mut attached = AttachedPolicies {
        targets,
        policies,
        all: PoliciesByTarget::new(),
    };
    for (reference, object) in heaviest_first(&targets.resources.listener_policies) {
        let ListenerPolicySpec {
            target_refs,
            target_selectors,
            default,
            per_port,
        } = &object.value.spec;
        let mut draft = PolicyDraft::new(reference, object, target_refs, TARGETS);
        select(targets, target_selectors, &mut draft);
        let mut services =
            ServiceReader::new(reference, targets.resources, upstreams, attached.policies);
        let default = default.as_ref();
        let default = default.map(|spec| read(&mut services, spec, "spec.default", &mut draft));
        let layers = SettingsByPort {
            default: default.unwrap_or_default(),
            per_port: by_port(&mut services, per_port, &mut draft),
        };
        found.append(&mut services.found);
        let unused = layers.unused(targets, &draft.targets);
        let unknown = layers.unknown_in_formats();
        for fault in unused.iter().chain(&unknown).chain(&services.warnings) {
            log.warn(reference, &object.source, fault);
        }
        attached.finish(draft, layers, log);
    }
    for (reference, object) in heaviest_first(&targets.resources.http_listener_policies) {
        let spec = &object.value.spec;
        let mut draft = PolicyDraft::new(reference, object, &spec.target_refs, TARGETS);
        for (index, target) in spec.target_refs.iter().enumerate() {
            if target.section_name.is_some() {
                let field = format!("spec.targetRefs[{index}].sectionName");
                draft.faults.push(FieldFault::new(
                    field,
                    "an HTTPListenerPolicy applies to a whole Gateway",
                ));
            }
        }
        select(targets, &spec.target_selectors, &mut draft);
        let mut layers = SettingsByPort::default();
        let mut services =
            ServiceReader::new(reference, targets.resources, upstreams, attached.policies);
        let default = &mut layers.default;
        HttpFields::from(spec).read(&mut services, "spec", default, &mut draft.faults);
        found.append(&mut services.found);
        for fault in layers.unknown_in_formats().iter().chain(&services.warnings) {
            log.warn(reference, &object.source, fault);
        }
        attached.finish(draft, layers, log);
    }
    let merged = merge_layers(targets, &attached.all);
    policies.listeners = merged;
    policies.services.append(&mut found);
}

fn select(targets: TargetLookup<'_>, selectors: &[TargetSelector], draft: &mut PolicyDraft<'_>) {
    draft.select(targets, selectors, TARGETS);
    if selectors.is_empty() {
        draft.require_target();
    }
}

fn read(
    services: &mut ServiceReader<'_>,
    spec: &ListenerSettings,
    at: &str,
    draft: &mut PolicyDraft<'_>,
) -> ListenerLayer {
    let mut settings = ListenerLayer::read(spec, at, &mut draft.faults, |refs, field| {
        clients::authorities(services.resources, draft.policy, refs, field)
    });
    if let Some(spec) = &spec.http_settings {
        let at = format!("{at}.httpSettings");
        HttpFields::from(spec).read(services, &at, &mut settings, &mut draft.faults);
    }
    settings
}

fn by_port(
    services: &mut ServiceReader<'_>,
    specs: &[ListenerPort],
    draft: &mut PolicyDraft<'_>,
) -> BTreeMap<Port, ListenerLayer> {
    let mut by_port = BTreeMap::new();
    for (index, ListenerPort { port, listener }) in specs.iter().enumerate() {
        let field = format!("spec.perPort[{index}]");
        let settings = read(services, listener, &format!("{field}.listener"), draft);
        let fault = match port_of(*port) {
            Err(message) => message,
            Ok(port) if by_port.contains_key(&port) => "given twice",
            Ok(port) => {
                by_port.insert(port, settings);
                continue;
            }
        };
        let fault = FieldFault::new(format!("{field}.port"), fault);
        draft.faults.push(fault);
    }
    by_port
}

impl AttachedPolicies<'_> {
    fn finish(&mut self, draft: PolicyDraft<'_>, layers: SettingsByPort, log: &mut ReportLog) {
        let Self {
            targets,
            policies,
            all,
        } = self;
        let layers = Arc::new(layers);
        draft.finish(*targets, policies, log, |_, target| {
            all.entry(target.clone()).or_default().push(layers.clone());
            TargetOutcome::Attached
        });
    }
}

/// Merges the settings of each listener, field by field. A policy on the listener takes precedence over one on its
/// Gateway, and an older policy over a younger one. What a Gateway says holds for its ListenerSets.
fn merge_layers(
    targets: TargetLookup<'_>,
    all: &PoliciesByTarget,
) -> BTreeMap<ObjectRef, BTreeMap<String, ListenerLayer>> {
    let mut merged: BTreeMap<ObjectRef, BTreeMap<String, ListenerLayer>> = BTreeMap::new();
    let mut merge = |gateway: &ObjectRef, owner: &ObjectRef, listeners: &[GatewayListener]| {
        for listener in listeners {
            let port = port_of(listener.port).ok();
            let mut settings = ListenerLayer::default();
            let name = listener.name.as_str();
            let scope = ListenerScope {
                gateway,
                owner,
                name,
            };
            let mut places: Vec<_> = scope.targets().collect();
            places.reverse();
            for (object, section) in places {
                let policies = all.get(&PolicyTarget::new(object, section));
                for layers in policies.into_iter().flatten() {
                    settings.inherit(layers.at(port));
                }
            }
            let listeners = merged.entry(owner.clone()).or_default();
            listeners.insert(listener.name.clone(), settings);
        }
    };
    for (gateway, object) in &targets.resources.gateways {
        merge(gateway, gateway, &object.value.spec.listeners);
    }
    for (gateway, sets) in targets.resources.sets_by_gateway() {
        for (set, object) in sets {
            merge(&gateway, set, &object.value.spec.listeners);
        }
    }
    merged
}

/// Whether a listener terminates TLS, and so can ask for certificates.
fn terminates_tls(listener: &GatewayListener) -> bool {
    let mode = listener.tls.as_ref().and_then(|tls| tls.mode.as_ref());
    match listener.protocol.as_str() {
        "HTTPS" => true,
        "TLS" => !matches!(mode, Some(TlsMode::Passthrough)),
        _ => false,
    }
}

impl SettingsByPort {
    fn at(&self, port: Option<Port>) -> &ListenerLayer {
        let own = port.and_then(|port| self.per_port.get(&port));
        own.unwrap_or(&self.default)
    }

    /// Warnings about what the access log and the formats of answers cannot tell.
    fn unknown_in_formats(&self) -> Vec<FieldFault> {
        let all = self.per_port.values().chain([&self.default]);
        let mut faults: Vec<FieldFault> = Vec::new();
        for settings in all {
            let log = settings.access_log.as_ref();
            faults.extend(log.and_then(access_log::warning));
            let replies = settings.edge.local_replies();
            faults.extend(replies.and_then(local_replies::warning));
        }
        faults.dedup();
        faults
    }

    /// Warnings about settings that apply to no listener of the targets: the port may be a mistake, and without TLS no
    /// client certificate is requested.
    fn unused(&self, targets: TargetLookup<'_>, of: &[PolicyTarget]) -> Vec<FieldFault> {
        let mut ports = BTreeSet::new();
        let mut has_clients = false;
        let sets = targets.resources.sets_by_gateway();
        for PolicyTarget { object, section } in of {
            let Some(gateway) = targets.resources.gateways.get(object) else {
                continue;
            };
            let added = sets.get(object).filter(|_| section.is_none());
            let added = added.into_iter().flatten();
            let added = added.flat_map(|(_, set)| &set.value.spec.listeners);
            let listeners = gateway.value.spec.listeners.iter().chain(added);
            for listener in listeners.filter(|l| section.as_ref().is_none_or(|s| *s == l.name)) {
                let port = port_of(listener.port).ok();
                ports.extend(port);
                has_clients |= terminates_tls(listener) && self.at(port).clients.is_some();
            }
        }
        let mut faults = Vec::new();
        for port in self.per_port.keys().filter(|port| !ports.contains(port)) {
            let message = format!("no listener of the targets is on port {port}");
            faults.push(FieldFault::new("spec.perPort", message));
        }
        let mut all = self.per_port.values().chain([&self.default]);
        if !has_clients && all.any(|settings| settings.clients.is_some()) {
            let message = "clientCertificateValidation applies to no HTTPS listener of the targets";
            faults.push(FieldFault::new("spec", message));
        }
        faults
    }
}
