//! Compiles `tunnel` of a BackendConfigPolicy.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::super::PolicyDraft;
use super::super::backend_tls::DecidingPolicy;
use super::super::header_modifiers::{MAX_HEADERS, pair};
use super::super::reader::PolicyReader;
use super::TARGETS;
use crate::api::kgateway::{BackendConfigPolicySpec, HeaderSource, ServiceRef, TunnelSpec};
use crate::compile::backend::{BackendMap, ServableBackend, StaticHosts};
use crate::compile::grant;
use crate::compile::header::{HeaderPairs, MessageKind};
use crate::compile::log::FieldFault;
use crate::compile::review::{FaultCause, ReferentFault};
use crate::compile::target::{PolicyTarget, TargetLookup};
use crate::compile::value::SpecFields;
use crate::name::{Host, Port};
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::UpstreamProxy;

/// Where the proxy of a policy is looked up.
#[derive(Clone, Copy)]
pub(super) struct ProxyLookup<'a> {
    pub(super) reader: PolicyReader<'a>,
    pub(super) targets: TargetLookup<'a>,
    pub(super) backends: &'a BackendMap,
    pub(super) backend_tls: &'a BTreeMap<PolicyTarget, DecidingPolicy>,
}

pub(super) fn read(
    spec: &TunnelSpec,
    lookup: ProxyLookup<'_>,
    faults: &mut Vec<FieldFault>,
) -> Option<Arc<UpstreamProxy>> {
    let TunnelSpec { proxy, headers } = spec;
    let mut fields = SpecFields::new("spec.tunnel", faults);
    let headers = sent(headers.as_deref().unwrap_or_default(), lookup, &mut fields);
    match lookup.proxy(&proxy.backend_ref) {
        Ok((host, port)) => Some(Arc::new(UpstreamProxy {
            host,
            port,
            headers,
        })),
        Err(fault) => {
            fields.referent_fault("proxy.backendRef", fault);
            None
        }
    }
}

/// Checks what else the policy says, and what it applies to.
pub(super) fn check_neighbours(spec: &BackendConfigPolicySpec, draft: &mut PolicyDraft<'_>) {
    let mut fault = |message: &str| {
        let fault = FieldFault::new("spec.tunnel", message);
        draft.faults.push(fault);
    };
    if spec.health_check.is_some() {
        fault("healthCheck goes past the proxy: one of the two is needed");
    }
    if spec.upstream_proxy_protocol.is_some() {
        fault("upstreamProxyProtocol would be for the proxy: one of the two is needed");
    }
    let mut targets = draft.targets.iter();
    if targets.any(|target| target.object.kind == Kind::Service) {
        let message = "a Service is reached at its endpoints, and not through a proxy";
        draft.faults.push(FieldFault::new("spec.tunnel", message));
    }
}

/// The headers of the requests to the proxy. What is said to it is nobody else's business.
fn sent(
    specs: &[HeaderSource],
    lookup: ProxyLookup<'_>,
    fields: &mut SpecFields<'_>,
) -> Vec<(HeaderName, HeaderValue)> {
    if specs.len() > MAX_HEADERS {
        fields.fault("headers", format!("at most {MAX_HEADERS} are allowed"));
    }
    let mut pairs = HeaderPairs::default();
    for (index, spec) in specs.iter().enumerate() {
        let mut fields = fields.nested(&format!("headers[{index}]"));
        let header = pair(spec, MessageKind::Connect, &mut fields, lookup.reader);
        if let Some((name, mut value)) = header {
            value.set_sensitive(true);
            pairs.push(name, value);
        }
    }
    pairs.into_list()
}

impl ProxyLookup<'_> {
    fn proxy(self, spec: &ServiceRef) -> Result<(Host, Port), ReferentFault> {
        let (group, kind) = (spec.group.as_deref(), spec.kind.as_deref());
        let (group, kind) = (group.unwrap_or_default(), kind.unwrap_or("Service"));
        if Kind::find(group, kind) != Some(Kind::Backend) {
            let message = "only a Backend of type Static is supported as a proxy";
            return Err(message.to_owned().into());
        }
        let PolicyReader {
            policy, resources, ..
        } = self.reader;
        let namespace = spec.namespace.as_deref();
        let namespace = namespace.unwrap_or(&policy.namespace);
        let backend = ObjectRef::new(Kind::Backend, namespace, &spec.name);
        if !grant::allows(resources, policy, &backend) {
            let message = format!("missing reference grant for {backend}");
            return Err(ReferentFault::not_permitted(message));
        }
        if spec.port.is_some() {
            let message = format!("{backend} has ports of its own: leave port out");
            return Err(message.into());
        }
        if let Some(policy) = self.more_than_plain(&backend) {
            let message = format!(
                "{policy} has tls or a tunnel for {backend}: the connection to a proxy is a plain one"
            );
            return Err(of_reference(message));
        }
        match self.backends.get(&backend) {
            None => Err(ReferentFault::absent(resources, &backend)),
            Some(Err(wrong)) => Err(of_reference(format!("{}: {}", wrong.object, wrong.message))),
            Some(Ok(ServableBackend::Static(StaticHosts { hosts, .. }))) if hosts.len() == 1 => {
                Ok(hosts[0].clone())
            }
            Some(Ok(_)) => {
                let message = format!("{backend} has to be of type Static, with one host");
                Err(of_reference(message))
            }
        }
    }

    /// The policy that wants more than plain connections to a Backend.
    fn more_than_plain(self, backend: &ObjectRef) -> Option<ObjectRef> {
        let deciding = self.backend_tls.get(&PolicyTarget::new(backend, None));
        if let Some(deciding) = deciding {
            return Some(deciding.policy.clone());
        }
        let policies = &self.targets.resources.backend_config_policies;
        let mut policies = policies.iter().filter(|(reference, object)| {
            let spec = &object.value.spec;
            let mut draft = PolicyDraft::new(reference, object, &spec.target_refs, TARGETS);
            draft.select(self.targets, &spec.target_selectors, TARGETS);
            let mut targets = draft.targets.iter();
            (spec.tls.is_some() || spec.tunnel.is_some())
                && targets.any(|target| target.object == *backend)
        });
        policies.next().map(|(reference, _)| reference.clone())
    }
}

/// A fault that depends on other objects.
fn of_reference(message: String) -> ReferentFault {
    ReferentFault {
        message,
        cause: FaultCause::Reference,
    }
}
