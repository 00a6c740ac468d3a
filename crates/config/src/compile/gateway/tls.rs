//! `tls` of an HTTPS listener to [`ServerTls`].

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;

use super::frontend::{Frontend, Validation};
use crate::api::gateway::{CertificateRef, ListenerTls};
use crate::compile::log::Fault;
use crate::compile::policy::Policies;
use crate::compile::{grant, secret};
use crate::name::Port;
use crate::resources::{Kind, ObjectRef, Resources};
use crate::snapshot::{ClientValidation, Identity, ServerTls, ValidationMode};

use options::Options;

mod options;

/// A Gateway, as its listeners see it.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) resources: &'a Resources,
    pub(super) policies: &'a Policies,
    pub(super) gateway: &'a ObjectRef,
    pub(super) frontend: &'a Frontend,
}

/// What came of it. Faults go with the reason that a condition gives.
#[derive(Debug, Default)]
pub(super) struct Secured {
    /// `None` goes with a fault.
    pub(super) tls: Option<ServerTls>,
    pub(super) not_accepted: Vec<(&'static str, Fault)>,
    pub(super) not_resolved: Vec<(&'static str, Fault)>,
    pub(super) warnings: Vec<Fault>,
}

impl Secured {
    /// Reads `tls` of a listener of this name, port and field.
    pub(super) fn read(site: Site<'_>, tls: &ListenerTls, listener: (&str, Port, &str)) -> Self {
        let (name, port, field) = listener;
        let ListenerTls {
            certificate_refs,
            mode: _,
            options,
        } = tls;
        let mut secured = Self::default();
        let refs = certificate_refs.as_deref().unwrap_or_default();
        let identities = secured.identities(site, refs, &format!("{field}.tls.certificateRefs"));
        let clients = secured.clients(site, name, port, field);
        let at = format!("{field}.tls.options");
        let options = Options::read(options.as_ref(), &at);
        // Where it is not known whose certificates were meant, there is nothing to hold them against.
        let policy = site.policies.broken_listener(site.gateway, name);
        let options = if secured.not_accepted.is_empty() && policy.is_none() {
            options.for_clients(clients.as_ref(), &at)
        } else {
            options
        };
        let faults = options.faults.into_iter();
        let unsupported = faults.map(|fault| ("UnsupportedValue", fault));
        secured.not_accepted.extend(unsupported);
        secured.warnings.extend(options.warnings);
        if secured.not_accepted.is_empty() && !identities.is_empty() {
            secured.tls = Some(ServerTls {
                identities,
                versions: options.versions,
                alpn: options.alpn,
                clients: clients.map(|clients| ClientValidation {
                    names: options.names,
                    fingerprints: options.fingerprints,
                    ..clients
                }),
            });
        }
        secured
    }

    fn identities(
        &mut self,
        site: Site<'_>,
        refs: &[CertificateRef],
        field: &str,
    ) -> Vec<Identity> {
        if refs.is_empty() {
            let fault = Fault::new(field, "at least one is needed");
            self.not_resolved.push(("InvalidCertificateRef", fault));
        }
        let mut identities = Vec::new();
        for (index, reference) in refs.iter().enumerate() {
            match identity(site, reference) {
                Ok(identity) => identities.push(identity),
                Err((reason, message)) => {
                    let fault = Fault::new(format!("{field}[{index}]"), message);
                    self.not_resolved.push((reason, fault));
                }
            }
        }
        identities
    }

    /// Whose certificates its clients may show. A ListenerPolicy goes before the Gateway, of which it is about a part.
    fn clients(
        &mut self,
        site: Site<'_>,
        name: &str,
        port: Port,
        field: &str,
    ) -> Option<ClientValidation> {
        if let Some(clients) = site.policies.clients(site.gateway, name) {
            return Some(clients.clone());
        }
        let Validation {
            field: at,
            mode,
            authorities,
        } = site.frontend.of(port)?;
        self.not_resolved.extend(authorities.wrong.iter().cloned());
        if authorities.certificates.is_empty() {
            let message = format!("no client could be let in, as {at} leads to no certificate");
            let fault = Fault::new(field, message);
            self.not_accepted.push(("NoValidCACertificate", fault));
            return None;
        }
        if *mode == ValidationMode::Unverified {
            let message =
                "AllowInsecureFallback lets in clients whose certificate is missing or not valid";
            let fault = Fault::new(format!("{at}.mode"), message);
            self.warnings.push(fault);
        }
        Some(ClientValidation {
            authorities: authorities.certificates.clone(),
            mode: *mode,
            names: Vec::new(),
            fingerprints: Vec::new(),
        })
    }
}

fn identity(
    site: Site<'_>,
    reference: &CertificateRef,
) -> Result<Identity, (&'static str, String)> {
    let CertificateRef {
        group,
        kind,
        name,
        namespace,
    } = reference;
    const INVALID: &str = "InvalidCertificateRef";
    let group = group.as_deref().unwrap_or_default();
    let kind = kind.as_deref().unwrap_or("Secret");
    if Kind::find(group, kind) != Some(Kind::Secret) {
        let kind = [group, kind].join("/");
        let kind = kind.trim_start_matches('/');
        return Err((INVALID, format!("{kind} is not supported; Secret is")));
    }
    let namespace = namespace.as_deref().unwrap_or(&site.gateway.namespace);
    let target = ObjectRef::new(Kind::Secret, namespace, name);
    if !grant::allows(site.resources, site.gateway, &target) {
        let message = format!("missing reference grant for {target}");
        return Err(("RefNotPermitted", message));
    }
    let Some(object) = site.resources.secrets.get(&target) else {
        return Err((INVALID, format!("{target} not found")));
    };
    let identity = secret::identity(&target, &object.value).and_then(checked);
    identity.map_err(|message| (INVALID, format!("{target}: {message}")))
}

/// Only what can be shown to clients: a certificate that can be read, with the key that belongs to it.
fn checked(identity: Identity) -> Result<Identity, String> {
    let chain = identity.chain.iter();
    let chain = chain.map(|certificate| certificate.0.clone()).collect();
    match CertifiedKey::from_der(chain, identity.key.reveal(), &default_provider()) {
        Ok(_) => Ok(identity),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err("tls.key does not belong to tls.crt".to_owned())
        }
        Err(rustls::Error::InvalidCertificate(_)) => {
            Err("tls.crt has what is not a certificate of X.509 version 3".to_owned())
        }
        Err(_) => Err("tls.key is of no kind that is supported".to_owned()),
    }
}
