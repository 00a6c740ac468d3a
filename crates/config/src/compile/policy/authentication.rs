//! `basicAuth` and `apiKeyAuth` of a TrafficPolicy. What they say of secrets stays out of messages: these name the
//! place and what is wrong there.

use std::sync::Arc;

use super::traffic::Demand;
use crate::api::kgateway::{TrafficApiKeyAuth, TrafficBasicAuth, UsersSecret};
use crate::compile::grant;
use crate::compile::log::Fault;
use crate::compile::secret::entry;
use crate::compile::value::Fields;
use crate::policy::authentication::{ApiKeyAuth, BasicAuth, PasswordDigest};
use crate::resources::{Kind, ObjectRef, Resources, Secret};

mod htpasswd;
mod keys;

use htpasswd::Users;

/// The entry of a Secret that is read if no other is named.
const DEFAULT_ENTRY: &str = ".htpasswd";
/// How many users a policy may name by itself.
const MOST_USERS: usize = 256;

/// Whose words are read, and where Secrets are looked up.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) policy: &'a ObjectRef,
    pub(super) resources: &'a Resources,
}

impl<'a> Reader<'a> {
    /// Reads `basicAuth`. Whatever comes with a fault does not count.
    pub(super) fn basic(
        self,
        spec: &TrafficBasicAuth,
        faults: &mut Vec<Fault>,
    ) -> Demand<BasicAuth> {
        let TrafficBasicAuth {
            users,
            secret_ref,
            disable,
        } = spec;
        let mut fields = Fields::new("spec.basicAuth", faults);
        let mut read = Users::default();
        match (users, secret_ref, disable) {
            (Some(lines), None, None) => self.users_of_spec(lines, &mut read, &mut fields),
            (None, Some(secret), None) => self.users_of_secret(secret, &mut read, &mut fields),
            (None, None, Some(_)) => return None,
            _ => {
                let message = "exactly one of the fields in [users secretRef disable] must be set";
                faults.push(Fault::new("spec.basicAuth", message));
            }
        }
        Some(Arc::new(BasicAuth::new(self.policy.clone(), read.by_name)))
    }

    /// Reads `apiKeyAuth`. Whatever comes with a fault does not count.
    pub(super) fn api_keys(
        self,
        spec: &TrafficApiKeyAuth,
        faults: &mut Vec<Fault>,
    ) -> Demand<ApiKeyAuth> {
        keys::read(self, spec, faults).map(Arc::new)
    }

    fn users_of_spec(self, lines: &[String], read: &mut Users, fields: &mut Fields<'_>) {
        if !(1..=MOST_USERS).contains(&lines.len()) {
            fields.fault("users", format!("1 to {MOST_USERS} are allowed"));
        }
        for (index, line) in lines.iter().enumerate() {
            if let Err(message) = read.add(line.trim()) {
                fields.fault(&format!("users[{index}]"), message);
            }
        }
    }

    fn users_of_secret(self, spec: &UsersSecret, read: &mut Users, fields: &mut Fields<'_>) {
        let UsersSecret {
            name,
            namespace,
            key,
        } = spec;
        let key = key.as_deref().unwrap_or(DEFAULT_ENTRY);
        let found = self.secret(name, namespace.as_deref());
        let text = found.and_then(|(reference, secret)| {
            let octets = entry(secret, key).ok_or_else(|| format!("{reference} has no {key}"))?;
            let text = str::from_utf8(octets);
            text.map_err(|_| format!("{key} of {reference} is not UTF-8"))
        });
        let outcome = text.map(|text| {
            for message in read.add_file(text) {
                fields.fault("secretRef", format!("{key}: {message}"));
            }
        });
        if let Err(message) = outcome {
            fields.fault("secretRef", message);
        }
    }

    /// A Secret that the policy may refer to.
    fn secret(
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

/// The names of the entries of a Secret.
fn names(secret: &Secret) -> impl Iterator<Item = &str> {
    let text = secret.string_data.iter().flat_map(|map| map.keys());
    let data = secret.data.iter().flat_map(|map| map.keys());
    let mut names: Vec<_> = text.chain(data).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter()
}
