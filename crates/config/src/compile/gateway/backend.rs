//! `spec.tls.backend` of a Gateway: the certificate that it shows to backends (GEP-3155).

use egret_api::gateway::{GatewayTls, GatewayTlsBackend};

use super::tls::{SecretRef, identity};
use crate::compile::log::FieldFault;
use crate::compile::review::ReferentFault;
use crate::resources::{ObjectRef, Resources};
use crate::snapshot::TlsIdentity;

const FIELD: &str = "spec.tls.backend.clientCertificateRef";

/// The compiled `spec.tls.backend`.
#[derive(Debug, Default)]
pub(super) struct BackendTls {
    /// The certificate for servers that ask for one.
    pub(super) identity: Option<TlsIdentity>,
    /// Why there is none although one is referred to, with the reason for the condition.
    pub(super) unresolved: Option<(&'static str, FieldFault)>,
}

impl BackendTls {
    pub(super) fn read(
        spec: Option<&GatewayTls>,
        resources: &Resources,
        gateway: &ObjectRef,
    ) -> Self {
        let backend = spec.and_then(|tls| tls.backend.as_ref());
        let Some(GatewayTlsBackend {
            client_certificate_ref: Some(reference),
        }) = backend
        else {
            return Self::default();
        };
        let reference = SecretRef::from(reference);
        match identity(resources, gateway, reference, "InvalidClientCertificateRef") {
            Ok(identity) => Self {
                identity: Some(identity),
                unresolved: None,
            },
            Err((reason, ReferentFault { message, cause })) => {
                let fault = FieldFault::new(FIELD, message).with_cause(cause);
                Self {
                    identity: None,
                    unresolved: Some((reason, fault)),
                }
            }
        }
    }
}
