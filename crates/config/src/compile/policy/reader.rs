//! Reads one field of a TrafficPolicy. Each field has a file with its implementation of [`ReadPolicy`].

use egret_api::kgateway::TrafficPolicySpec;

use super::extension::Extensions;
use crate::compile::grant;
use crate::compile::review::ReferentFault;
use crate::compile::value::SpecFields;
use crate::resources::{Kind, ObjectRef, Resources, Secret};

/// A compiled policy that is read from one field of a TrafficPolicy.
pub(super) trait ReadPolicy: Sized {
    /// The type of the field in the resource.
    type Spec: ?Sized;

    /// The field, if the policy has it.
    fn of(spec: &TrafficPolicySpec) -> Option<&Self::Spec>;

    /// Reads the field. A value with a fault is never used, because a policy with faults is not attached.
    fn read(
        spec: &Self::Spec,
        fields: &mut SpecFields<'_>,
        reader: PolicyReader<'_>,
    ) -> FieldReading<Self>;
}

/// The value of a field.
pub(super) enum FieldReading<T> {
    /// The field is set.
    Set(T),
    /// The field is disabled, even if a wider policy sets it.
    Disabled,
}

/// The policy that is read, and the objects that it may refer to.
#[derive(Clone, Copy)]
pub(super) struct PolicyReader<'a> {
    pub(super) policy: &'a ObjectRef,
    pub(super) resources: &'a Resources,
    pub(super) extensions: &'a Extensions,
}

impl<'a> PolicyReader<'a> {
    /// Finds a Secret that the policy may refer to. The namespace is the policy's by default.
    pub(super) fn secret(
        self,
        name: &str,
        namespace: Option<&str>,
    ) -> Result<(ObjectRef, &'a Secret), ReferentFault> {
        let namespace = namespace.unwrap_or(&self.policy.namespace);
        let reference = ObjectRef::new(Kind::Secret, namespace, name);
        if !grant::allows(self.resources, self.policy, &reference) {
            let message = format!("no ReferenceGrant allows {reference}");
            return Err(ReferentFault::not_permitted(message));
        }
        match self.resources.secrets.get(&reference) {
            Some(secret) => Ok((reference, &secret.value)),
            None => Err(ReferentFault::absent(self.resources, &reference)),
        }
    }
}
