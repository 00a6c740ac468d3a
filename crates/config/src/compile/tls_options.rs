//! `tls.options` of a listener and `options` of a BackendTLSPolicy, by the names that kgateway defines.

use std::collections::BTreeMap;

use crate::compile::log::FieldFault;
use crate::name::{Host, HostPattern};
use crate::settings::read_algorithms;
use crate::snapshot::{
    AlpnProtocol, ClientValidation, NamedAlgorithm, TlsAlgorithms, TlsVersion, TlsVersions,
    ValidationMode,
};

/// The domain of kgateway's options, and Egret's own domain, which defines none.
const KGATEWAY: &str = "kgateway.dev/";
const EGRET: &str = "egret.dev/";

const NAMES: &str = "verify-subject-alt-names";
const FINGERPRINTS: &str = "verify-certificate-hash";

/// The compiled options, with their faults and warnings.
#[derive(Debug)]
pub(super) struct TlsOptions {
    pub(super) versions: TlsVersions,
    pub(super) algorithms: TlsAlgorithms,
    pub(super) alpn: Vec<AlpnProtocol>,
    /// `verify-subject-alt-names`
    pub(super) names: Vec<Host>,
    /// `verify-certificate-hash`
    pub(super) fingerprints: Vec<[u8; 32]>,
    pub(super) faults: Vec<FieldFault>,
    pub(super) warnings: Vec<FieldFault>,
}

impl TlsOptions {
    /// Compiles the options; `at` is the path of the map.
    pub(super) fn read(
        spec: Option<&BTreeMap<String, String>>,
        default_alpn: &[AlpnProtocol],
        at: &str,
    ) -> Self {
        let mut options = Self {
            versions: TlsVersions::default(),
            algorithms: TlsAlgorithms::default(),
            alpn: default_alpn.to_vec(),
            names: Vec::new(),
            fingerprints: Vec::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
        };
        for (key, value) in spec.into_iter().flatten() {
            let field = format!("{at}.{key}");
            match key.strip_prefix(KGATEWAY) {
                Some(name) => options.set(name, value, &field),
                None if key.starts_with(EGRET) => {
                    options
                        .faults
                        .push(FieldFault::new(field, "unknown option"));
                }
                None => {
                    let message = "an option of another implementation; ignored";
                    options.warnings.push(FieldFault::new(field, message));
                }
            }
        }
        let TlsVersions { min, max } = options.versions;
        if min > max {
            let field = format!("{at}.{KGATEWAY}min-tls-version");
            let fault = FieldFault::new(field, "newer than the newest that is allowed");
            options.faults.push(fault);
        }
        options
    }

    fn set(&mut self, name: &str, value: &str, field: &str) {
        let set = match name {
            "min-tls-version" => {
                version(value, self.versions.min).map(|version| self.versions.min = version)
            }
            "max-tls-version" => {
                version(value, self.versions.max).map(|version| self.versions.max = version)
            }
            // kgateway's word for a listener that agrees on no protocol.
            "alpn-protocols" if value.trim() == "allow-empty" => {
                self.alpn.clear();
                Ok(())
            }
            "alpn-protocols" => list(value, &[','], protocol).map(|alpn| self.alpn = alpn),
            NAMES => list(value, &[','], host).map(|names| self.names = names),
            // kgateway accepts a list with dashes too, as in YAML.
            FINGERPRINTS => list(value, &[',', '-'], fingerprint)
                .map(|fingerprints| self.fingerprints = fingerprints),
            "cipher-suites" => {
                algorithms(value).map(|suites| self.algorithms.cipher_suites = suites)
            }
            "ecdh-curves" => algorithms(value).map(|groups| self.algorithms.groups = groups),
            "signature-algorithms" => {
                algorithms(value).map(|signatures| self.algorithms.signatures = signatures)
            }
            _ => Err("unknown option".to_owned()),
        };
        if let Err(message) = set {
            self.faults.push(FieldFault::new(field, message));
        }
    }

    /// The validation of client certificates with these options. Hashes alone ask for one of these certificates, whoever
    /// issued it, and refuse clients without one.
    pub(super) fn client_validation(
        &self,
        clients: Option<ClientValidation>,
    ) -> Option<ClientValidation> {
        let by_hash_alone = || ClientValidation {
            authorities: Vec::new(),
            mode: ValidationMode::Required,
            names: Vec::new(),
            fingerprints: Vec::new(),
        };
        let clients = clients.or_else(|| (!self.fingerprints.is_empty()).then(by_hash_alone))?;
        Some(ClientValidation {
            names: self.names.clone(),
            fingerprints: self.fingerprints.clone(),
            ..clients
        })
    }

    /// The options of connections to servers: those that only a listener has are faults.
    pub(super) fn for_servers(mut self, at: &str) -> Self {
        let misplaced = [
            (
                NAMES,
                !self.names.is_empty(),
                "name them in validation.subjectAltNames",
            ),
            (
                FINGERPRINTS,
                !self.fingerprints.is_empty(),
                "not supported yet",
            ),
            (
                "alpn-protocols",
                self.alpn.is_empty(),
                "at least one is needed",
            ),
        ];
        for (name, is_given, message) in misplaced {
            if is_given {
                let field = format!("{at}.{KGATEWAY}{name}");
                self.faults.push(FieldFault::new(field, message));
            }
        }
        self
    }

    /// Checks the options about client certificates against the validation of client certificates.
    pub(super) fn for_clients(mut self, clients: Option<&ClientValidation>, at: &str) -> Self {
        let given = [
            (NAMES, !self.names.is_empty()),
            (FINGERPRINTS, !self.fingerprints.is_empty()),
        ];
        let (message, given) = match clients.map(|clients| clients.mode) {
            Some(ValidationMode::Required | ValidationMode::Optional) => return self,
            Some(ValidationMode::Unverified) => {
                ("nothing is verified with AllowInsecureFallback", &given[..])
            }
            None => (
                "without a CA anybody can issue a certificate for a name: validation by CA is needed",
                &given[..1],
            ),
        };
        for (name, _) in given.iter().filter(|(_, is_given)| *is_given) {
            let field = format!("{at}.{KGATEWAY}{name}");
            self.faults.push(FieldFault::new(field, message));
        }
        self
    }
}

/// Parses a list: at least one item, and repeated items count once.
fn list<T: PartialEq>(
    text: &str,
    separators: &[char],
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut items = Vec::new();
    for item in text.split(separators).map(str::trim) {
        if item.is_empty() {
            continue;
        }
        let item = read(item)?;
        if !items.contains(&item) {
            items.push(item);
        }
    }
    if items.is_empty() {
        return Err("at least one is needed".to_owned());
    }
    Ok(items)
}

fn version(text: &str, default: TlsVersion) -> Result<TlsVersion, String> {
    match text {
        "AUTO" => Ok(default),
        "1.2" => Ok(TlsVersion::V1_2),
        "1.3" => Ok(TlsVersion::V1_3),
        other => Err(format!("{other} is not supported; 1.2, 1.3 and AUTO are")),
    }
}

fn algorithms<A: NamedAlgorithm>(text: &str) -> Result<Vec<A>, String> {
    // OpenSSL and BoringSSL separate them by colons.
    let names = text.split([',', ':']).map(str::trim);
    let read = read_algorithms(names.filter(|name| !name.is_empty()))?;
    match read.is_empty() {
        true => Err("at least one is needed".to_owned()),
        false => Ok(read),
    }
}

fn protocol(text: &str) -> Result<AlpnProtocol, String> {
    let mut known = AlpnProtocol::BOTH.into_iter();
    known
        .find(|known| known.as_str() == text)
        .ok_or_else(|| format!("{text} is not supported; h2 and http/1.1 are"))
}

/// Parses a host name or an IP address, as in a subject alternative name.
fn host(text: &str) -> Result<Host, String> {
    if let Ok(address) = text.parse() {
        return Ok(Host::Ip(address));
    }
    match HostPattern::parse(text) {
        Ok(HostPattern::Exact(name)) => Ok(Host::Name(name)),
        Ok(HostPattern::Below(_)) => Err(format!("{text}: a wildcard is not the name of a client")),
        Err(error) => Err(format!("{text}: {error}")),
    }
}

/// Parses a SHA-256 digest in hexadecimal, with or without colons between the bytes.
fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    let digits: String = text.split(':').collect();
    let has_colons = text.contains(':');
    let is_spaced = !has_colons || text.split(':').all(|byte| byte.len() == 2);
    let mut bytes = [0; 32];
    let is_whole = is_spaced && digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let read = is_whole.then(|| {
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(bytes)
    });
    read.flatten()
        .ok_or_else(|| format!("{text} is not a SHA-256 digest: 64 hexadecimal digits"))
}
