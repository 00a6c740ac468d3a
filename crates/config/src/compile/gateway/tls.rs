//! Compiles `tls` of an HTTPS listener to [`ServerTls`].

use egret_api::gateway::{BackendCertificateRef, CertificateRef, ListenerTls};

use super::frontend::{FrontendClients, FrontendTls};
use crate::compile::log::FieldFault;
use crate::compile::policy::{CompiledPolicies, ListenerScope};
use crate::compile::review::ReferentFault;
use crate::compile::tls_options::TlsOptions;
use crate::compile::{grant, secret};
use crate::name::Port;
use crate::resources::{Kind, ObjectRef, Resources};
use crate::snapshot::{AlpnProtocol, ClientValidation, ServerTls, TlsIdentity, ValidationMode};

/// The Gateway, and the objects that its listeners refer to.
#[derive(Clone, Copy)]
pub(super) struct GatewayContext<'a> {
    pub(super) resources: &'a Resources,
    pub(super) policies: &'a CompiledPolicies,
    pub(super) gateway: &'a ObjectRef,
    pub(super) frontend: &'a FrontendTls,
}

/// A listener that terminates TLS.
#[derive(Clone, Copy)]
pub(super) struct TlsListener<'a> {
    pub(super) scope: ListenerScope<'a>,
    pub(super) port: Port,
    /// The path of its field.
    pub(super) field: &'a str,
    /// The protocols that it agrees on unless its options say others.
    pub(super) default_alpn: &'a [AlpnProtocol],
}

/// The TLS settings of a listener, with their faults. Each fault has the reason for a condition.
#[derive(Debug, Default)]
pub(super) struct ListenerTlsDraft {
    /// The settings; `None` if there are faults.
    pub(super) tls: Option<ServerTls>,
    pub(super) not_accepted: Vec<(&'static str, FieldFault)>,
    pub(super) not_resolved: Vec<(&'static str, FieldFault)>,
    pub(super) warnings: Vec<FieldFault>,
}

impl ListenerTlsDraft {
    /// Compiles `tls` of a listener.
    pub(super) fn read(
        context: GatewayContext<'_>,
        tls: &ListenerTls,
        listener: TlsListener<'_>,
    ) -> Self {
        let TlsListener {
            scope,
            port: _,
            field,
            default_alpn,
        } = listener;
        let ListenerTls {
            certificate_refs,
            mode: _,
            options,
        } = tls;
        let mut draft = Self::default();
        let refs = certificate_refs.as_deref().unwrap_or_default();
        let at = format!("{field}.tls.certificateRefs");
        let identities = draft.identities(context.resources, scope.owner, refs, &at);
        let clients = draft.clients(context, listener);
        let at = format!("{field}.tls.options");
        let options = TlsOptions::read(options.as_ref(), default_alpn, &at);
        // If the validation of client certificates has faults, options cannot be checked against it.
        let policy = context.policies.broken_listener(scope);
        let options = if draft.not_accepted.is_empty() && policy.is_none() {
            options.for_clients(clients.as_ref(), &at)
        } else {
            options
        };
        let clients = options.client_validation(clients);
        let faults = options.faults.into_iter();
        let unsupported = faults.map(|fault| ("UnsupportedValue", fault));
        draft.not_accepted.extend(unsupported);
        draft.warnings.extend(options.warnings);
        if draft.not_accepted.is_empty() && !identities.is_empty() {
            draft.tls = Some(ServerTls {
                identities,
                versions: options.versions,
                algorithms: options.algorithms,
                alpn: options.alpn,
                clients,
            });
        }
        draft
    }

    fn identities(
        &mut self,
        resources: &Resources,
        owner: &ObjectRef,
        refs: &[CertificateRef],
        field: &str,
    ) -> Vec<TlsIdentity> {
        if refs.is_empty() {
            let fault = FieldFault::new(field, "at least one is needed");
            self.not_resolved.push(("InvalidCertificateRef", fault));
        }
        let mut identities = Vec::new();
        for (index, reference) in refs.iter().enumerate() {
            match identity(resources, owner, reference.into(), "InvalidCertificateRef") {
                Ok(identity) => identities.push(identity),
                Err((reason, ReferentFault { message, cause })) => {
                    let fault = FieldFault::new(format!("{field}[{index}]"), message);
                    self.not_resolved.push((reason, fault.with_cause(cause)));
                }
            }
        }
        identities
    }

    /// The validation of client certificates. A ListenerPolicy takes precedence over the Gateway, because it is
    /// narrower.
    fn clients(
        &mut self,
        context: GatewayContext<'_>,
        TlsListener {
            scope, port, field, ..
        }: TlsListener<'_>,
    ) -> Option<ClientValidation> {
        if let Some(clients) = context.policies.clients(scope) {
            return Some(clients.clone());
        }
        let FrontendClients {
            field: at,
            mode,
            authorities,
        } = context.frontend.for_port(port)?;
        self.not_resolved.extend(authorities.wrong.iter().cloned());
        if authorities.certificates.is_empty() {
            let message = format!("no client could be accepted: {at} has no valid CA certificate");
            let fault = FieldFault::reference(field, message);
            self.not_accepted.push(("NoValidCACertificate", fault));
            return None;
        }
        if *mode == ValidationMode::Unverified {
            let message =
                "AllowInsecureFallback accepts clients whose certificate is missing or not valid";
            let fault = FieldFault::new(format!("{at}.mode"), message);
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

/// A reference to a Secret.
#[derive(Clone, Copy)]
pub(super) struct SecretRef<'a> {
    pub(super) group: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: &'a str,
}

macro_rules! secret_refs_from {
    ($($type:ident),*) => {$(
        impl<'a> From<&'a $type> for SecretRef<'a> {
            fn from($type { group, kind, name, namespace }: &'a $type) -> Self {
                Self {
                    group: group.as_deref(),
                    kind: kind.as_deref(),
                    namespace: namespace.as_deref(),
                    name,
                }
            }
        }
    )*};
}

secret_refs_from!(BackendCertificateRef, CertificateRef);

/// The certificate that an object refers to: a Gateway or a ListenerSet, each by grants of its own. `invalid` is the reason
/// for a reference to what is no certificate.
pub(super) fn identity(
    resources: &Resources,
    owner: &ObjectRef,
    reference: SecretRef<'_>,
    invalid: &'static str,
) -> Result<TlsIdentity, (&'static str, ReferentFault)> {
    let SecretRef {
        group,
        kind,
        namespace,
        name,
    } = reference;
    let group = group.unwrap_or_default();
    let kind = kind.unwrap_or("Secret");
    if Kind::find(group, kind) != Some(Kind::Secret) {
        let kind = [group, kind].join("/");
        let kind = kind.trim_start_matches('/');
        let message = format!("{kind} is not supported; Secret is");
        return Err((invalid, message.into()));
    }
    let namespace = namespace.unwrap_or(&owner.namespace);
    let target = ObjectRef::new(Kind::Secret, namespace, name);
    if !grant::allows(resources, owner, &target) {
        let message = format!("missing reference grant for {target}");
        return Err(("RefNotPermitted", ReferentFault::not_permitted(message)));
    }
    let Some(object) = resources.secrets.get(&target) else {
        return Err((invalid, ReferentFault::absent(resources, &target)));
    };
    let identity = secret::identity(&target, &object.value);
    identity.map_err(|message| {
        let fault = ReferentFault::content(&target, format!("{target}: {message}"));
        (invalid, fault)
    })
}
