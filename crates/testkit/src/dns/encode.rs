//! Encodes scripted answers as DNS messages.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::answer::{Answer, Hostile, POISON_V4, POISON_V6};
use super::record::HttpsRecord;

const SOA_TTL: u32 = 3600;
const HOSTILE_TTL: u32 = 300;
/// A number of records that exceeds 4 KiB.
const OVERSIZED: usize = 500;
const ANOTHER_NAME: &str = "somebody-else.invalid.";

/// The reply to `query`, or `None` if none is sent.
pub(super) fn reply(query: &Message, answer: &Answer, soa_minimum: Option<u32>) -> Option<Vec<u8>> {
    let question = query.queries.first()?;
    let mut message = head(query);
    match answer {
        Answer::Addresses { addresses, ttl } => {
            message.answers = records(question.name(), question.query_type(), addresses, *ttl);
        }
        Answer::Chain {
            targets,
            addresses,
            ttl,
        } => message.answers = chain(question, targets, addresses, *ttl),
        Answer::Code(code) => message.metadata.response_code = *code,
        Answer::Services { records, ttl } => {
            message.answers = services(question, records, *ttl);
        }
        Answer::Silence | Answer::Hangup => return None,
        Answer::Hostile(how) => return hostile(message, question, how),
    }
    let negative = matches!(
        message.metadata.response_code,
        ResponseCode::NoError | ResponseCode::NXDomain
    );
    if let (true, true, Some(minimum)) = (message.answers.is_empty(), negative, soa_minimum) {
        message.add_authority(soa(question.name(), minimum));
    }
    Some(encode(&message))
}

/// The reply to `query` that has only the truncation bit, so that the client repeats the query over TCP.
pub(super) fn truncated(query: &Message) -> Vec<u8> {
    encode(&head(query).truncate())
}

fn head(query: &Message) -> Message {
    let mut message = Message::response(query.metadata.id, query.metadata.op_code);
    message.metadata = Metadata::response_from_request(&query.metadata);
    message.metadata.recursion_available = true;
    message.queries = query.queries.clone();
    if query.edns.is_some() {
        message.set_edns(Edns::new());
    }
    message
}

fn chain(question: &Query, targets: &[String], addresses: &[IpAddr], ttl: u32) -> Vec<Record> {
    let mut owner = question.name().clone();
    let mut chain = Vec::with_capacity(targets.len() + addresses.len());
    for target in targets {
        let target = parse_name(target);
        let alias = RData::CNAME(CNAME(target.clone()));
        chain.push(Record::from_rdata(owner, ttl, alias));
        owner = target;
    }
    chain.extend(records(&owner, question.query_type(), addresses, ttl));
    chain
}

fn records(owner: &Name, asked: RecordType, addresses: &[IpAddr], ttl: u32) -> Vec<Record> {
    let data = addresses.iter().map(|address| match *address {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    });
    data.filter(|data| data.record_type() == asked)
        .map(|data| Record::from_rdata(owner.clone(), ttl, data))
        .collect()
}

fn services(question: &Query, records: &[HttpsRecord], ttl: u32) -> Vec<Record> {
    let asked = question.query_type() == RecordType::HTTPS;
    let data = records.iter().filter(|_| asked).map(HttpsRecord::data);
    data.map(|data| Record::from_rdata(question.name().clone(), ttl, data))
        .collect()
}

fn hostile(mut message: Message, question: &Query, how: &Hostile) -> Option<Vec<u8>> {
    let mut owner = question.name().clone();
    let mut v4 = question.query_type() == RecordType::A;
    let mut copies = 1;
    match how {
        Hostile::WrongId => message.metadata.id = message.metadata.id.wrapping_add(1),
        Hostile::WrongQuestion => {
            message.queries = vec![Query::query(
                parse_name(ANOTHER_NAME),
                question.query_type(),
            )];
        }
        Hostile::WrongOwner => owner = parse_name(ANOTHER_NAME),
        Hostile::WrongType => v4 = !v4,
        Hostile::NoQuestion => message.queries.clear(),
        Hostile::NotAResponse => message.metadata.message_type = MessageType::Query,
        Hostile::Truncated => message.metadata.truncation = true,
        Hostile::Oversized => copies = OVERSIZED,
        Hostile::Garbage(bytes) => {
            return Some([&message.metadata.id.to_be_bytes(), bytes.as_slice()].concat());
        }
    }
    let data = if v4 {
        RData::A(A(POISON_V4))
    } else {
        RData::AAAA(AAAA(POISON_V6))
    };
    let record = Record::from_rdata(owner, HOSTILE_TTL, data);
    message.answers = vec![record; copies];
    Some(encode(&message))
}

fn soa(name: &Name, minimum: u32) -> Record {
    let zone = name.base_name();
    let soa = SOA::new(zone.clone(), zone.clone(), 1, 3600, 600, 86_400, minimum);
    Record::from_rdata(zone, SOA_TTL, RData::SOA(soa))
}

pub(super) fn parse_name(name: &str) -> Name {
    let mut name = Name::from_ascii(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    name.set_fqdn(true);
    name
}

fn encode(message: &Message) -> Vec<u8> {
    message.to_vec().expect("an answer that fits a DNS message")
}
