//! Compiles `tunnel` of a BackendConfigPolicy.

use std::net::SocketAddr;
use std::sync::Arc;

use egret_api::kgateway::{BackendConfigPolicySpec, HeaderSource, ServiceRef, TunnelSpec};
use http::{HeaderName, HeaderValue};

use super::super::header_modifiers::{MAX_HEADERS, pair};
use super::super::reader::PolicyReader;
use super::super::service::Upstreams;
use super::super::{CompiledPolicies, PolicyDraft};
use super::TARGETS;
use super::parts::BackendConfigLayer;
use super::tls_files::TlsSources;
use crate::compile::FileAccess;
use crate::compile::annotation::heaviest_first;
use crate::compile::backend::{ServableBackend, StaticHosts, port_of};
use crate::compile::grant;
use crate::compile::header::{HeaderPairs, MessageKind};
use crate::compile::log::{FieldFault, join};
use crate::compile::review::{FaultCause, ReferentFault};
use crate::compile::target::{PolicyTarget, TargetLookup};
use crate::compile::value::SpecFields;
use crate::name::{Host, Port};
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{UpstreamProxy, UpstreamTls, UpstreamTunnel};

/// Where the proxy of a policy is looked up.
#[derive(Clone, Copy)]
pub(super) struct ProxyLookup<'a> {
    pub(super) reader: PolicyReader<'a>,
    pub(super) targets: TargetLookup<'a>,
    pub(super) upstreams: Upstreams<'a>,
    pub(super) policies: &'a CompiledPolicies,
    pub(super) files: FileAccess,
}

/// Where a proxy is.
struct FoundProxy {
    /// The object, and the port of a Service by its name.
    object: ObjectRef,
    section: Option<Arc<str>>,
    host: Host,
    port: Port,
    endpoints: Option<Arc<[SocketAddr]>>,
}

pub(super) fn read(
    spec: &TunnelSpec,
    lookup: ProxyLookup<'_>,
    faults: &mut Vec<FieldFault>,
) -> Option<UpstreamTunnel> {
    let TunnelSpec { proxy, headers } = spec;
    let mut fields = SpecFields::new("spec.tunnel", faults);
    let headers = sent(headers.as_deref().unwrap_or_default(), lookup, &mut fields);
    let found = lookup.proxy(&proxy.backend_ref);
    match found.and_then(|found| Ok((lookup.tls(&found)?, found))) {
        Ok((tls, found)) => Some(UpstreamTunnel {
            proxy: Arc::new(UpstreamProxy {
                host: found.host,
                port: found.port,
                is_service: found.endpoints.is_some(),
                tls,
                headers,
            }),
            endpoints: found.endpoints,
        }),
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

impl<'a> ProxyLookup<'a> {
    fn proxy(self, spec: &ServiceRef) -> Result<FoundProxy, ReferentFault> {
        let (group, kind) = (spec.group.as_deref(), spec.kind.as_deref());
        let (group, kind) = (group.unwrap_or_default(), kind.unwrap_or("Service"));
        let Some(known @ (Kind::Service | Kind::Backend)) = Kind::find(group, kind) else {
            let message = format!("unknown kind {group}/{kind}: Service and Backend are supported");
            return Err(message.into());
        };
        let PolicyReader {
            policy, resources, ..
        } = self.reader;
        let namespace = spec.namespace.as_deref();
        let namespace = namespace.unwrap_or(&policy.namespace);
        let object = ObjectRef::new(known, namespace, &spec.name);
        if !grant::allows(resources, policy, &object) {
            let message = format!("missing reference grant for {object}");
            return Err(ReferentFault::not_permitted(message));
        }
        match known {
            Kind::Service => self.service(object, spec.port),
            _ => self.backend(object, spec.port),
        }
    }

    fn service(self, object: ObjectRef, port: Option<i32>) -> Result<FoundProxy, ReferentFault> {
        let port = port.ok_or_else(|| "Must have port for Service reference".to_owned())?;
        let port = port_of(port).map_err(str::to_owned)?;
        let served = self.upstreams.services.port(&object, port);
        let served = served.map_err(|fault| of_reference(fault.message))?;
        Ok(FoundProxy {
            object,
            section: Some(served.name),
            host: Host::Name(served.host),
            port,
            endpoints: Some(served.endpoints),
        })
    }

    fn backend(self, object: ObjectRef, port: Option<i32>) -> Result<FoundProxy, ReferentFault> {
        if port.is_some() {
            let message = format!("{object} has ports of its own: leave port out");
            return Err(message.into());
        }
        match self.upstreams.backends.get(&object) {
            None => Err(ReferentFault::absent(self.reader.resources, &object)),
            Some(Err(wrong)) => Err(of_reference(format!("{}: {}", wrong.object, wrong.message))),
            Some(Ok(ServableBackend::Static(StaticHosts { hosts, .. }))) if hosts.len() == 1 => {
                let (host, port) = hosts[0].clone();
                Ok(FoundProxy {
                    object,
                    section: None,
                    host,
                    port,
                    endpoints: None,
                })
            }
            Some(Ok(_)) => {
                let message = format!("{object} has to be of type Static, with one host");
                Err(of_reference(message))
            }
        }
    }

    /// How connections to the proxy are made over TLS, if policies say so; they are those of its object.
    fn tls(self, proxy: &FoundProxy) -> Result<Option<Arc<UpstreamTls>>, ReferentFault> {
        let object = &proxy.object;
        let section = proxy.section.as_deref();
        if let Some(broken) = self.policies.broken_backend(object, section) {
            return Err(of_reference(format!(
                "{}: {}",
                broken.object, broken.message
            )));
        }
        let of = |section| {
            let target = PolicyTarget::new(object, section);
            self.policies.backend_tls.get(&target)
        };
        let deciding = section
            .and_then(|section| of(Some(section)))
            .or_else(|| of(None));
        let mut tls = deciding.and_then(|deciding| deciding.tls.clone());
        for (policy, spec) in self.policies_of(object) {
            if spec.tunnel.is_some() {
                let message = format!("{policy} has {object} reached through a proxy itself");
                return Err(of_reference(message));
            }
            let sources = TlsSources {
                policy,
                resources: self.reader.resources,
                files: self.files,
            };
            let mut faults = Vec::new();
            let layer = BackendConfigLayer::read(spec, sources, &mut faults);
            if !faults.is_empty() {
                return Err(of_reference(format!("{policy}: {}", join(&faults))));
            }
            tls = tls.or(layer.tls);
        }
        Ok(tls)
    }

    /// The BackendConfigPolicies on an object, in the order in which they decide.
    fn policies_of(
        self,
        object: &ObjectRef,
    ) -> impl Iterator<Item = (&'a ObjectRef, &'a BackendConfigPolicySpec)> {
        let policies = heaviest_first(&self.targets.resources.backend_config_policies);
        let targets = policies.into_iter().filter(move |(reference, located)| {
            let spec = &located.value.spec;
            let mut draft = PolicyDraft::new(reference, located, &spec.target_refs, TARGETS);
            draft.select(self.targets, &spec.target_selectors, TARGETS);
            draft.targets.iter().any(|target| target.object == *object)
        });
        targets.map(|(reference, located)| (reference, &located.value.spec))
    }
}

/// A fault that depends on other objects.
fn of_reference(message: String) -> ReferentFault {
    ReferentFault {
        message,
        cause: FaultCause::Reference,
    }
}
