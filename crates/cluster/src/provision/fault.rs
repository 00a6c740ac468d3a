//! Why the API server did not take an object, and what is to be done about it.

use thiserror::Error;

use crate::call;

/// Why an object could not be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteFault {
    /// The API server cannot take it now.
    #[error("{0}")]
    Unavailable(String),
    /// Somebody else has changed the object at the same time.
    #[error("{0}")]
    Conflict(String),
    /// The namespace is going, or is gone: there is nothing to write any more.
    #[error("{0}")]
    NamespaceGone(String),
    /// The object is refused, and will be if it is sent again.
    #[error("{0}")]
    Refused(String),
}

impl WriteFault {
    pub(super) fn of(error: &kube::Error) -> Self {
        let kube::Error::Api(answer) = error else {
            return Self::Unavailable(error.to_string());
        };
        let message = answer.message.clone();
        let details = answer.details.as_ref();
        let mut causes = details.into_iter().flat_map(|details| &details.causes);
        let is_terminating = causes.any(|cause| cause.reason == "NamespaceTerminating");
        match answer.code {
            404 => Self::NamespaceGone(message),
            403 if is_terminating => Self::NamespaceGone(message),
            409 => Self::Conflict(message),
            _ if call::may_pass(answer) => Self::Unavailable(message),
            _ => Self::Refused(message),
        }
    }

    /// Whether the same object would be refused again.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use kube::core::response::{StatusCause, StatusDetails};

    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let of = |code: u16, message: &str, cause: &str| {
            let mut status = Status::failure(message, "").with_code(code);
            status.details = Some(StatusDetails {
                causes: vec![StatusCause {
                    reason: cause.to_owned(),
                    message: String::new(),
                    field: String::new(),
                }],
                name: String::new(),
                group: String::new(),
                kind: String::new(),
                uid: String::new(),
                retry_after_seconds: 0,
            });
            WriteFault::of(&kube::Error::Api(status.boxed()))
        };
        let text = "t".to_owned();
        for (code, expected) in [
            (400, WriteFault::Refused(text.clone())),
            (403, WriteFault::Refused(text.clone())),
            (404, WriteFault::NamespaceGone(text.clone())),
            (409, WriteFault::Conflict(text.clone())),
            (413, WriteFault::Refused(text.clone())),
            (422, WriteFault::Refused(text.clone())),
            (429, WriteFault::Unavailable(text.clone())),
            (500, WriteFault::Unavailable(text.clone())),
            (503, WriteFault::Unavailable(text.clone())),
        ] {
            assert_eq!(of(code, "t", ""), expected, "{code}");
        }
        assert_eq!(
            of(403, "t", "NamespaceTerminating"),
            WriteFault::NamespaceGone(text)
        );
        for message in [
            "failed to create typed patch object (infra/gw; /v1, Kind=Service): .spec.ports: duplicate entries",
            "etcdserver: request is too large",
        ] {
            assert!(of(500, message, "").is_refusal());
        }
    }
}
