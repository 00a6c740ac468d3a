//! Responses with one thing odd about each.

use super::*;
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};

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

fn text(family: Family, answers: &[Record]) -> String {
    match records(&name("a.test."), family, answers) {
        Ok(records) => {
            let addresses: Vec<_> = records.addresses.iter().map(ToString::to_string).collect();
            format!("{} {}", addresses.join(","), records.ttl.as_secs())
        }
        Err(error) => error.failure.label().to_owned(),
    }
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
    assert_eq!(text(Family::V4, &chain), "192.0.2.1,192.0.2.2 20");
    assert_eq!(text(Family::V6, &chain), "2001:db8::1 5");
    for (answers, expected) in [
        (
            vec![a("a.test.", 60, "192.0.2.1"), a("a.test.", 30, "192.0.2.2")],
            "192.0.2.1,192.0.2.2 30",
        ),
        (vec![a("other.test.", 60, "192.0.2.1")], "nodata"),
        (vec![aaaa("a.test.", 60, "2001:db8::1")], "nodata"),
        (vec![cname("a.test.", 60, "b.test.")], "nodata"),
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
            "nodata",
        ),
        (vec![], "nodata"),
        (vec![a("a.test.", 0, "192.0.2.1")], "192.0.2.1 0"),
        (vec![a("a.test.", 1 << 31, "192.0.2.1")], "192.0.2.1 0"),
    ] {
        assert_eq!(text(Family::V4, &answers), expected, "{answers:?}");
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
    for (links, expected) in [(MAX_CHAIN, "192.0.2.1 60"), (MAX_CHAIN + 1, "nodata")] {
        let mut answers = chain(links);
        answers.push(a(&format!("n{links}.test."), 60, "192.0.2.1"));
        assert_eq!(text(Family::V4, &answers), expected);
    }
}

#[test]
fn a_thousand_addresses_are_too_many() {
    let answers: Vec<_> = (0..1000)
        .map(|index| {
            a(
                "a.test.",
                60,
                &format!("10.0.{}.{}", index / 256, index % 256),
            )
        })
        .collect();
    let records = records(&name("a.test."), Family::V4, &answers).unwrap();
    assert_eq!(records.addresses.len(), MAX_ADDRESSES);
}

#[test]
fn errors_keep_their_rcode() {
    for (error, expected) in [
        (NetError::Timeout, None),
        (NetError::NoConnections, None),
        (
            DnsError::ResponseCode(ResponseCode::ServFail).into(),
            Some("SERVFAIL"),
        ),
        (
            DnsError::ResponseCode(ResponseCode::Refused).into(),
            Some("REFUSED"),
        ),
        (
            DnsError::ResponseCode(ResponseCode::NotImp).into(),
            Some("NOTIMP"),
        ),
        (
            DnsError::ResponseCode(ResponseCode::FormErr).into(),
            Some("FORMERR"),
        ),
    ] {
        assert_eq!(failure(&error).failure.rcode(), expected, "{error}");
    }
    assert!(failure(&NetError::Timeout).failure.is_timeout());
}
