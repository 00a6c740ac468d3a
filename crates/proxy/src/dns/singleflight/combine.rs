//! Combines the answers to the questions about one name into the outcome of its query.

use std::sync::Arc;
use std::time::Duration;

use crate::dns::cache::{QueryOutcome, RemainingAnswers};
use crate::dns::failure::DnsFailure;
use crate::dns::query::{AddressRecords, HttpsRecord, QueryError};

/// The longest TTL of an answer that lacks a family because its question failed: it may be the family that this host
/// can reach.
const INCOMPLETE_TTL: Duration = Duration::from_secs(30);

/// The outcome when only one family is queried.
pub(super) fn single(answer: Result<AddressRecords, QueryError>) -> QueryOutcome {
    match answer {
        Ok(AddressRecords { addresses, ttl }) => QueryOutcome::Found {
            addresses,
            ttl,
            https_record: None,
            remaining: RemainingAnswers::Nothing,
        },
        Err(QueryError { failure, ttl }) => QueryOutcome::Failed { failure, ttl },
    }
}

/// The outcome when both families have answered: addresses if there are any, a negative answer only if both are
/// negative.
pub(super) fn combined(
    one: Result<AddressRecords, QueryError>,
    other: Result<AddressRecords, QueryError>,
) -> QueryOutcome {
    match (one, other) {
        (Ok(one), Ok(other)) => QueryOutcome::Found {
            addresses: [one.addresses, other.addresses].concat(),
            ttl: one.ttl.min(other.ttl),
            https_record: None,
            remaining: RemainingAnswers::Nothing,
        },
        (Ok(found), Err(error)) | (Err(error), Ok(found)) => QueryOutcome::Found {
            addresses: found.addresses,
            ttl: if error.failure.is_answer() {
                found.ttl
            } else {
                found.ttl.min(INCOMPLETE_TTL)
            },
            https_record: None,
            remaining: RemainingAnswers::Nothing,
        },
        (Err(one), Err(other)) => single(Err(worse(one, other))),
    }
}

/// The outcome when one family has answered and the other has not: until its answer comes, it counts as failed.
pub(super) fn early(answer: Result<AddressRecords, QueryError>) -> QueryOutcome {
    combined(answer, Err(DnsFailure::Timeout.into()))
}

/// Adds the HTTPS record, if one has come, and the answers that are still to come. A name without HTTPS records keeps
/// its outcome.
pub(super) fn with_https_record(
    outcome: QueryOutcome,
    record: Option<(Arc<HttpsRecord>, Duration)>,
    remaining: RemainingAnswers,
) -> QueryOutcome {
    let QueryOutcome::Found { addresses, ttl, .. } = outcome else {
        return outcome;
    };
    let (https_record, least) = record.unzip();
    QueryOutcome::Found {
        addresses,
        ttl: ttl.min(least.unwrap_or(Duration::MAX)),
        https_record,
        remaining,
    }
}

/// The failure that says more about the name, of those of two families or of two candidates. A failure that is not an
/// answer comes before a negative answer, because it leaves open whether the name has addresses. NXDOMAIN beside NODATA
/// is a contradiction, of which NODATA claims less.
pub(super) fn worse(one: QueryError, other: QueryError) -> QueryError {
    match (one.failure.is_answer(), other.failure.is_answer()) {
        (true, true) => QueryError {
            failure: if one.failure == DnsFailure::NxDomain {
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
