//! What a DNS response says about a name.

use std::time::Duration;

use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record};

use crate::dns::failure::Failure;
use crate::dns::family::Family;
use crate::dns::query::{MAX_ADDRESSES, QueryError, Records};

/// Longest chain of CNAME records followed within a response.
const MAX_CHAIN: usize = 16;

/// The addresses that the answer section gives `name`, and how long they hold. Only records that the chain of CNAME
/// records leads to count: a response may hold more, and nobody vouches for it.
pub(super) fn records(
    name: &Name,
    family: Family,
    answers: &[Record],
) -> Result<Records, QueryError> {
    let mut owner = name;
    let mut ttl = u32::MAX;
    for _ in 0..MAX_CHAIN {
        let alias = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == *owner => Some((&target.0, record.ttl)),
            _ => None,
        });
        let Some((target, alias_ttl)) = alias else {
            break;
        };
        owner = target;
        ttl = ttl.min(alias_ttl);
    }
    let mut addresses = Vec::new();
    for record in answers.iter().filter(|record| record.name == *owner) {
        let address = match (&record.data, family) {
            (RData::A(address), Family::V4) => address.0.into(),
            (RData::AAAA(address), Family::V6) => address.0.into(),
            _ => continue,
        };
        ttl = ttl.min(record.ttl);
        if addresses.len() < MAX_ADDRESSES {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(Failure::NoData.into());
    }
    Ok(Records {
        addresses,
        ttl: seconds(ttl),
    })
}

/// What an error of hickory means for the name.
pub(super) fn failure(error: &NetError) -> QueryError {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => QueryError {
            failure: rcode(none.response_code),
            ttl: none.negative_ttl.map(seconds),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => rcode(*code).into(),
        NetError::Timeout => Failure::Timeout.into(),
        error => Failure::Network(error.to_string().into()).into(),
    }
}

/// A TTL with the highest bit set counts as zero (RFC 2181 8).
fn seconds(ttl: u32) -> Duration {
    let ttl = if ttl > i32::MAX.cast_unsigned() {
        0
    } else {
        ttl
    };
    Duration::from_secs(ttl.into())
}

/// What an RCODE means in a response without records (IANA, DNS RCODEs).
fn rcode(code: ResponseCode) -> Failure {
    match code {
        ResponseCode::NoError => Failure::NoData,
        ResponseCode::NXDomain => Failure::NxDomain,
        ResponseCode::ServFail => Failure::ServFail,
        ResponseCode::Refused => Failure::Refused,
        ResponseCode::FormErr => Failure::Rcode("FORMERR"),
        ResponseCode::NotImp => Failure::Rcode("NOTIMP"),
        ResponseCode::YXDomain => Failure::Rcode("YXDOMAIN"),
        ResponseCode::YXRRSet => Failure::Rcode("YXRRSET"),
        ResponseCode::NXRRSet => Failure::Rcode("NXRRSET"),
        ResponseCode::NotAuth => Failure::Rcode("NOTAUTH"),
        ResponseCode::NotZone => Failure::Rcode("NOTZONE"),
        ResponseCode::BADVERS => Failure::Rcode("BADVERS"),
        _ => Failure::Rcode("UNKNOWN"),
    }
}

#[cfg(test)]
mod tests;
