//! ListenerPolicy and HTTPListenerPolicy: how connections of clients are taken, and what they may do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::layer::PolicyLayer;
use super::{Draft, Outcome, Policies};
use crate::api::kgateway::{ListenerPolicySpec, ListenerPort, ListenerSettings};
use crate::api::target::TargetSelector;
use crate::compile::backend::port_of;
use crate::compile::log::{Fault, Log};
use crate::compile::target::{Target, TargetKinds, Targets};
use crate::name::Port;
use crate::resources::{Kind, ObjectRef, oldest_first};

mod clients;
mod http;
mod settings;
mod upgrade;

use http::Http;
pub(super) use settings::Settings;

const TARGETS: TargetKinds = TargetKinds::only(&[Kind::Gateway]);

/// What one policy says.
#[derive(Debug, Default)]
struct Said {
    default: Settings,
    /// In place of the default.
    per_port: BTreeMap<Port, Settings>,
}

/// What is attached so far.
struct Attached<'a> {
    targets: Targets<'a>,
    policies: &'a mut Policies,
    all: All,
}

/// What policies say, by what they apply to: those that go before others first.
type All = BTreeMap<Target, Vec<Arc<Said>>>;

pub(super) fn compile(targets: Targets<'_>, policies: &mut Policies, log: &mut Log) {
    let mut attached = Attached {
        targets,
        policies,
        all: All::new(),
    };
    for (reference, object) in oldest_first(&targets.resources.listener_policies) {
        let ListenerPolicySpec {
            target_refs,
            target_selectors,
            default,
            per_port,
        } = &object.value.spec;
        let mut draft = Draft::new(reference, &object.source, target_refs, TARGETS);
        select(targets, target_selectors, &mut draft);
        let default = default.as_ref();
        let default = default.map(|spec| read(targets, spec, "spec.default", &mut draft));
        let said = Said {
            default: default.unwrap_or_default(),
            per_port: by_port(targets, per_port, &mut draft),
        };
        for fault in said.unused(targets, &draft.targets) {
            log.warn(reference, &object.source, &fault);
        }
        attached.finish(draft, said, log);
    }
    for (reference, object) in oldest_first(&targets.resources.http_listener_policies) {
        let spec = &object.value.spec;
        let mut draft = Draft::new(reference, &object.source, &spec.target_refs, TARGETS);
        for (index, target) in spec.target_refs.iter().enumerate() {
            if target.section_name.is_some() {
                let field = format!("spec.targetRefs[{index}].sectionName");
                draft.faults.push(Fault::new(
                    field,
                    "an HTTPListenerPolicy applies to a whole Gateway",
                ));
            }
        }
        select(targets, &spec.target_selectors, &mut draft);
        let mut said = Said::default();
        Http::from(spec).read(reference, "spec", &mut said.default, &mut draft.faults);
        attached.finish(draft, said, log);
    }
    let settled = settle(targets, &attached.all);
    policies.listeners = settled;
}

fn select(targets: Targets<'_>, selectors: &[TargetSelector], draft: &mut Draft<'_>) {
    draft.select(targets, selectors, TARGETS);
    if selectors.is_empty() {
        draft.needs_a_target();
    }
}

fn read(
    targets: Targets<'_>,
    spec: &ListenerSettings,
    at: &str,
    draft: &mut Draft<'_>,
) -> Settings {
    let mut settings = Settings::read(spec, at, &mut draft.faults, |refs, field| {
        clients::authorities(targets.resources, draft.policy, refs, field)
    });
    if let Some(spec) = &spec.http_settings {
        let at = format!("{at}.httpSettings");
        Http::from(spec).read(draft.policy, &at, &mut settings, &mut draft.faults);
    }
    settings
}

fn by_port(
    targets: Targets<'_>,
    specs: &[ListenerPort],
    draft: &mut Draft<'_>,
) -> BTreeMap<Port, Settings> {
    let mut by_port = BTreeMap::new();
    for (index, ListenerPort { port, listener }) in specs.iter().enumerate() {
        let field = format!("spec.perPort[{index}]");
        let settings = read(targets, listener, &format!("{field}.listener"), draft);
        let fault = match port_of(*port) {
            Err(message) => message,
            Ok(port) if by_port.contains_key(&port) => "given twice",
            Ok(port) => {
                by_port.insert(port, settings);
                continue;
            }
        };
        let fault = Fault::new(format!("{field}.port"), fault);
        draft.faults.push(fault);
    }
    by_port
}

impl Attached<'_> {
    fn finish(&mut self, draft: Draft<'_>, said: Said, log: &mut Log) {
        let Self {
            targets,
            policies,
            all,
        } = self;
        let said = Arc::new(said);
        draft.finish(*targets, policies, log, |_, target| {
            all.entry(target.clone()).or_default().push(said.clone());
            Outcome::Attached
        });
    }
}

/// What holds for each listener: a policy on it goes before one on its Gateway, and the older before the younger, field
/// by field.
fn settle(targets: Targets<'_>, all: &All) -> BTreeMap<ObjectRef, BTreeMap<String, Settings>> {
    let mut settled: BTreeMap<ObjectRef, BTreeMap<String, Settings>> = BTreeMap::new();
    for (gateway, object) in &targets.resources.gateways {
        for listener in &object.value.spec.listeners {
            let port = port_of(listener.port).ok();
            let mut settings = Settings::default();
            for section in [Some(listener.name.as_str()), None] {
                let policies = all.get(&Target::new(gateway, section));
                for said in policies.into_iter().flatten() {
                    settings.inherit(said.at(port));
                }
            }
            let listeners = settled.entry(gateway.clone()).or_default();
            listeners.insert(listener.name.clone(), settings);
        }
    }
    settled
}

impl Said {
    fn at(&self, port: Option<Port>) -> &Settings {
        let own = port.and_then(|port| self.per_port.get(&port));
        own.unwrap_or(&self.default)
    }

    /// What applies to no listener of the targets: a port may have been mistaken for another, and without TLS no client
    /// is asked for a certificate.
    fn unused(&self, targets: Targets<'_>, of: &[Target]) -> Vec<Fault> {
        let mut ports = BTreeSet::new();
        let mut has_clients = false;
        for Target { object, section } in of {
            let Some(gateway) = targets.resources.gateways.get(object) else {
                continue;
            };
            let listeners = gateway.value.spec.listeners.iter();
            for listener in listeners.filter(|l| section.as_ref().is_none_or(|s| *s == l.name)) {
                let port = port_of(listener.port).ok();
                ports.extend(port);
                has_clients |= listener.protocol == "HTTPS" && self.at(port).clients.is_some();
            }
        }
        let mut faults = Vec::new();
        for port in self.per_port.keys().filter(|port| !ports.contains(port)) {
            let message = format!("no listener of the targets is on port {port}");
            faults.push(Fault::new("spec.perPort", message));
        }
        let mut all = self.per_port.values().chain([&self.default]);
        if !has_clients && all.any(|settings| settings.clients.is_some()) {
            let message = "clientCertificateValidation applies to no HTTPS listener of the targets";
            faults.push(Fault::new("spec", message));
        }
        faults
    }
}
