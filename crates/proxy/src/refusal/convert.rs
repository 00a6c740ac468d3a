//! Converts the errors of lower rooms to refusals.

use egret_config::name::NameError;

use super::Refusal;
use crate::dial::failure::SecureFailure;
use crate::message::response_head::InvalidResponse;
use crate::message::target::{FramingError, TargetError};
use crate::message::upgrade::UpgradeDenied;
use crate::message::via::LoopDetected;

impl From<TargetError> for Refusal {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

impl From<FramingError> for Refusal {
    fn from(FramingError(what): FramingError) -> Self {
        Self::Framing(what)
    }
}

impl From<LoopDetected> for Refusal {
    fn from(_: LoopDetected) -> Self {
        Self::Loop
    }
}

impl From<InvalidResponse> for Refusal {
    fn from(_: InvalidResponse) -> Self {
        Self::UpstreamProtocol
    }
}

impl From<UpgradeDenied> for Refusal {
    fn from(_: UpgradeDenied) -> Self {
        Self::NoTunnel("upgrades to this protocol are not allowed")
    }
}

impl From<SecureFailure> for Refusal {
    fn from(failure: SecureFailure) -> Self {
        match failure {
            SecureFailure::Connect(failure) => Self::Connect(failure),
            SecureFailure::Tls(failure) => Self::Tls(failure),
        }
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        Self::Target(TargetError::Name(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::RefusalSubject;

    #[test]
    fn a_malformed_target_is_a_bad_request() {
        for error in [
            TargetError::Missing,
            TargetError::Repeated,
            TargetError::Scheme,
            TargetError::Form,
            TargetError::Authority,
            TargetError::Contradiction,
            TargetError::Name(NameError::Empty),
        ] {
            let refusal = Refusal::from(error);
            assert_eq!(refusal.row().status, 400, "{error}");
            assert_eq!(
                refusal.details(&RefusalSubject::default()),
                error.to_string()
            );
        }
    }
}
