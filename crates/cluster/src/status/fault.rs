//! Why the API server did not take a status, and what is to be done about it.

use std::collections::BTreeSet;

use crate::call;

/// What the answer of the API server means for a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WriteFault {
    /// The API server does not have the object: it is gone, or its kind is not served yet.
    Gone,
    /// The object is not what it was when it was read. It is to be read again.
    Stale,
    /// The installed CRD does not have these fields, as paths below `status`. The status can be written without them.
    Undeclared(BTreeSet<String>),
    /// The status is refused, and will be if it is sent again.
    Refused(String),
    /// The API server cannot take it now.
    Unavailable(String),
}

impl WriteFault {
    pub(super) fn of(error: &kube::Error) -> Self {
        let kube::Error::Api(answer) = error else {
            return Self::Unavailable(error.to_string());
        };
        let message = answer.message.clone();
        // A status with a field that the schema does not have is a fault of the server to it, not of the client.
        let undeclared = undeclared(&message);
        match answer.code {
            404 => Self::Gone,
            409 => Self::Stale,
            // Another writer took the room for conditions or entries.
            422 if message.contains("Too many") => Self::Stale,
            _ if !undeclared.is_empty() => Self::Undeclared(undeclared),
            _ if call::may_pass(answer) => Self::Unavailable(message),
            _ => Self::Refused(message),
        }
    }
}

/// The fields that a schema does not have, by an answer such as
/// `.status.listeners[name="http"].supportedKinds: field not declared in schema`. The keys of lists are left out.
fn undeclared(message: &str) -> BTreeSet<String> {
    let before = message.split(": field not declared in schema");
    let mut paths: Vec<&str> = before.collect();
    // What follows the last occurrence names no field.
    paths.pop();
    let path_of = |text: &str| {
        let at = text.rfind(".status.")? + ".status.".len();
        Some(without_keys(&text[at..]))
    };
    paths.into_iter().filter_map(path_of).collect()
}

fn without_keys(path: &str) -> String {
    let mut depth = 0_usize;
    path.chars()
        .filter(|c| match c {
            '[' => {
                depth += 1;
                false
            }
            ']' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn fault(code: u16, message: &str) -> WriteFault {
        let status = Status::failure(message, "").with_code(code);
        WriteFault::of(&kube::Error::Api(status.boxed()))
    }

    #[test]
    fn answers_are_told_apart() {
        let typed = "failed to create typed patch object (infra/gw; gateway.networking.k8s.io/v1, Kind=Gateway): ";
        let fields = |names: &[&str]| {
            WriteFault::Undeclared(names.iter().map(|name| (*name).to_owned()).collect())
        };
        let duplicate =
            format!("{typed}.status.conditions: duplicate entries for key [type=\"A\"]");
        let cases = [
            (404, "gateways \"gw\" not found", WriteFault::Gone),
            (409, "the object has been modified", WriteFault::Stale),
            (
                422,
                "Gateway \"gw\" is invalid: status.conditions: Too many: 9: must have at most 8 items",
                WriteFault::Stale,
            ),
            (422, "invalid", WriteFault::Refused("invalid".to_owned())),
            (
                403,
                "forbidden",
                WriteFault::Refused("forbidden".to_owned()),
            ),
            (
                429,
                "slow down",
                WriteFault::Unavailable("slow down".to_owned()),
            ),
            (503, "away", WriteFault::Unavailable("away".to_owned())),
            (
                500,
                "etcd timeout",
                WriteFault::Unavailable("etcd timeout".to_owned()),
            ),
            (
                500,
                "etcdserver: request is too large",
                WriteFault::Refused("etcdserver: request is too large".to_owned()),
            ),
            (500, &duplicate, WriteFault::Refused(duplicate.clone())),
            (
                500,
                &format!("{typed}.status.attachedListenerSets: field not declared in schema"),
                fields(&["attachedListenerSets"]),
            ),
            (
                500,
                &format!(
                    "{typed}errors:\n  .status.addresses: field not declared in schema\n  \
                     .status.listeners[name=\"a.b\"].supportedKinds: field not declared in schema"
                ),
                fields(&["addresses", "listeners.supportedKinds"]),
            ),
        ];
        for (code, message, expected) in cases {
            assert_eq!(fault(code, message), expected, "{code} {message}");
        }
    }
}
