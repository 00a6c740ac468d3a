//! How one field of a TrafficPolicy is read. Each field has a file with an implementation of [`ReadPolicy`].

use crate::compile::grant;
use crate::compile::value::SpecFields;
use crate::resources::{Kind, ObjectRef, Resources, Secret};

/// A compiled policy that is read from one field of a TrafficPolicy.
pub(super) trait ReadPolicy: Sized {
    /// The field as it is written.
    type Spec: ?Sized;

    /// Reads the field. What is read with a fault has no effect, because a policy with faults is refused.
    fn read(
        spec: &Self::Spec,
        fields: &mut SpecFields<'_>,
        reader: PolicyReader<'_>,
    ) -> Reading<Self>;
}

/// What a field says.
pub(super) enum Reading<T> {
    /// This holds.
    Set(T),
    /// The field is switched off, whatever a wider policy says.
    Disabled,
}

/// The policy that is read, and where the objects are that it refers to.
#[derive(Clone, Copy)]
pub(super) struct PolicyReader<'a> {
    pub(super) policy: &'a ObjectRef,
    pub(super) resources: &'a Resources,
}

impl<'a> PolicyReader<'a> {
    /// Finds a Secret that the policy may refer to; its namespace is the policy's by default.
    pub(super) fn secret(
        self,
        name: &str,
        namespace: Option<&str>,
    ) -> Result<(ObjectRef, &'a Secret), String> {
        let namespace = namespace.unwrap_or(&self.policy.namespace);
        let reference = ObjectRef::new(Kind::Secret, namespace, name);
        if !grant::allows(self.resources, self.policy, &reference) {
            return Err(format!("no ReferenceGrant allows {reference}"));
        }
        match self.resources.secrets.get(&reference) {
            Some(secret) => Ok((reference, &secret.value)),
            None => Err(format!("{reference} not found")),
        }
    }
}
