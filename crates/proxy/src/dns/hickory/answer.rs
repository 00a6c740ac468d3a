//! What a DNS response says about a name.

use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::dns::failure::Failure;
use crate::dns::family::Family;
use crate::dns::query::{MAX_ADDRESSES, QueryError, Records};

/// Longest chain of CNAME records followed within a response.
const MAX_CHAIN: usize = 16;

/// A type of record that is asked for.
pub(super) trait Wanted: Copy + Send + 'static {
    /// What an answer holds.
    type Found: Send + 'static;

    /// The type in the question.
    fn record_type(self) -> RecordType;

    /// What the records of `owner` are worth, with the least of their TTLs and `ttl`; `None` if there is none of use.
    /// `name` is what was asked for, and perhaps an alias of `owner`.
    fn found(self, name: &Name, owner: &Name, records: &[&Record], ttl: u32)
    -> Option<Self::Found>;
}

/// What a response says that is no failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<F> {
    /// The answer.
    Found(F),
    /// That the name is an alias of this one, and no more; with the least TTL that led there.
    Alias(Name, u32),
}

/// Where a chain of CNAME records leads.
struct Chain<'a> {
    owner: &'a Name,
    ttl: u32,
    /// Whether there are more of them than are followed.
    cut: bool,
}

/// Whether this is a response to these questions at all (RFC 5452 4.2): over TCP, TLS and HTTPS nobody else looks.
/// An error may leave the question out, as a server does that could not read it.
pub(super) fn check(questions: &[Query], response: &Message) -> Result<(), &'static str> {
    let meta = &response.metadata;
    let negative = matches!(
        meta.response_code,
        ResponseCode::NoError | ResponseCode::NXDomain
    );
    if meta.message_type != MessageType::Response || meta.op_code != OpCode::Query {
        return Err("the server answered with something else than a response");
    }
    let unnamed = response.queries.is_empty() && !negative && response.answers.is_empty();
    // Names compare without regard to case.
    if response.queries == questions || unnamed {
        Ok(())
    } else {
        Err("the server answered another question")
    }
}

/// What the response says to the question. `ttl` is the least one of what led to the question.
pub(super) fn read<W: Wanted>(
    question: &Query,
    wanted: W,
    response: &Message,
    ttl: u32,
) -> Result<Said<W::Found>, QueryError> {
    let chain = follow(question.name(), &response.answers, ttl);
    let soa = soa(&response.authorities);
    match response.metadata.response_code {
        // One that was truncated over TCP is broken: it has nowhere else to go.
        ResponseCode::NoError if response.metadata.truncation => {
            Err(Failure::Network("the response is truncated".into()).into())
        }
        ResponseCode::NoError => {
            if let Some(found) = found(question, wanted, &chain, &response.answers) {
                return Ok(Said::Found(found));
            }
            let is_alias = chain.owner != question.name() && !chain.cut;
            // A server that has looked further says with a SOA record that there is nothing (RFC 2308 2.2).
            if is_alias && soa.is_none() {
                return Ok(Said::Alias(chain.owner.clone(), chain.ttl));
            }
            Err(negative(Failure::NoData, soa, chain.ttl))
        }
        ResponseCode::NXDomain => Err(negative(Failure::NxDomain, soa, chain.ttl)),
        code => Err(rcode(code).into()),
    }
}

/// Follows the chain of CNAME records from `name`. Only the records that it leads to count: a response may hold more,
/// and nobody vouches for it.
fn follow<'a>(name: &'a Name, answers: &'a [Record], ttl: u32) -> Chain<'a> {
    let mut chain = Chain {
        owner: name,
        ttl,
        cut: false,
    };
    let next = |owner: &Name| {
        answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if is_of(record, owner) => Some((&target.0, record.ttl)),
            _ => None,
        })
    };
    for _ in 0..MAX_CHAIN {
        let Some((target, ttl)) = next(chain.owner) else {
            return chain;
        };
        chain.owner = target;
        chain.ttl = chain.ttl.min(cap(ttl));
    }
    chain.cut = next(chain.owner).is_some();
    chain
}

fn found<W: Wanted>(
    question: &Query,
    wanted: W,
    chain: &Chain<'_>,
    answers: &[Record],
) -> Option<W::Found> {
    let of_type = answers.iter().filter(|record| {
        is_of(record, chain.owner) && record.record_type() == wanted.record_type()
    });
    let records: Vec<&Record> = of_type.collect();
    let ttls = records.iter().map(|record| cap(record.ttl));
    let ttl = ttls.fold(chain.ttl, u32::min);
    wanted.found(question.name(), chain.owner, &records, ttl)
}

fn is_of(record: &Record, owner: &Name) -> bool {
    record.dns_class == DNSClass::IN && record.name == *owner
}

impl Wanted for Family {
    type Found = Records;

    fn record_type(self) -> RecordType {
        match self {
            Self::V4 => RecordType::A,
            Self::V6 => RecordType::AAAA,
        }
    }

    fn found(self, _name: &Name, _owner: &Name, records: &[&Record], ttl: u32) -> Option<Records> {
        let addresses = records.iter().filter_map(|record| record.data.ip_addr());
        let addresses: Vec<_> = addresses.take(MAX_ADDRESSES).collect();
        (!addresses.is_empty()).then(|| Records {
            addresses,
            ttl: seconds(ttl),
        })
    }
}

/// A negative answer, which holds no longer than what led to it.
fn negative(failure: Failure, soa: Option<u32>, ttl: u32) -> QueryError {
    QueryError {
        failure,
        ttl: soa.map(|soa| seconds(soa.min(ttl))),
    }
}

/// How long a negative answer holds by itself: see [`QueryError::ttl`].
fn soa(authorities: &[Record]) -> Option<u32> {
    authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(cap(record.ttl).min(cap(soa.minimum))),
        _ => None,
    })
}

/// Whole seconds.
pub(super) fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(ttl.into())
}

/// A TTL with the highest bit set counts as zero (RFC 2181 8).
const fn cap(ttl: u32) -> u32 {
    if ttl > i32::MAX.cast_unsigned() {
        0
    } else {
        ttl
    }
}

/// What any other RCODE means (IANA, DNS RCODEs).
fn rcode(code: ResponseCode) -> Failure {
    match code {
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
