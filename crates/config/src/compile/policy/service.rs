//! References of policies and GatewayExtensions to services: where the gateway's own requests go.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::CompiledPolicies;
use crate::compile::backend::{BackendMap, ServableBackend, StaticHosts, port_of};
use crate::compile::log::FieldFault;
use crate::compile::review::{FaultCause, ReferentFault};
use crate::compile::service::ServiceLookup;
use crate::compile::{grant, missing};
use crate::name::Host;
use crate::policy::egress::EgressPolicySet;
use crate::policy::service::ServiceId;
use crate::resources::{Kind, ObjectRef, Resources};
use crate::snapshot::{
    BackendDestination, BackendSettings, ResolverId, RouteFilters, ServiceDestination,
    StaticDestination, UpstreamTls, WeightedBackend,
};

mod backoff;
mod collector;
mod grpc;

pub(super) use backoff::read_pauses;
use egret_api::kgateway::ServiceRef;
pub(super) use grpc::read_retry;

/// What references to services lead to.
#[derive(Clone, Copy)]
pub(in crate::compile) struct Upstreams<'a> {
    pub(in crate::compile) backends: &'a BackendMap,
    pub(in crate::compile) services: &'a ServiceLookup<'a>,
}

/// The services that one object refers to, while it is read.
pub(super) struct ServiceReader<'a> {
    /// The object.
    pub(super) owner: &'a ObjectRef,
    pub(super) resources: &'a Resources,
    pub(super) upstreams: Upstreams<'a>,
    pub(super) policies: &'a CompiledPolicies,
    /// The services that were found.
    pub(super) found: BTreeMap<ServiceId, Arc<WeightedBackend>>,
    /// What is wrong with services that can be done without.
    pub(super) warnings: Vec<FieldFault>,
}

impl<'a> ServiceReader<'a> {
    pub(super) fn new(
        owner: &'a ObjectRef,
        resources: &'a Resources,
        upstreams: Upstreams<'a>,
        policies: &'a CompiledPolicies,
    ) -> Self {
        Self {
            owner,
            resources,
            upstreams,
            policies,
            found: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    /// The service that a field refers to. `tls_host` is the host of a URL that says that it is reached over TLS, whether or
    /// not a policy says how.
    pub(super) fn service(
        &mut self,
        spec: &ServiceRef,
        field: &str,
        tls_host: Option<&Host>,
    ) -> Result<ServiceId, ReferentFault> {
        let (group, kind) = (spec.group.as_deref(), spec.kind.as_deref());
        let (group, kind) = (group.unwrap_or_default(), kind.unwrap_or("Service"));
        let Some(known @ (Kind::Service | Kind::Backend)) = Kind::find(group, kind) else {
            let message = format!("unknown kind {group}/{kind}: Service and Backend are supported");
            return Err(message.into());
        };
        let namespace = spec.namespace.as_deref();
        let namespace = namespace.unwrap_or(&self.owner.namespace);
        let object = ObjectRef::new(known, namespace, &spec.name);
        if !grant::allows(self.resources, self.owner, &object) {
            let message = format!("missing reference grant for {object}");
            return Err(ReferentFault::not_permitted(message));
        }
        let destination = match known {
            Kind::Service => self.service_destination(object.clone(), spec.port, tls_host)?,
            _ => self.static_destination(object.clone(), spec.port, tls_host)?,
        };
        Ok(self.keep(field, &object, destination))
    }

    /// Keeps where the service of a field is.
    fn keep(&mut self, field: &str, object: &ObjectRef, to: BackendDestination) -> ServiceId {
        let id = ServiceId::new(self.owner, field);
        let service = WeightedBackend {
            weight: 1,
            filters: RouteFilters::default(),
            mirrors: Vec::new(),
            destination: to,
            egress: self.policies.egress_of_backend(object),
        };
        self.found.insert(id.clone(), Arc::new(service));
        id
    }

    fn service_destination(
        &self,
        service: ObjectRef,
        port: Option<i32>,
        tls_host: Option<&Host>,
    ) -> Result<BackendDestination, ReferentFault> {
        let port = port.ok_or_else(|| "Must have port for Service reference".to_owned())?;
        let port = port_of(port).map_err(str::to_owned)?;
        let served = self.upstreams.services.port(&service, port);
        let served = served.map_err(|fault| of_reference(fault.message))?;
        let section = Some(&*served.name);
        if let Some(broken) = self.policies.broken_backend(&service, section) {
            return Ok(BackendDestination::Refuse(broken.clone()));
        }
        let settings = self.policies.backend_settings(&service, section);
        let settings = over_tls(settings, tls_host);
        let version = served.http_version(settings.tls.is_some());
        Ok(BackendDestination::Service(ServiceDestination {
            service,
            version: version.map_err(of_reference)?,
            host: served.host,
            port,
            settings,
            endpoints: served.endpoints,
        }))
    }

    fn static_destination(
        &self,
        backend: ObjectRef,
        port: Option<i32>,
        tls_host: Option<&Host>,
    ) -> Result<BackendDestination, ReferentFault> {
        if port.is_some() {
            let message = format!("{backend} has ports of its own: leave port out");
            return Err(message.into());
        }
        let (hosts, version) = match self.upstreams.backends.get(&backend) {
            None => return Err(of_reference(missing::message(self.resources, &backend))),
            Some(Err(wrong)) => return Ok(BackendDestination::Refuse(wrong.clone())),
            Some(Ok(ServableBackend::Dynamic(_))) => {
                let message = format!(
                    "{backend} goes wherever a request asks to; a service has a host: write static"
                );
                return Err(of_reference(message));
            }
            Some(Ok(ServableBackend::Static(StaticHosts { hosts, version }))) => (hosts, *version),
        };
        if let Some(broken) = self.policies.broken_backend(&backend, None) {
            return Ok(BackendDestination::Refuse(broken.clone()));
        }
        let settings = self.policies.backend_settings(&backend, None);
        let resolver = self.policies.resolver.get(&backend);
        Ok(BackendDestination::Static(StaticDestination {
            resolver: resolver.cloned().unwrap_or(ResolverId::System),
            settings: over_tls(settings, tls_host),
            backend,
            version,
            hosts: hosts.clone(),
        }))
    }
}

/// A fault that depends on other objects.
fn of_reference(message: String) -> ReferentFault {
    ReferentFault {
        message,
        cause: FaultCause::Reference,
    }
}

/// The settings with TLS, if a URL says so and no policy does: by the system's CAs, for the host of the URL.
fn over_tls(settings: Arc<BackendSettings>, host: Option<&Host>) -> Arc<BackendSettings> {
    let Some(host) = host.filter(|_| settings.tls.is_none()) else {
        return settings;
    };
    Arc::new(BackendSettings {
        tls: Some(Arc::new(UpstreamTls::of_host(host))),
        ..(*settings).clone()
    })
}

impl CompiledPolicies {
    /// The EgressPolicies of a Backend, which hold for the gateway's own requests to it.
    fn egress_of_backend(&self, backend: &ObjectRef) -> Arc<EgressPolicySet> {
        let target = super::PolicyTarget::new(backend, None);
        let policies = self.egress.get(&target).cloned().unwrap_or_default();
        Arc::new(EgressPolicySet::new(policies))
    }
}
