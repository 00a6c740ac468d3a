//! Tests of responses with one oddity each.

use super::*;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SOA};

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn a(owner: &str, ttl: u32, address: &str) -> Record {
    let data = RData::A(A(address.parse().unwrap()));
    Record::from_rdata(name(owner), ttl, data)
}

fn aaaa(owner: &str, ttl: u32, address: &str) -> Record {
    let data = RData::AAAA(AAAA(address.parse().unwrap()));
    Record::from_rdata(name(owner), ttl, data)
}

fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
}

fn soa(ttl: u32, minimum: u32) -> Record {
    let zone = name("test.");
    let soa = SOA::new(zone.clone(), zone.clone(), 1, 60, 60, 60, minimum);
    Record::from_rdata(zone, ttl, RData::SOA(soa))
}

fn question() -> Query {
    Query::query(name("a.test."), RecordType::A)
}

fn response(answers: &[Record]) -> Message {
    let mut response = Message::response(1, OpCode::Query);
    response.add_query(question());
    response.answers = answers.to_vec();
    response
}

fn response_text(family: AddressFamily, response: &Message) -> String {
    let question = Query::query(name("a.test."), family.record_type());
    match read_response(&question, family, response, u32::MAX) {
        Ok(ResponseContent::Records(records)) => {
            let addresses: Vec<_> = records.addresses.iter().map(ToString::to_string).collect();
            format!("{} {}", addresses.join(","), records.ttl.as_secs())
        }
        Ok(ResponseContent::Alias(target, ttl)) => format!("-> {target} {ttl}"),
        Err(QueryError { failure, ttl: None }) => failure.label().to_owned(),
        Err(QueryError {
            failure,
            ttl: Some(ttl),
        }) => {
            format!("{} {}", failure.label(), ttl.as_secs())
        }
    }
}

fn text(family: AddressFamily, answers: &[Record]) -> String {
    response_text(family, &response(answers))
}

#[test]
fn only_what_the_chain_leads_to_counts() {
    let chain = [
        cname("b.test.", 20, "c.test."),
        a("c.test.", 300, "192.0.2.1"),
        cname("A.Test.", 60, "B.test."),
        a("c.test.", 200, "192.0.2.2"),
        a("other.test.", 5, "192.0.2.66"),
        a("a.test.", 5, "192.0.2.67"),
        aaaa("c.test.", 5, "2001:db8::1"),
    ];
    assert_eq!(text(AddressFamily::V4, &chain), "192.0.2.1,192.0.2.2 20");
    assert_eq!(text(AddressFamily::V6, &chain), "2001:db8::1 5");
    for (answers, expected) in [
        (
            vec![a("a.test.", 60, "192.0.2.1"), a("a.test.", 30, "192.0.2.2")],
            "192.0.2.1,192.0.2.2 30",
        ),
        (vec![a("other.test.", 60, "192.0.2.1")], "nodata"),
        (vec![aaaa("a.test.", 60, "2001:db8::1")], "nodata"),
        (vec![cname("a.test.", 60, "b.test.")], "-> b.test. 60"),
        (
            vec![
                cname("a.test.", 60, "a.test."),
                a("a.test.", 60, "192.0.2.1"),
            ],
            "192.0.2.1 60",
        ),
        (
            vec![
                cname("a.test.", 60, "b.test."),
                cname("b.test.", 60, "a.test."),
            ],
            "alias_chain",
        ),
        (vec![], "nodata"),
        (vec![a("a.test.", 0, "192.0.2.1")], "192.0.2.1 0"),
        (vec![a("a.test.", 1 << 31, "192.0.2.1")], "192.0.2.1 0"),
    ] {
        assert_eq!(text(AddressFamily::V4, &answers), expected, "{answers:?}");
    }
}

#[test]
fn a_chain_is_followed_only_so_far() {
    let chain = |links: usize| -> Vec<Record> {
        let links = (0..links).map(|link| {
            let owner = if link == 0 {
                "a.test.".to_owned()
            } else {
                format!("n{link}.test.")
            };
            cname(&owner, 60, &format!("n{}.test.", link + 1))
        });
        links.collect()
    };
    for (links, expected) in [
        (MAX_CNAMES, "192.0.2.1 60"),
        (MAX_CNAMES + 1, "alias_chain"),
    ] {
        let mut answers = chain(links);
        answers.push(a(&format!("n{links}.test."), 60, "192.0.2.1"));
        assert_eq!(text(AddressFamily::V4, &answers), expected);
    }
}

#[test]
fn a_thousand_addresses_are_too_many() {
    let address = |index| format!("10.0.{}.{}", index / 256, index % 256);
    let answers: Vec<_> = (0..1000)
        .map(|index| a("a.test.", 60, &address(index)))
        .collect();
    let content = read_response(
        &question(),
        AddressFamily::V4,
        &response(&answers),
        u32::MAX,
    );
    let Ok(ResponseContent::Records(records)) = content else {
        panic!("{content:?}");
    };
    assert_eq!(records.addresses.len(), MAX_ADDRESSES);
}

#[test]
fn a_negative_answer_holds_as_its_soa_says_and_no_longer_than_what_led_to_it() {
    for (code, aliases, authority, expected) in [
        (
            ResponseCode::NXDomain,
            vec![],
            Some((300, 10)),
            "nxdomain 10",
        ),
        (ResponseCode::NXDomain, vec![], Some((5, 10)), "nxdomain 5"),
        (
            ResponseCode::NXDomain,
            vec![],
            Some((1 << 31, 10)),
            "nxdomain 0",
        ),
        (ResponseCode::NXDomain, vec![], None, "nxdomain"),
        (ResponseCode::NoError, vec![], Some((300, 10)), "nodata 10"),
        (
            ResponseCode::NXDomain,
            vec![cname("a.test.", 3, "b.test.")],
            Some((300, 10)),
            "nxdomain 3",
        ),
        // The server has followed the alias: there is nothing to query.
        (
            ResponseCode::NoError,
            vec![cname("a.test.", 60, "b.test.")],
            Some((300, 10)),
            "nodata 10",
        ),
    ] {
        let mut response = response(&aliases);
        response.metadata.response_code = code;
        response.authorities = authority
            .map(|(ttl, minimum)| soa(ttl, minimum))
            .into_iter()
            .collect();
        assert_eq!(
            response_text(AddressFamily::V4, &response),
            expected,
            "{response:?}"
        );
    }
}

#[test]
fn other_classes_do_not_count() {
    let mut chaos = a("a.test.", 60, "192.0.2.1");
    chaos.dns_class = DNSClass::CH;
    assert_eq!(text(AddressFamily::V4, &[chaos]), "nodata");
}

#[test]
fn errors_keep_their_rcode() {
    for (code, expected) in [
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::Refused, "REFUSED"),
        (ResponseCode::NotImp, "NOTIMP"),
        (ResponseCode::FormErr, "FORMERR"),
        (ResponseCode::Unknown(4000), "UNKNOWN"),
    ] {
        let mut response = response(&[a("a.test.", 60, "192.0.2.1")]);
        response.metadata.response_code = code;
        let error = read_response(&question(), AddressFamily::V4, &response, 0).unwrap_err();
        assert_eq!(error.failure.rcode(), Some(expected));
    }
}

#[test]
fn a_response_is_one_to_the_question() {
    let questions = [question()];
    let with = |change: &dyn Fn(&mut Message)| {
        let mut response = response(&[]);
        change(&mut response);
        check_response(&questions, &response).is_ok()
    };
    assert!(with(&|_| {}));
    assert!(with(&|r| r.queries[0].name = name("A.Test.")));
    assert!(!with(&|r| r.queries[0].name = name("b.test.")));
    assert!(!with(&|r| r.queries[0].query_type = RecordType::AAAA));
    assert!(!with(&|r| r.queries[0].query_class = DNSClass::CH));
    assert!(!with(&|r| r.queries.push(question())));
    assert!(!with(&|r| r.queries.clear()));
    assert!(!with(&|r| r.metadata.message_type = MessageType::Query));
    assert!(!with(&|r| r.metadata.op_code = OpCode::Update));
    let failed = |r: &mut Message| {
        r.queries.clear();
        r.metadata.response_code = ResponseCode::FormErr;
    };
    assert!(with(&failed));
}
