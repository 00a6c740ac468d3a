//! Services: backends whose addresses EndpointSlices say.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::log::{FieldFault, ReportLog};
use super::missing;
use crate::name::{DnsName, NameError, Port};
use crate::resources::{
    EndpointSlice, EndpointState, LocatedObject, ObjectRef, Resources, Service, ServicePort,
    SliceAddressType, SlicePort, TransportProtocol,
};
use crate::snapshot::HttpVersion;

/// A slice, and which object it is.
type SliceEntry<'a> = (&'a ObjectRef, &'a LocatedObject<EndpointSlice>);

/// The Services, with the slices of each.
pub(super) struct ServiceLookup<'a> {
    resources: &'a Resources,
    /// The slices, by the namespace and the name of their Service.
    slices: BTreeMap<(&'a str, &'a str), Vec<SliceEntry<'a>>>,
    /// The ports that routes refer to. Rules that refer to the same port share its endpoints.
    used: RefCell<BTreeMap<(ObjectRef, Port), ServedPort>>,
}

/// A port of a Service that can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServedPort {
    /// The name of the port, as policies call it by `sectionName`.
    pub(super) name: Arc<str>,
    /// The name of the Service in the cluster's DNS.
    pub(super) host: DnsName,
    /// The application protocol (`appProtocol`).
    app_protocol: Option<Arc<str>>,
    /// The addresses of the endpoints, sorted; empty if none can serve.
    pub(super) endpoints: Arc<[SocketAddr]>,
}

/// Why a reference to a Service cannot be served: the reason of the Gateway API, the field, and the message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ServiceFault {
    pub(super) reason: &'static str,
    /// The field of the reference; empty for the reference as a whole.
    pub(super) field: &'static str,
    pub(super) message: String,
}

impl<'a> ServiceLookup<'a> {
    pub(super) fn new(resources: &'a Resources) -> Self {
        let mut slices: BTreeMap<_, Vec<SliceEntry<'a>>> = BTreeMap::new();
        for (reference, slice) in &resources.endpoint_slices {
            if let Some(service) = slice.value.service.as_deref() {
                let of_service = slices.entry((&*reference.namespace, service)).or_default();
                of_service.push((reference, slice));
            }
        }
        Self {
            resources,
            slices,
            used: RefCell::default(),
        }
    }

    /// The port of a Service that a route refers to.
    ///
    /// # Errors
    /// If the Service or its port does not exist, or cannot be served.
    pub(super) fn port(&self, service: &ObjectRef, port: Port) -> Result<ServedPort, ServiceFault> {
        let key = (service.clone(), port);
        if let Some(known) = self.used.borrow().get(&key) {
            return Ok(known.clone());
        }
        let served = self.compile(service, port)?;
        self.used.borrow_mut().insert(key, served.clone());
        Ok(served)
    }

    fn compile(&self, service: &ObjectRef, port: Port) -> Result<ServedPort, ServiceFault> {
        let not_found = |field, message| ServiceFault {
            reason: "BackendNotFound",
            field,
            message,
        };
        let Some(object) = self.resources.services.get(service) else {
            let message = missing::message(self.resources, service);
            return Err(not_found("", message));
        };
        if let Some(name) = &object.value.external_name {
            let message = format!(
                "{service} is of type ExternalName, which is not supported, because it would lead routes out of the \
                 cluster past every grant; use a Backend of type Static with the host {name}"
            );
            return Err(not_found("", message));
        }
        let written = port_of(&object.value, service, port)?;
        let ObjectRef {
            namespace, name, ..
        } = service;
        let host = format!("{name}.{namespace}.svc.cluster.local");
        let host = host
            .parse()
            .map_err(|error: NameError| not_found("", format!("{service}: its name: {error}")))?;
        Ok(ServedPort {
            name: Arc::clone(&written.name),
            host,
            app_protocol: written.app_protocol.clone(),
            endpoints: self.endpoints(service, written),
        })
    }

    /// The addresses of the endpoints at a port, which each slice has by its name: those that are ready, or if none is,
    /// those that still serve while they terminate.
    fn endpoints(&self, service: &ObjectRef, port: &ServicePort) -> Arc<[SocketAddr]> {
        let mut known: BTreeMap<SocketAddr, EndpointState> = BTreeMap::new();
        for (_, LocatedObject { value: slice, .. }) in self.slices_of(service) {
            let is_same =
                |known: &&SlicePort| known.name == port.name && known.transport == port.transport;
            let Some(at) = slice.ports.iter().find(is_same) else {
                continue;
            };
            for endpoint in &*slice.endpoints {
                let address = SocketAddr::new(endpoint.address, at.port.get());
                let state = known.entry(address).or_insert(endpoint.state);
                *state = endpoint.state.min(*state);
            }
        }
        let best = known.values().min().copied();
        let of_best = known.into_iter();
        of_best
            .filter(|(_, state)| Some(*state) == best)
            .map(|(address, _)| address)
            .collect()
    }

    fn slices_of<'s>(&'s self, service: &'s ObjectRef) -> &'s [SliceEntry<'a>] {
        let key = (&*service.namespace, &*service.name);
        self.slices.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Warns about Services that routes refer to and that cannot serve, and about slices that are not read.
    pub(super) fn report(&self, log: &mut ReportLog) {
        let used = self.used.borrow();
        let mut last = None;
        for ((service, port), served) in &*used {
            if served.endpoints.is_empty()
                && let Some(object) = self.resources.services.get(service)
            {
                let message = format!(
                    "no endpoint at port {port} is ready, so that requests to it are answered with 503"
                );
                log.warn(service, &object.source, &FieldFault::new("", message));
            }
            if last == Some(service) {
                continue;
            }
            last = Some(service);
            for (slice, object) in self.slices_of(service) {
                if object.value.addresses == SliceAddressType::Name {
                    let message = "FQDN is ignored: an endpoint is reached by an IP address";
                    let warning = FieldFault::new("addressType", message);
                    log.warn(slice, &object.source, &warning);
                }
            }
        }
    }
}

/// The TCP port of this number.
fn port_of<'s>(
    written: &'s Service,
    service: &ObjectRef,
    port: Port,
) -> Result<&'s ServicePort, ServiceFault> {
    let same_number = || written.ports.iter().filter(|known| known.port == port);
    if let Some(found) = same_number().find(|known| known.transport == TransportProtocol::Tcp) {
        return Ok(found);
    }
    let fault = |reason, message| ServiceFault {
        reason,
        field: "port",
        message,
    };
    if same_number().next().is_some() {
        let message = format!("port {port} of {service} is not a TCP port");
        return Err(fault("UnsupportedProtocol", message));
    }
    let ports: Vec<String> = written
        .ports
        .iter()
        .map(|known| known.port.to_string())
        .collect();
    let message = match ports.as_slice() {
        [] => format!("{service} has no ports"),
        ports => format!("{service} has no port {port}, but {}", ports.join(", ")),
    };
    Err(fault("BackendNotFound", message))
}

impl ServedPort {
    /// The HTTP version of the endpoints. The protocols of Kubernetes say how the endpoints must be spoken to; others are
    /// names that anybody may give, and say nothing.
    ///
    /// # Errors
    /// If the endpoints speak a protocol that is not supported, or not as they are reached.
    pub(super) fn http_version(&self, uses_tls: bool) -> Result<HttpVersion, String> {
        match self.app_protocol.as_deref() {
            Some("http2" | "grpc" | "grpc-web" | "kubernetes.io/h2c") => Ok(HttpVersion::Http2),
            Some("kubernetes.io/ws") => Ok(HttpVersion::Http1),
            Some("kubernetes.io/wss") if uses_tls => Ok(HttpVersion::Http1),
            Some("kubernetes.io/wss") => Err(
                "kubernetes.io/wss is over TLS, for which the Service needs a BackendTLSPolicy"
                    .to_owned(),
            ),
            Some(other) if other.starts_with("kubernetes.io/") => Err(format!(
                "{other} is not supported; kubernetes.io/h2c, kubernetes.io/ws and kubernetes.io/wss are"
            )),
            Some(_) | None => Ok(HttpVersion::Auto),
        }
    }
}
