//! Compiles `basicAuth` of a TrafficPolicy to [`BasicAuth`]. Messages name the place of a fault, and never a secret.

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::review::ReferentFault;
use crate::compile::secret::entry;
use crate::compile::value::SpecFields;
use crate::policy::basic_auth::BasicAuth;
use crate::policy::digest::PasswordDigest;

mod htpasswd;

use egret_api::kgateway::{TrafficBasicAuth, TrafficPolicySpec, UsersSecret};
use htpasswd::HtpasswdUsers;

/// The default entry of a Secret.
const DEFAULT_ENTRY: &str = ".htpasswd";
/// Maximum number of users in `users` of a policy.
const MAX_USERS: usize = 256;

impl ReadPolicy for BasicAuth {
    type Spec = TrafficBasicAuth;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficBasicAuth> {
        spec.basic_auth.as_ref()
    }

    fn read(
        spec: &TrafficBasicAuth,
        fields: &mut SpecFields<'_>,
        reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficBasicAuth {
            users,
            secret_ref,
            disable,
        } = spec;
        let mut read = HtpasswdUsers::default();
        match (users, secret_ref, disable) {
            (Some(lines), None, None) => users_of_spec(lines, &mut read, fields),
            (None, Some(secret), None) => users_of_secret(reader, secret, &mut read, fields),
            (None, None, Some(_)) => return FieldReading::Disabled,
            _ => {
                let message = "exactly one of the fields in [users secretRef disable] must be set";
                fields.struct_fault(message);
            }
        }
        FieldReading::Set(Self::new(read.by_name))
    }
}

fn users_of_spec(lines: &[String], read: &mut HtpasswdUsers, fields: &mut SpecFields<'_>) {
    if !(1..=MAX_USERS).contains(&lines.len()) {
        fields.fault("users", format!("1 to {MAX_USERS} are allowed"));
    }
    for (index, line) in lines.iter().enumerate() {
        if let Err(message) = read.add(line.trim()) {
            fields.fault(&format!("users[{index}]"), message);
        }
    }
}

fn users_of_secret(
    reader: PolicyReader<'_>,
    spec: &UsersSecret,
    read: &mut HtpasswdUsers,
    fields: &mut SpecFields<'_>,
) {
    let UsersSecret {
        name,
        namespace,
        key,
    } = spec;
    let key = key.as_deref().unwrap_or(DEFAULT_ENTRY);
    let found = reader.secret(name, namespace.as_deref());
    let text = found.and_then(|(reference, secret)| {
        let wrong = |message: String| ReferentFault::content(&reference, message);
        let bytes = entry(secret, key).ok_or_else(|| wrong(format!("{reference} has no {key}")))?;
        let text = str::from_utf8(bytes);
        let text = text.map_err(|_| wrong(format!("{key} of {reference} is not UTF-8")))?;
        Ok((reference, text))
    });
    match text {
        Ok((reference, text)) => {
            for message in read.add_file(text) {
                let fault = ReferentFault::content(&reference, format!("{key}: {message}"));
                fields.referent_fault("secretRef", fault);
            }
        }
        Err(fault) => fields.referent_fault("secretRef", fault),
    }
}
