//! `faultInjection` of a TrafficPolicy: delays and failures on purpose.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

/// `faultInjection` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FaultInjection {
    /// Makes requests wait.
    pub delay: Option<Fault<Duration>>,
    /// Fails requests.
    pub abort: Option<Fault<FaultStatus>>,
    /// Sends the bodies of responses at this rate, in bytes a second, which is at least 125.
    pub response_rate: Option<Fault<u64>>,
    /// How many faults there may be at once.
    pub max_active: Option<u32>,
}

/// A fault, and how often it is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fault<T> {
    /// What is done.
    pub value: T,
    /// To how many of a hundred requests.
    pub percentage: u8,
}

/// The status of a request that is failed on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FaultStatus {
    /// A status of HTTP.
    Http(#[serde(serialize_with = "as_u16")] StatusCode),
    /// A status of gRPC, 0 to 16.
    Grpc(u8),
}

impl<T: Copy> Fault<T> {
    /// The fault, if it is injected into a request with this lot, which is below 100.
    pub fn of(self, lot: u8) -> Option<T> {
        (lot < self.percentage).then_some(self.value)
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn as_u16<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_of_a_hundred_lots_as_the_percentage_get_the_fault() {
        for percentage in [0, 1, 50, 99, 100] {
            let fault = Fault {
                value: (),
                percentage,
            };
            let injected = (0..100).filter(|lot| fault.of(*lot).is_some()).count();
            assert_eq!(injected, usize::from(percentage));
        }
    }
}
