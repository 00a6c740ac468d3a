//! Services and EndpointSlices, as far as they say where a Service is reached.
//!
//! A cluster has thousands of them, and most of each is about other things. Only what matters here is kept, and shared
//! where it is copied.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::name::Port;

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// The labels, by which policies select Services.
    pub labels: BTreeMap<String, String>,
    /// The name that a Service of type `ExternalName` stands for.
    pub external_name: Option<Arc<str>>,
    /// The ports.
    pub ports: Arc<[ServicePort]>,
}

/// One of the ports of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// The name; empty for the only port of a Service.
    pub name: Arc<str>,
    /// The number by which others refer to the port; the endpoints may have another.
    pub port: Port,
    /// The transport protocol.
    pub transport: TransportProtocol,
    /// The application protocol (`appProtocol`).
    pub app_protocol: Option<Arc<str>>,
}

/// The transport protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportProtocol {
    /// TCP
    Tcp,
    /// UDP, SCTP or another
    Other,
}

/// A part of the endpoints of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// The name of the Service (label `kubernetes.io/service-name`); `None` belongs to no Service.
    pub service: Option<Arc<str>>,
    /// What the addresses are.
    pub addresses: SliceAddressType,
    /// The ports that all endpoints of the slice have; those without a number are left out.
    pub ports: Arc<[SlicePort]>,
    /// The endpoints that can serve; the others are left out.
    pub endpoints: Arc<[SliceEndpoint]>,
}

/// What the addresses of a slice are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceAddressType {
    /// IP addresses of either family.
    Ip,
    /// Names (`FQDN`), which are not read: such a slice has no endpoints here.
    Name,
}

/// A port of the endpoints of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePort {
    /// The name, which is that of the port of the Service.
    pub name: Arc<str>,
    /// The port at the endpoints.
    pub port: Port,
    /// The transport protocol.
    pub transport: TransportProtocol,
}

/// An endpoint that can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// The first of its addresses, which all mean the same.
    pub address: IpAddr,
    /// Whether it should get requests.
    pub state: EndpointState,
}

/// Whether an endpoint that can serve should get requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndpointState {
    /// It should.
    Ready,
    /// It is terminating, and gets requests only where no other endpoint is ready.
    Draining,
}
