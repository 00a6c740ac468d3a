//! Compiles `clientCertificateValidation` to [`ClientValidation`].

use egret_api::kgateway::{AuthorityReference, ClientCertificateValidation};

use crate::compile::authorities::{AuthorityRef, CaCertificates};
use crate::compile::log::FieldFault;
use crate::compile::value::SpecFields;
use crate::resources::{ObjectRef, Resources};
use crate::snapshot::{ClientValidation, ValidationMode};

/// Compiles the validation; `at` is the path of the struct that contains it. `None` if there are faults: with a
/// reference that cannot be resolved, the policy has no effect, rather than fewer CAs than configured.
pub(super) fn read(
    spec: &ClientCertificateValidation,
    at: &str,
    faults: &mut Vec<FieldFault>,
    authorities: impl FnOnce(&[AuthorityReference], &str) -> CaCertificates,
) -> Option<ClientValidation> {
    let ClientCertificateValidation {
        ca_certificate_refs,
        mode,
    } = spec;
    let before = faults.len();
    let at = format!("{at}.clientCertificateValidation");
    let CaCertificates {
        certificates,
        wrong,
    } = authorities(ca_certificate_refs, &format!("{at}.caCertificateRefs"));
    faults.extend(wrong.into_iter().map(|(_, fault)| fault));
    let mode = match mode.as_str() {
        "Require" => ValidationMode::Required,
        "Optional" => ValidationMode::Optional,
        other => {
            let message = format!("{other} is not supported; Require and Optional are");
            SpecFields::new(&at, faults).fault("mode", message);
            ValidationMode::Required
        }
    };
    (faults.len() == before).then(|| ClientValidation {
        authorities: certificates,
        mode,
        names: Vec::new(),
        fingerprints: Vec::new(),
    })
}

/// Resolves references of a policy.
pub(super) fn authorities(
    resources: &Resources,
    policy: &ObjectRef,
    refs: &[AuthorityReference],
    field: &str,
) -> CaCertificates {
    let refs = refs.iter().map(|reference| {
        let AuthorityReference {
            group,
            kind,
            name,
            namespace,
        } = reference;
        AuthorityRef {
            group,
            kind,
            namespace: namespace.as_deref(),
            name,
        }
    });
    CaCertificates::read(resources, policy, refs, field)
}
