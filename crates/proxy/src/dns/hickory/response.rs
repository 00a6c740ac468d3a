//! Reads DNS responses.

use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::dns::failure::DnsFailure;
use crate::dns::family::AddressFamily;
use crate::dns::query::{AddressRecords, MAX_ADDRESSES, QueryError};

/// The most CNAME records that are followed within a response.
const MAX_CNAMES: usize = 16;

/// A query for one type of records.
pub(super) trait RecordQuery: Copy + Send + 'static {
    /// The records of an answer.
    type Records: Send + 'static;

    /// The record type in the question.
    fn record_type(self) -> RecordType;

    /// Reads the records of `owner`, of which `ttl` is the least TTL; `None` if none of them can be used. `name` is the
    /// name in the question, which may be an alias of `owner`.
    fn read(
        self,
        name: &Name,
        owner: &Name,
        records: &[&Record],
        ttl: u32,
    ) -> Option<Self::Records>;
}

/// The content of a response that is not a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ResponseContent<R> {
    /// The records that were queried.
    Records(R),
    /// Only the name that the queried name is an alias of, and the least TTL that led there.
    Alias(Name, u32),
}

/// The end of a chain of CNAME records.
struct CnameChain<'a> {
    owner: &'a Name,
    ttl: u32,
    /// Whether the chain is longer than is followed.
    truncated: bool,
}

/// Checks that this is a response to these questions (RFC 5452 4.2): over TCP, TLS and HTTPS nothing else does.
/// An error response may lack the question, as that of a server does which could not read it.
pub(super) fn check_response(questions: &[Query], response: &Message) -> Result<(), &'static str> {
    let meta = &response.metadata;
    let negative = matches!(
        meta.response_code,
        ResponseCode::NoError | ResponseCode::NXDomain
    );
    if meta.message_type != MessageType::Response || meta.op_code != OpCode::Query {
        return Err("the server answered with something else than a response");
    }
    let unnamed = response.queries.is_empty() && !negative && response.answers.is_empty();
    // Names are compared without regard to case.
    if response.queries == questions || unnamed {
        Ok(())
    } else {
        Err("the server answered another question")
    }
}

/// Reads the response to a question. `ttl` is the least TTL of the records that led to the question.
pub(super) fn read_response<Q: RecordQuery>(
    question: &Query,
    query: Q,
    response: &Message,
    ttl: u32,
) -> Result<ResponseContent<Q::Records>, QueryError> {
    let chain = follow_cnames(question.name(), &response.answers, ttl);
    let soa = soa(&response.authorities);
    match response.metadata.response_code {
        // A response that is truncated over TCP is broken: there is no other transport to retry over.
        ResponseCode::NoError if response.metadata.truncation => {
            Err(DnsFailure::Network("the response is truncated".into()).into())
        }
        ResponseCode::NoError => {
            if let Some(records) = read_records(question, query, &chain, &response.answers) {
                return Ok(ResponseContent::Records(records));
            }
            if chain.truncated {
                return Err(DnsFailure::AliasChain.into());
            }
            let is_alias = chain.owner != question.name();
            // A server that has followed the alias says with a SOA record that there are no records (RFC 2308 2.2).
            if is_alias && soa.is_none() {
                return Ok(ResponseContent::Alias(chain.owner.clone(), chain.ttl));
            }
            Err(negative(DnsFailure::NoData, soa, chain.ttl))
        }
        ResponseCode::NXDomain => Err(negative(DnsFailure::NxDomain, soa, chain.ttl)),
        code => Err(rcode(code).into()),
    }
}

/// Follows the chain of CNAME records from `name`. Only the records at its end count: a response may hold others, which
/// the server need not be an authority for.
fn follow_cnames<'a>(name: &'a Name, answers: &'a [Record], ttl: u32) -> CnameChain<'a> {
    let mut chain = CnameChain {
        owner: name,
        ttl,
        truncated: false,
    };
    let next = |owner: &Name| {
        answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if is_of(record, owner) => Some((&target.0, record.ttl)),
            _ => None,
        })
    };
    for _ in 0..MAX_CNAMES {
        let Some((target, ttl)) = next(chain.owner) else {
            return chain;
        };
        chain.owner = target;
        chain.ttl = chain.ttl.min(valid_ttl(ttl));
    }
    chain.truncated = next(chain.owner).is_some();
    chain
}

fn read_records<Q: RecordQuery>(
    question: &Query,
    query: Q,
    chain: &CnameChain<'_>,
    answers: &[Record],
) -> Option<Q::Records> {
    let of_type = answers
        .iter()
        .filter(|record| is_of(record, chain.owner) && record.record_type() == query.record_type());
    let records: Vec<&Record> = of_type.collect();
    let ttls = records.iter().map(|record| valid_ttl(record.ttl));
    let ttl = ttls.fold(chain.ttl, u32::min);
    query.read(question.name(), chain.owner, &records, ttl)
}

fn is_of(record: &Record, owner: &Name) -> bool {
    record.dns_class == DNSClass::IN && record.name == *owner
}

impl RecordQuery for AddressFamily {
    type Records = AddressRecords;

    fn record_type(self) -> RecordType {
        match self {
            Self::V4 => RecordType::A,
            Self::V6 => RecordType::AAAA,
        }
    }

    fn read(
        self,
        _name: &Name,
        _owner: &Name,
        records: &[&Record],
        ttl: u32,
    ) -> Option<AddressRecords> {
        let addresses = records.iter().filter_map(|record| record.data.ip_addr());
        let addresses: Vec<_> = addresses.take(MAX_ADDRESSES).collect();
        (!addresses.is_empty()).then(|| AddressRecords {
            addresses,
            ttl: seconds(ttl),
        })
    }
}

/// A negative answer, whose TTL is at most that of the records that led to it.
fn negative(failure: DnsFailure, soa: Option<u32>, ttl: u32) -> QueryError {
    QueryError {
        failure,
        ttl: soa.map(|soa| seconds(soa.min(ttl))),
    }
}

/// How long a negative answer may be cached, in seconds; see [`QueryError::ttl`].
fn soa(authorities: &[Record]) -> Option<u32> {
    authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(valid_ttl(record.ttl).min(valid_ttl(soa.minimum))),
        _ => None,
    })
}

/// A TTL as a duration.
pub(super) fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(ttl.into())
}

/// A TTL with the highest bit set counts as zero (RFC 2181 8).
const fn valid_ttl(ttl: u32) -> u32 {
    if ttl > i32::MAX.cast_unsigned() {
        0
    } else {
        ttl
    }
}

/// The failure for any other RCODE (IANA registry "DNS RCODEs").
fn rcode(code: ResponseCode) -> DnsFailure {
    match code {
        ResponseCode::ServFail => DnsFailure::ServFail,
        ResponseCode::Refused => DnsFailure::Refused,
        ResponseCode::FormErr => DnsFailure::Rcode("FORMERR"),
        ResponseCode::NotImp => DnsFailure::Rcode("NOTIMP"),
        ResponseCode::YXDomain => DnsFailure::Rcode("YXDOMAIN"),
        ResponseCode::YXRRSet => DnsFailure::Rcode("YXRRSET"),
        ResponseCode::NXRRSet => DnsFailure::Rcode("NXRRSET"),
        ResponseCode::NotAuth => DnsFailure::Rcode("NOTAUTH"),
        ResponseCode::NotZone => DnsFailure::Rcode("NOTZONE"),
        ResponseCode::BADVERS => DnsFailure::Rcode("BADVERS"),
        _ => DnsFailure::Rcode("UNKNOWN"),
    }
}

#[cfg(test)]
mod tests;
