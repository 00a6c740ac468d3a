//! `spec.tls` of a Gateway: whose certificates the clients of its HTTPS listeners may show, by port.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::gateway::{
    FrontendDefault, FrontendPort, FrontendPortTls, FrontendPortValidation,
    FrontendPortValidationMode, FrontendValidation, FrontendValidationMode, GatewayTls,
    GatewayTlsBackend, GatewayTlsFrontend,
};
use crate::compile::authorities::{Authorities, AuthorityRef};
use crate::compile::backend::port_of;
use crate::compile::log::Fault;
use crate::name::Port;
use crate::resources::{ObjectRef, Resources};
use crate::snapshot::ValidationMode;

const DEFAULT: &str = "spec.tls.frontend.default";

/// Which clients are let in, by port.
#[derive(Debug, Default)]
pub(super) struct Frontend {
    default: Option<Validation>,
    /// Takes the place of the default at that port, also where it says nothing.
    per_port: BTreeMap<Port, PerPort>,
}

#[derive(Debug)]
struct PerPort {
    field: String,
    validation: Option<Validation>,
}

/// `validation`, with what is wrong with it.
#[derive(Clone, Debug)]
pub(super) struct Validation {
    /// Where it is written.
    pub(super) field: String,
    pub(super) mode: ValidationMode,
    pub(super) authorities: Authorities,
}

impl Frontend {
    /// Reads it; what is wrong with the Gateway as a whole is a fault.
    pub(super) fn read(
        spec: Option<&GatewayTls>,
        resources: &Resources,
        gateway: &ObjectRef,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let mut read = Self::default();
        let Some(GatewayTls { backend, frontend }) = spec else {
            return read;
        };
        if let Some(GatewayTlsBackend {
            client_certificate_ref: Some(_),
        }) = backend
        {
            faults.push(Fault::unsupported("spec.tls.backend.clientCertificateRef"));
        }
        let Some(GatewayTlsFrontend { default, per_port }) = frontend else {
            return read;
        };
        let FrontendDefault { validation } = default;
        read.default = validation
            .as_ref()
            .map(|spec| spec.read(resources, gateway, DEFAULT));
        for (index, spec) in per_port.iter().flatten().enumerate() {
            let FrontendPort {
                port,
                tls: FrontendPortTls { validation },
            } = spec;
            let field = format!("spec.tls.frontend.perPort[{index}]");
            let at = format!("{field}.tls");
            let validation = validation
                .as_ref()
                .map(|spec| spec.read(resources, gateway, &at));
            match port_of(*port) {
                Err(message) => faults.push(Fault::new(format!("{field}.port"), message)),
                Ok(port) if read.per_port.contains_key(&port) => {
                    faults.push(Fault::new(format!("{field}.port"), "given twice"));
                }
                Ok(port) => {
                    read.per_port.insert(port, PerPort { field, validation });
                }
            }
        }
        read
    }

    /// What holds for an HTTPS listener of a port.
    pub(super) fn of(&self, port: Port) -> Option<&Validation> {
        match self.per_port.get(&port) {
            Some(PerPort { validation, .. }) => validation.as_ref(),
            None => self.default.as_ref(),
        }
    }

    /// What holds for none of the ports that have HTTPS listeners: a port may have been mistaken for another.
    pub(super) fn unused(&self, ports: &BTreeSet<Port>) -> impl Iterator<Item = Fault> {
        let default = self.default.iter();
        let default = default
            .filter(|_| ports.iter().all(|port| self.per_port.contains_key(port)))
            .map(|_| DEFAULT.to_owned());
        let per_port = self.per_port.iter();
        let per_port = per_port
            .filter(|(port, _)| !ports.contains(*port))
            .map(|(_, PerPort { field, .. })| field.clone());
        default
            .chain(per_port)
            .map(|field| Fault::new(field, "applies to no HTTPS listener of this Gateway"))
    }
}

trait Readable {
    /// Follows its references; `at` is what it is a field of.
    fn read(&self, resources: &Resources, gateway: &ObjectRef, at: &str) -> Validation;
}

/// The generated types of a Gateway and of a port of it are two.
macro_rules! readable {
    ($validation:ident, $mode:ident) => {
        impl Readable for $validation {
            fn read(&self, resources: &Resources, gateway: &ObjectRef, at: &str) -> Validation {
                let Self {
                    ca_certificate_refs,
                    mode,
                } = self;
                let field = format!("{at}.validation");
                let refs = ca_certificate_refs.iter().map(|reference| AuthorityRef {
                    group: &reference.group,
                    kind: &reference.kind,
                    namespace: reference.namespace.as_deref(),
                    name: &reference.name,
                });
                let list = format!("{field}.caCertificateRefs");
                let mode = match mode {
                    None | Some($mode::AllowValidOnly) => ValidationMode::Required,
                    Some($mode::AllowInsecureFallback) => ValidationMode::Unverified,
                };
                Validation {
                    authorities: Authorities::read(resources, gateway, refs, &list),
                    field,
                    mode,
                }
            }
        }
    };
}

readable!(FrontendValidation, FrontendValidationMode);
readable!(FrontendPortValidation, FrontendPortValidationMode);
