//! `spec.tls.frontend` of a Gateway: validation of client certificates at its listeners that terminate TLS, by port. The Gateway API
//! says so of HTTPS; a listener of protocol TLS is not left open where the Gateway asks for certificates.

use std::collections::{BTreeMap, BTreeSet};

use egret_api::gateway::{
    FrontendDefault, FrontendPort, FrontendPortTls, FrontendPortValidation,
    FrontendPortValidationMode, FrontendValidation, FrontendValidationMode, GatewayTls,
    GatewayTlsFrontend,
};

use crate::compile::authorities::{AuthorityRef, CaCertificates};
use crate::compile::backend::port_of;
use crate::compile::log::FieldFault;
use crate::name::Port;
use crate::resources::{ObjectRef, Resources};
use crate::snapshot::ValidationMode;

const DEFAULT: &str = "spec.tls.frontend.default";

/// The validation of client certificates, by port.
#[derive(Debug, Default)]
pub(super) struct FrontendTls {
    default: Option<FrontendClients>,
    /// Validation at single ports. It replaces the default, even if the port has no validation.
    per_port: BTreeMap<Port, PerPort>,
}

#[derive(Debug)]
struct PerPort {
    field: String,
    validation: Option<FrontendClients>,
}

/// The compiled `validation`, with its faults.
#[derive(Clone, Debug)]
pub(super) struct FrontendClients {
    /// The path of the field.
    pub(super) field: String,
    pub(super) mode: ValidationMode,
    pub(super) authorities: CaCertificates,
}

impl FrontendTls {
    /// Compiles `spec.tls.frontend`. Faults of the Gateway as a whole are added to `faults`.
    pub(super) fn read(
        spec: Option<&GatewayTls>,
        resources: &Resources,
        gateway: &ObjectRef,
        faults: &mut Vec<FieldFault>,
    ) -> Self {
        let mut read = Self::default();
        let Some(GatewayTls {
            backend: _,
            frontend: Some(frontend),
        }) = spec
        else {
            return read;
        };
        let GatewayTlsFrontend { default, per_port } = frontend;
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
                Err(message) => faults.push(FieldFault::new(format!("{field}.port"), message)),
                Ok(port) if read.per_port.contains_key(&port) => {
                    faults.push(FieldFault::new(format!("{field}.port"), "given twice"));
                }
                Ok(port) => {
                    read.per_port.insert(port, PerPort { field, validation });
                }
            }
        }
        read
    }

    /// The validation at a listener on this port that terminates TLS.
    pub(super) fn for_port(&self, port: Port) -> Option<&FrontendClients> {
        match self.per_port.get(&port) {
            Some(PerPort { validation, .. }) => validation.as_ref(),
            None => self.default.as_ref(),
        }
    }

    /// Validation that applies to none of the ports with such listeners. The port may be a mistake.
    pub(super) fn unused(&self, ports: &BTreeSet<Port>) -> impl Iterator<Item = FieldFault> {
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
            .map(|field| FieldFault::new(field, "applies to no HTTPS listener of this Gateway"))
    }
}

trait FrontendClientsSpec {
    /// Compiles `validation` and resolves its references; `at` is the path of the struct that contains it.
    fn read(&self, resources: &Resources, gateway: &ObjectRef, at: &str) -> FrontendClients;
}

/// The generated types of `validation` differ between the default and a port.
macro_rules! readable {
    ($validation:ident, $mode:ident) => {
        impl FrontendClientsSpec for $validation {
            fn read(
                &self,
                resources: &Resources,
                gateway: &ObjectRef,
                at: &str,
            ) -> FrontendClients {
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
                FrontendClients {
                    authorities: CaCertificates::read(resources, gateway, refs, &list),
                    field,
                    mode,
                }
            }
        }
    };
}

readable!(FrontendValidation, FrontendValidationMode);
readable!(FrontendPortValidation, FrontendPortValidationMode);
