//! What the answers for a name come to.

use std::sync::Arc;
use std::time::Duration;

use crate::dns::cache::{Outcome, Rest};
use crate::dns::failure::Failure;
use crate::dns::query::{QueryError, Records, Service};

/// Most that an answer counts for when a family is missing from it because its query failed: it may be the family that
/// this host can reach.
const INCOMPLETE_TTL: Duration = Duration::from_secs(30);

pub(super) fn single(answer: Result<Records, QueryError>) -> Outcome {
    match answer {
        Ok(Records { addresses, ttl }) => Outcome::Found {
            addresses,
            ttl,
            service: None,
            rest: Rest::Nothing,
        },
        Err(QueryError { failure, ttl }) => Outcome::Failed { failure, ttl },
    }
}

/// What the answers for both families come to: addresses if there are any, a negative answer only if both are.
pub(super) fn combined(
    one: Result<Records, QueryError>,
    other: Result<Records, QueryError>,
) -> Outcome {
    match (one, other) {
        (Ok(one), Ok(other)) => Outcome::Found {
            addresses: [one.addresses, other.addresses].concat(),
            ttl: one.ttl.min(other.ttl),
            service: None,
            rest: Rest::Nothing,
        },
        (Ok(found), Err(error)) | (Err(error), Ok(found)) => Outcome::Found {
            addresses: found.addresses,
            ttl: if error.failure.is_answer() {
                found.ttl
            } else {
                found.ttl.min(INCOMPLETE_TTL)
            },
            service: None,
            rest: Rest::Nothing,
        },
        (Err(one), Err(other)) => single(Err(worse(one, other))),
    }
}

/// The answer for one family while the other is still being asked for: until it comes, it counts as if it had failed.
pub(super) fn early(answer: Result<Records, QueryError>) -> Outcome {
    combined(answer, Err(Failure::Timeout.into()))
}

/// Adds the HTTPS record, if one has come, and what is still to come. What has none is not worse for it.
pub(super) fn with_service(
    outcome: Outcome,
    service: Option<(Arc<Service>, Duration)>,
    rest: Rest,
) -> Outcome {
    let Outcome::Found { addresses, ttl, .. } = outcome else {
        return outcome;
    };
    let (service, least) = service.unzip();
    Outcome::Found {
        addresses,
        ttl: ttl.min(least.unwrap_or(Duration::MAX)),
        service,
        rest,
    }
}

/// Of two failures, of two families or of two names that were tried, the one that tells more about the whole. What is not an answer wins over what is: it leaves
/// open whether the name has addresses. NXDOMAIN besides NODATA is a contradiction, of which NODATA claims less.
pub(super) fn worse(one: QueryError, other: QueryError) -> QueryError {
    match (one.failure.is_answer(), other.failure.is_answer()) {
        (true, true) => QueryError {
            failure: if one.failure == Failure::NxDomain {
                other.failure
            } else {
                one.failure
            },
            ttl: one.ttl.zip(other.ttl).map(|(one, other)| one.min(other)),
        },
        (true, false) => other,
        (false, true) => one,
        (false, false) if one.failure.rcode().is_none() && other.failure.rcode().is_some() => other,
        (false, false) => one,
    }
}

#[cfg(test)]
mod tests;
