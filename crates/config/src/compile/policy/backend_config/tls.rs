//! Compiles `tls` of a BackendConfigPolicy to [`UpstreamTls`].

use egret_api::kgateway::{BackendConfigTls, TlsParameters};

use super::tls_files::TlsSources;
use crate::compile::log::FieldFault;
use crate::compile::secret::SecretContent;
use crate::compile::value::SpecFields;
use crate::name::{DnsName, Host, HostPattern};
use crate::settings::read_algorithms;
use crate::snapshot::{
    AlpnProtocol, NamedAlgorithm, PeerName, PeerTrust, TlsAlgorithms, TlsVersion, TlsVersions,
    UpstreamTls,
};

const AT: &str = "spec.tls";

/// Compiles `tls`; `None` if there are faults.
pub(super) fn read(
    spec: &BackendConfigTls,
    sources: TlsSources<'_>,
    faults: &mut Vec<FieldFault>,
) -> Option<UpstreamTls> {
    let BackendConfigTls {
        secret_ref: _,
        files: _,
        insecure_skip_verify,
        well_known_ca_certificates,
        sni,
        verify_subject_alt_names,
        parameters,
        alpn_protocols,
        simple_tls: _,
        allow_renegotiation,
    } = spec;
    let before = faults.len();
    one_trust(spec, faults);
    let mut fields = SpecFields::new(AT, faults);
    fields.unsupported(spec.unsupported());
    fields.unsupported((*allow_renegotiation == Some(true)).then_some("allowRenegotiation"));
    if well_known_ca_certificates
        .as_ref()
        .is_some_and(|set| set != "System")
    {
        fields.fault("wellKnownCACertificates", "only System is supported");
    }
    let sni = sni
        .as_ref()
        .and_then(|text| exact_name("sni", text, &mut fields));
    let names = verify_subject_alt_names.iter();
    let names: Vec<_> = names
        .filter_map(|text| peer_name(text, &mut fields))
        .map(PeerName::Host)
        .collect();
    let anybody = *insecure_skip_verify == Some(true);
    if anybody && !names.is_empty() {
        let message = "nothing is verified with insecureSkipVerify";
        fields.fault("verifySubjectAltNames", message);
    }
    let alpn = protocols(alpn_protocols, &mut fields);
    let parameters = parameters.as_ref().map(|spec| parameters_of(spec, faults));
    let (versions, algorithms) = parameters.unwrap_or_default();
    let content = sources.read(spec, &mut SpecFields::new(AT, faults));
    if faults.len() > before {
        return None;
    }
    let SecretContent {
        authorities,
        identity,
    } = content;
    Some(UpstreamTls {
        trust: match authorities {
            _ if anybody => PeerTrust::Anybody,
            authorities if authorities.is_empty() => PeerTrust::System,
            authorities => PeerTrust::Authorities(authorities),
        },
        identity,
        sni,
        names,
        versions,
        algorithms,
        alpn,
    })
}

fn one_trust(spec: &BackendConfigTls, faults: &mut Vec<FieldFault>) {
    let ways = [
        spec.secret_ref.is_some(),
        spec.files.is_some(),
        spec.insecure_skip_verify.is_some(),
        spec.well_known_ca_certificates.is_some(),
    ];
    if ways.into_iter().filter(|is_set| *is_set).count() != 1 {
        let message = "exactly one of the fields in [secretRef files insecureSkipVerify wellKnownCACertificates] must be set";
        faults.push(FieldFault::new(AT, message));
    }
}

fn exact_name(field: &str, text: &str, fields: &mut SpecFields<'_>) -> Option<DnsName> {
    match HostPattern::parse(text) {
        Ok(HostPattern::Exact(name)) => return Some(name),
        Ok(HostPattern::Below(_)) => fields.fault(field, "a wildcard is not a server name"),
        Err(error) => fields.fault(field, error.to_string()),
    }
    None
}

/// Parses a host name or an IP address, as in a subject alternative name.
fn peer_name(text: &str, fields: &mut SpecFields<'_>) -> Option<Host> {
    const FIELD: &str = "verifySubjectAltNames";
    match text.parse() {
        Ok(address) => Some(Host::Ip(address)),
        Err(_) => exact_name(FIELD, text, fields).map(Host::Name),
    }
}

/// The protocols to offer, in their order; both by default.
fn protocols(wanted: &[String], fields: &mut SpecFields<'_>) -> Vec<AlpnProtocol> {
    if wanted.is_empty() {
        return AlpnProtocol::BOTH.to_vec();
    }
    let mut protocols = Vec::new();
    for (index, text) in wanted.iter().enumerate() {
        let field = format!("alpnProtocols[{index}]");
        match AlpnProtocol::BOTH
            .into_iter()
            .find(|known| known.as_str() == text)
        {
            Some(protocol) if protocols.contains(&protocol) => fields.fault(&field, "given twice"),
            Some(protocol) => protocols.push(protocol),
            None => fields.fault(
                &field,
                format!("{text} is not supported; h2 and http/1.1 are"),
            ),
        }
    }
    protocols
}

fn parameters_of(
    spec: &TlsParameters,
    faults: &mut Vec<FieldFault>,
) -> (TlsVersions, TlsAlgorithms) {
    let TlsParameters {
        min_version,
        max_version,
        cipher_suites,
        ecdh_curves,
        signature_algorithms,
    } = spec;
    let mut fields = SpecFields::new("spec.tls.parameters", faults);
    let mut version = |field: &str, text: Option<&str>, default: TlsVersion| match text {
        None | Some("AUTO") => default,
        Some("1.2") => TlsVersion::V1_2,
        Some("1.3") => TlsVersion::V1_3,
        Some(other) => {
            fields.fault(
                field,
                format!("{other} is not supported; 1.2, 1.3 and AUTO are"),
            );
            default
        }
    };
    let default = TlsVersions::default();
    let versions = TlsVersions {
        min: version("minVersion", min_version.as_deref(), default.min),
        max: version("maxVersion", max_version.as_deref(), default.max),
    };
    if versions.min > versions.max {
        fields.fault("minVersion", "newer than maxVersion");
    }
    let algorithms = TlsAlgorithms {
        cipher_suites: algorithms("cipherSuites", cipher_suites, &mut fields),
        groups: algorithms("ecdhCurves", ecdh_curves, &mut fields),
        signatures: algorithms("signatureAlgorithms", signature_algorithms, &mut fields),
    };
    (versions, algorithms)
}

fn algorithms<A: NamedAlgorithm>(
    field: &str,
    names: &[String],
    fields: &mut SpecFields<'_>,
) -> Vec<A> {
    read_algorithms(names).unwrap_or_else(|message| {
        fields.fault(field, message);
        Vec::new()
    })
}
