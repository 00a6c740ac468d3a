//! Backends: the destinations that routes forward to.

use std::collections::BTreeMap;
use std::net::IpAddr;

use egret_api::kgateway::{
    BackendSpec, BackendType, DynamicForwardProxy, StaticBackend, StaticHost,
};

use super::log::{FieldFault, ReportLog, join, misconfiguration};
use crate::name::{Host, HostPattern, NameError, Port};
use crate::report::{ObjectStatus, PlainStatus, StatusCondition};
use crate::resources::{ObjectRef, Resources};
use crate::snapshot::{HttpVersion, Misconfiguration, Scheme};

/// A Backend that can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServableBackend {
    /// The host that the request names; with this scheme, if the request does not name one.
    Dynamic(Scheme),
    /// Fixed hosts.
    Static(StaticHosts),
}

/// `static` of a Backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StaticHosts {
    /// The hosts; at least one.
    pub(super) hosts: Vec<(Host, Port)>,
    /// The HTTP version of the hosts.
    pub(super) version: HttpVersion,
}

/// Every Backend, or the reason why it cannot be served.
pub(super) type BackendMap = BTreeMap<ObjectRef, Result<ServableBackend, Misconfiguration>>;

pub(super) fn compile(resources: &Resources, log: &mut ReportLog) -> BackendMap {
    let mut backends = BackendMap::new();
    for (reference, object) in &resources.backends {
        let outcome = backend(&object.value.spec);
        let accepted = match &outcome {
            Ok(_) => StatusCondition::new("Accepted", true, "Accepted", "Backend accepted"),
            Err(faults) => StatusCondition::new("Accepted", false, "Invalid", message(faults)),
        };
        let conditions = vec![accepted];
        log.object(
            reference,
            &object.source,
            ObjectStatus::Plain(PlainStatus { conditions }),
        );
        let outcome = outcome.map_err(|faults| {
            log.problems(reference, &object.source, &faults);
            misconfiguration(reference, &join(&faults))
        });
        backends.insert(reference.clone(), outcome);
    }
    backends
}

/// The message of the condition, in kgateway's words.
fn message(faults: &[FieldFault]) -> String {
    match faults {
        [fault] => format!("Backend error: \"{fault}\""),
        faults => {
            let quoted: Vec<String> = faults.iter().map(|fault| format!("\"{fault}\"")).collect();
            format!("Backend has {} errors: {}", faults.len(), quoted.join(" "))
        }
    }
}

fn backend(spec: &BackendSpec) -> Result<ServableBackend, Vec<FieldFault>> {
    let BackendSpec {
        backend_type,
        dynamic_forward_proxy,
        fixed,
        aws,
        gcp,
        priority_groups,
    } = spec;
    let members = [
        (BackendType::Aws, "AWS", "aws", aws.is_some()),
        (BackendType::Static, "Static", "static", fixed.is_some()),
        (
            BackendType::DynamicForwardProxy,
            "DynamicForwardProxy",
            "dynamicForwardProxy",
            dynamic_forward_proxy.is_some(),
        ),
        (BackendType::Gcp, "GCP", "gcp", gcp.is_some()),
        (
            BackendType::PriorityGroups,
            "PriorityGroups",
            "priorityGroups",
            priority_groups.is_some(),
        ),
    ];
    let missing = members
        .iter()
        .find(|(kind, _, _, is_set)| *backend_type == Some(*kind) && !is_set);
    if let Some((_, kind, member, _)) = missing {
        let message = format!("{member} backend must be specified when type is '{kind}'");
        return Err(vec![FieldFault::new("spec", message)]);
    }
    if members.iter().filter(|(_, _, _, is_set)| *is_set).count() != 1 {
        let message = "exactly one of the fields in [aws static dynamicForwardProxy gcp priorityGroups] must be set";
        return Err(vec![FieldFault::new("spec", message)]);
    }
    match (dynamic_forward_proxy, fixed) {
        (Some(DynamicForwardProxy { enable_tls }), _) => {
            Ok(ServableBackend::Dynamic(match enable_tls {
                Some(true) => Scheme::Https,
                Some(false) | None => Scheme::Http,
            }))
        }
        (None, Some(fixed)) => static_hosts(fixed).map(ServableBackend::Static),
        (None, None) => {
            let set = members.iter().find(|(_, _, _, is_set)| *is_set);
            Err(set
                .map(|(_, _, member, _)| FieldFault::unsupported(format!("spec.{member}")))
                .into_iter()
                .collect())
        }
    }
}

fn static_hosts(fixed: &StaticBackend) -> Result<StaticHosts, Vec<FieldFault>> {
    let StaticBackend {
        app_protocol,
        hosts,
    } = fixed;
    let mut faults = Vec::new();
    let version = http_version(app_protocol.as_deref()).unwrap_or_else(|message| {
        faults.push(FieldFault::new("spec.static.appProtocol", message));
        HttpVersion::default()
    });
    if hosts.is_empty() {
        faults.push(FieldFault::new(
            "spec.static.hosts",
            "at least one host is needed",
        ));
    }
    let mut parsed = Vec::new();
    for (index, StaticHost { host, port }) in hosts.iter().enumerate() {
        let field = format!("spec.static.hosts[{index}]");
        let host = host_of(host).map_err(|error| {
            faults.push(FieldFault::new(format!("{field}.host"), error.to_string()))
        });
        let port = port_of(*port).map_err(|message| {
            faults.push(FieldFault::new(format!("{field}.port"), message.to_owned()))
        });
        if let (Ok(host), Ok(port)) = (host, port) {
            parsed.push((host, port));
        }
    }
    if faults.is_empty() {
        Ok(StaticHosts {
            hosts: parsed,
            version,
        })
    } else {
        Err(faults)
    }
}

/// The HTTP version of an `appProtocol`, as kgateway defines it: a WebSocket begins with HTTP/1.1.
fn http_version(app_protocol: Option<&str>) -> Result<HttpVersion, String> {
    match app_protocol {
        None => Ok(HttpVersion::Auto),
        Some("http2" | "grpc" | "grpc-web" | "kubernetes.io/h2c") => Ok(HttpVersion::Http2),
        Some("kubernetes.io/ws") => Ok(HttpVersion::Http1),
        Some(other) => Err(format!(
            "{other} is not supported; http2, grpc, grpc-web, kubernetes.io/h2c and kubernetes.io/ws are"
        )),
    }
}

/// Parses a host name, in letters of any script, or an IP address with or without brackets.
fn host_of(text: &str) -> Result<Host, NameError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Host::Ip(address));
    }
    if text.starts_with('[') {
        return text.parse();
    }
    match HostPattern::parse(text)? {
        HostPattern::Exact(name) => Ok(Host::Name(name)),
        HostPattern::Below(_) => Err(NameError::Wildcard),
    }
}

/// Parses a port of a resource.
pub(super) fn port_of(number: i32) -> Result<Port, &'static str> {
    u16::try_from(number)
        .ok()
        .and_then(Port::new)
        .ok_or("not a port: 1 to 65535")
}
