//! `caCertificateRefs`: references to CA certificates in ConfigMaps and Secrets.

use super::grant;
use super::log::FieldFault;
use super::review::ReferentFault;
use super::secret;
use crate::resources::{Kind, ObjectRef, Resources};
use crate::snapshot::Certificate;

/// A reference to CA certificates, of any kind of object.
pub(super) struct AuthorityRef<'a> {
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    /// The namespace of the referent; that of the referring object by default.
    pub(super) namespace: Option<&'a str>,
    pub(super) name: &'a str,
}

/// The CA certificates of a list of references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CaCertificates {
    pub(super) certificates: Vec<Certificate>,
    /// The references that could not be resolved, each with the reason for a condition.
    pub(super) wrong: Vec<(&'static str, FieldFault)>,
}

impl CaCertificates {
    /// Resolves the references of an object; `field` is the path of their list.
    pub(super) fn read<'a>(
        resources: &Resources,
        from: &ObjectRef,
        refs: impl IntoIterator<Item = AuthorityRef<'a>>,
        field: &str,
    ) -> Self {
        let mut all = Self::default();
        let mut count = 0;
        for (index, reference) in refs.into_iter().enumerate() {
            count += 1;
            match follow(resources, from, &reference) {
                Ok(certificates) => all.certificates.extend(certificates),
                Err((reason, ReferentFault { message, cause })) => {
                    let fault = FieldFault::new(format!("{field}[{index}]"), message);
                    all.wrong.push((reason, fault.with_cause(cause)));
                }
            }
        }
        if count == 0 {
            let fault = FieldFault::new(field, "at least one is needed");
            all.wrong.push(("InvalidCACertificateRef", fault));
        }
        all
    }
}

fn follow(
    resources: &Resources,
    from: &ObjectRef,
    reference: &AuthorityRef<'_>,
) -> Result<Vec<Certificate>, (&'static str, ReferentFault)> {
    let AuthorityRef {
        group,
        kind,
        namespace,
        name,
    } = reference;
    let known = Kind::find(group, kind);
    let Some(known) = known.filter(|kind| matches!(kind, Kind::ConfigMap | Kind::Secret)) else {
        let kind = [*group, *kind].join("/");
        let kind = kind.trim_start_matches('/');
        let message = format!("{kind} is not supported; ConfigMap and Secret are");
        return Err(("InvalidCACertificateKind", message.into()));
    };
    let target = ObjectRef::new(known, namespace.unwrap_or(&from.namespace), name);
    if !grant::allows(resources, from, &target) {
        let message = format!("missing reference grant for {target}");
        return Err(("RefNotPermitted", ReferentFault::not_permitted(message)));
    }
    let read = if known == Kind::ConfigMap {
        let map = resources.config_maps.get(&target);
        map.map(|object| secret::authorities_of_map(&object.value))
    } else {
        let found = resources.secrets.get(&target);
        found.map(|object| secret::authorities(&object.value))
    };
    let wrong = |message: &str| ReferentFault::content(&target, format!("{target}: {message}"));
    let certificates = match read {
        Some(Ok(certificates)) => Ok(certificates),
        Some(Err(message)) => Err(wrong(&message)),
        None => Err(ReferentFault::absent(resources, &target)),
    };
    certificates.map_err(|fault| ("InvalidCACertificateRef", fault))
}
