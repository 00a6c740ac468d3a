//! `basicAuth` of a TrafficPolicy to [`BasicAuth`]. Messages name the place of what is wrong, and never a secret.

use super::reader::{PolicyReader, ReadPolicy, Reading};
use crate::api::kgateway::{TrafficBasicAuth, UsersSecret};
use crate::compile::secret::entry;
use crate::compile::value::SpecFields;
use crate::policy::basic_auth::BasicAuth;
use crate::policy::digest::PasswordDigest;

mod htpasswd;

use htpasswd::Users;

/// The entry of a Secret that is read if no other is named.
const DEFAULT_ENTRY: &str = ".htpasswd";
/// How many users a policy may name by itself.
const MOST_USERS: usize = 256;

impl ReadPolicy for BasicAuth {
    type Spec = TrafficBasicAuth;

    fn read(
        spec: &TrafficBasicAuth,
        fields: &mut SpecFields<'_>,
        reader: PolicyReader<'_>,
    ) -> Reading<Self> {
        let TrafficBasicAuth {
            users,
            secret_ref,
            disable,
        } = spec;
        let mut read = Users::default();
        match (users, secret_ref, disable) {
            (Some(lines), None, None) => users_of_spec(lines, &mut read, fields),
            (None, Some(secret), None) => users_of_secret(reader, secret, &mut read, fields),
            (None, None, Some(_)) => return Reading::Disabled,
            _ => {
                let message = "exactly one of the fields in [users secretRef disable] must be set";
                fields.fault_of_all(message);
            }
        }
        Reading::Set(Self::new(read.by_name))
    }
}

fn users_of_spec(lines: &[String], read: &mut Users, fields: &mut SpecFields<'_>) {
    if !(1..=MOST_USERS).contains(&lines.len()) {
        fields.fault("users", format!("1 to {MOST_USERS} are allowed"));
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
    read: &mut Users,
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
        let bytes = entry(secret, key).ok_or_else(|| format!("{reference} has no {key}"))?;
        let text = str::from_utf8(bytes);
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
