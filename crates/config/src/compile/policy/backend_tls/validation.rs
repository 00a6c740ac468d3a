//! Compiles `validation` of a BackendTLSPolicy: which server certificates are trusted, and for which names.

use std::sync::Arc;

use egret_api::gateway::{
    BackendTlsValidation, CaCertificateRef, SubjectAltName, SubjectAltNameType,
};

use crate::compile::authorities::{AuthorityRef, CaCertificates};
use crate::compile::log::{FieldFault, join};
use crate::compile::tls_options::TlsOptions;
use crate::compile::value::SpecFields;
use crate::name::{DnsName, Host, HostPattern};
use crate::report::StatusCondition;
use crate::resources::{ObjectRef, Resources};
use crate::snapshot::{PeerName, PeerTrust, UpstreamTls};

const AT: &str = "spec.validation";

/// The compiled `validation`.
#[derive(Debug, Default)]
pub(super) struct ServerValidation {
    /// The TLS settings; `None` if there are faults, or no CA certificate is left.
    pub(super) tls: Option<Arc<UpstreamTls>>,
    /// References to CA certificates that could not be resolved, each with its reason.
    pub(super) unresolved: Vec<(&'static str, FieldFault)>,
}

impl ServerValidation {
    pub(super) fn read(
        spec: &BackendTlsValidation,
        options: &TlsOptions,
        place: (&Resources, &ObjectRef),
        faults: &mut Vec<FieldFault>,
    ) -> Self {
        let (resources, policy) = place;
        let BackendTlsValidation {
            ca_certificate_refs,
            hostname,
            subject_alt_names,
            well_known_ca_certificates: well_known,
        } = spec;
        let before = faults.len();
        let mut fields = SpecFields::new(AT, faults);
        let refs = ca_certificate_refs.as_deref().unwrap_or_default();
        if refs.is_empty() == well_known.is_none() {
            let message = "exactly one of the fields in [caCertificateRefs wellKnownCACertificates] must be set";
            fields.fault("caCertificateRefs", message);
        }
        if well_known.as_ref().is_some_and(|set| set != "System") {
            fields.fault("wellKnownCACertificates", "only System is supported");
        }
        let sni = exact_name("hostname", hostname, &mut fields);
        let names = subject_alt_names.as_deref().unwrap_or_default();
        let names = names.iter().enumerate();
        let names = names
            .filter_map(|(index, name)| alternative(index, name, &mut fields))
            .collect();
        let mut read = Self::default();
        let trust = read.trust(refs, resources, policy);
        if faults.len() == before
            && let Some(trust) = trust
        {
            read.tls = Some(Arc::new(UpstreamTls {
                trust,
                sni,
                names,
                versions: options.versions,
                algorithms: options.algorithms.clone(),
                alpn: options.alpn.clone(),
                identity: None,
            }));
        }
        read
    }

    /// The CA certificates that could be read. They may be fewer than configured, but never more; `None` if there are
    /// none.
    fn trust(
        &mut self,
        refs: &[CaCertificateRef],
        resources: &Resources,
        policy: &ObjectRef,
    ) -> Option<PeerTrust> {
        if refs.is_empty() {
            return Some(PeerTrust::System);
        }
        let refs = refs.iter().map(AuthorityRef::from);
        let field = format!("{AT}.caCertificateRefs");
        let CaCertificates {
            certificates,
            wrong,
        } = CaCertificates::read(resources, policy, refs, &field);
        self.unresolved = wrong.into_iter().map(renamed).collect();
        (!certificates.is_empty()).then_some(PeerTrust::Authorities(certificates))
    }

    pub(super) fn resolved_refs(&self) -> StatusCondition {
        const KIND: &str = "ResolvedRefs";
        match self.unresolved.first() {
            None => StatusCondition::new(KIND, true, KIND, "Successfully resolved all references"),
            Some((reason, _)) => {
                let faults = self.unresolved.iter().map(|(_, fault)| fault);
                StatusCondition::new(KIND, false, reason, join(faults))
            }
        }
    }
}

/// Renames the reason for an unsupported kind, which differs between policies and listeners.
fn renamed((reason, fault): (&'static str, FieldFault)) -> (&'static str, FieldFault) {
    match reason {
        "InvalidCACertificateKind" => ("InvalidKind", fault),
        reason => (reason, fault),
    }
}

impl<'a> From<&'a CaCertificateRef> for AuthorityRef<'a> {
    fn from(spec: &'a CaCertificateRef) -> Self {
        let CaCertificateRef { group, kind, name } = spec;
        Self {
            group,
            kind,
            namespace: None,
            name,
        }
    }
}

fn alternative(
    index: usize,
    spec: &SubjectAltName,
    fields: &mut SpecFields<'_>,
) -> Option<PeerName> {
    let SubjectAltName {
        hostname,
        r#type,
        uri,
    } = spec;
    let at = |name: &str| format!("subjectAltNames[{index}].{name}");
    match (r#type, hostname, uri) {
        (SubjectAltNameType::Hostname, Some(hostname), None) => {
            let name = exact_name(&at("hostname"), hostname, fields)?;
            Some(PeerName::Host(Host::Name(name)))
        }
        (SubjectAltNameType::Uri, None, Some(uri)) if is_full_uri(uri) => {
            Some(PeerName::Uri(uri.clone()))
        }
        (SubjectAltNameType::Uri, None, Some(_)) => {
            let message = "must be a full URI in ASCII, such as spiffe://example.org/service";
            fields.fault(&at("uri"), message);
            None
        }
        _ => {
            let message = "exactly the field of this type must be set";
            fields.fault(&at("type"), message);
            None
        }
    }
}

/// Whether a URI has a scheme and an authority, as the Gateway API demands. Certificates have URIs in ASCII (RFC 5280
/// 4.2.1.6).
fn is_full_uri(text: &str) -> bool {
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_text = text.bytes().all(|byte| byte.is_ascii_graphic());
    is_text && is_scheme && scheme.chars().all(of_scheme) && !rest.is_empty()
}

fn exact_name(field: &str, text: &str, fields: &mut SpecFields<'_>) -> Option<DnsName> {
    match HostPattern::parse(text) {
        Ok(HostPattern::Exact(name)) => return Some(name),
        Ok(HostPattern::Below(_)) => fields.fault(field, "a wildcard is not supported here"),
        Err(error) => fields.fault(field, error.to_string()),
    }
    None
}
