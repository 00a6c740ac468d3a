//! `clientCertificateValidation` to [`ClientValidation`].

use crate::api::kgateway::{AuthorityReference, ClientCertificateValidation};
use crate::compile::authorities::{Authorities, AuthorityRef};
use crate::compile::log::Fault;
use crate::compile::value::SpecFields;
use crate::resources::{ObjectRef, Resources};
use crate::snapshot::{ClientValidation, ValidationMode};

/// Reads it; `at` is the path of what it is a field of. `None` goes with a fault: a reference that leads nowhere leaves
/// the policy without effect, rather than with fewer CAs than were meant.
pub(super) fn read(
    spec: &ClientCertificateValidation,
    at: &str,
    faults: &mut Vec<Fault>,
    authorities: impl FnOnce(&[AuthorityReference], &str) -> Authorities,
) -> Option<ClientValidation> {
    let ClientCertificateValidation {
        ca_certificate_refs,
        mode,
    } = spec;
    let before = faults.len();
    let at = format!("{at}.clientCertificateValidation");
    let Authorities {
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

/// Follows references of a policy.
pub(super) fn authorities(
    resources: &Resources,
    policy: &ObjectRef,
    refs: &[AuthorityReference],
    field: &str,
) -> Authorities {
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
    Authorities::read(resources, policy, refs, field)
}
