//! Tests of records that differ in one parameter each.

use hickory_proto::rr::rdata::svcb::{Alpn, EchConfigList, IpHint, Mandatory, Unknown};
use hickory_proto::rr::rdata::{A, AAAA, HTTPS};

use super::*;

type SvcParams = Vec<(SvcParamKey, SvcParamValue)>;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn alpn(ids: &[&str]) -> (SvcParamKey, SvcParamValue) {
    let ids = ids.iter().map(|&id| id.to_owned()).collect();
    (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(ids)))
}

fn port(number: u16) -> (SvcParamKey, SvcParamValue) {
    (SvcParamKey::Port, SvcParamValue::Port(number))
}

fn hints(count: u8) -> (SvcParamKey, SvcParamValue) {
    let addresses = (0..count).map(|last| A::new(192, 0, 2, last)).collect();
    (
        SvcParamKey::Ipv4Hint,
        SvcParamValue::Ipv4Hint(IpHint(addresses)),
    )
}

fn mandatory(keys: &[u16]) -> (SvcParamKey, SvcParamValue) {
    let keys = keys.iter().map(|&key| key.into()).collect();
    (
        SvcParamKey::Mandatory,
        SvcParamValue::Mandatory(Mandatory(keys)),
    )
}

fn no_default() -> (SvcParamKey, SvcParamValue) {
    (SvcParamKey::NoDefaultAlpn, SvcParamValue::NoDefaultAlpn)
}

fn record(priority: u16, target: &str, params: SvcParams) -> Record {
    let svcb = SVCB::new(priority, name(target), params);
    Record::from_rdata(name("b.test."), 60, RData::HTTPS(HTTPS(svcb)))
}

/// Reads the records as those of `b.test`, of which `a.test` is an alias.
fn services(records: &[Record]) -> Vec<HttpsRecord> {
    let records: Vec<_> = records.iter().collect();
    HttpsRecordQuery
        .read(&name("a.test."), &name("b.test."), &records, 60)
        .map_or(Vec::new(), |found| found.records)
}

fn text(params: SvcParams) -> String {
    let found = services(&[record(1, ".", params)]);
    let Some(service) = found.first() else {
        return "none".to_owned();
    };
    let ids = service.alpn.iter().map(|id| id.escape_ascii().to_string());
    let ids: Vec<_> = ids.collect();
    let port = service.port.map_or(0, Port::get);
    format!("{} {port} {}", ids.join(","), service.hints.len())
}

#[test]
fn parameters_are_read_and_what_cannot_be_used_is_left_out() {
    let v6 = AAAA("2001:db8::1".parse().unwrap());
    let v6 = (
        SvcParamKey::Ipv6Hint,
        SvcParamValue::Ipv6Hint(IpHint(vec![v6])),
    );
    let ech = SvcParamValue::EchConfigList(EchConfigList(vec![1]));
    let ech = (SvcParamKey::EchConfigList, ech);
    let other = (
        SvcParamKey::from(4242),
        SvcParamValue::Unknown(Unknown(vec![1])),
    );
    for (params, expected) in [
        (vec![], "http/1.1 0 0"),
        (vec![alpn(&["h2"])], "h2,http/1.1 0 0"),
        (vec![alpn(&["http/1.1", "h2"])], "http/1.1,h2 0 0"),
        (vec![alpn(&["h2"]), no_default()], "h2 0 0"),
        (vec![no_default()], "none"),
        (vec![port(8443), hints(2), v6], "http/1.1 8443 3"),
        (vec![port(0)], "none"),
        (vec![hints(100)], "http/1.1 0 64"),
        (vec![ech.clone(), other.clone()], "http/1.1 0 0"),
        (
            vec![mandatory(&[1, 3]), alpn(&["h2"]), port(1)],
            "h2,http/1.1 1 0",
        ),
        (vec![mandatory(&[2]), alpn(&["h2"]), no_default()], "h2 0 0"),
        (vec![mandatory(&[4]), hints(1)], "http/1.1 0 1"),
        // The mandatory key is missing, or not supported.
        (vec![mandatory(&[3])], "none"),
        (vec![mandatory(&[5]), ech], "none"),
        (vec![mandatory(&[4242]), other], "none"),
    ] {
        let shown = format!("{params:?}");
        assert_eq!(text(params), expected, "{shown}");
    }
}

#[test]
fn another_target_needs_addresses() {
    for (target, params, expected) in [
        (".", vec![], Some(false)),
        ("B.test.", vec![], Some(false)),
        ("a.test.", vec![], Some(false)),
        ("c.test.", vec![hints(1)], Some(true)),
        ("c.test.", vec![port(443)], None),
    ] {
        let found = services(&[record(1, target, params)]);
        let elsewhere = found.first().map(|service| service.other_target);
        assert_eq!(elsewhere, expected, "{target}");
    }
}

#[test]
fn they_come_by_priority_and_so_many_at_most() {
    let records: Vec<_> = (1..=20)
        .rev()
        .map(|priority| record(priority, ".", vec![port(priority)]))
        .collect();
    let ports: Vec<_> = services(&records)
        .into_iter()
        .filter_map(|service| service.port.map(Port::get))
        .collect();
    assert_eq!(ports, (1..=8).collect::<Vec<u16>>());
}

#[test]
fn an_alias_overrules_all_services() {
    let records = [record(1, ".", vec![]), record(0, "c.test.", vec![])];
    assert!(services(&records[..1]).len() == 1 && services(&records).is_empty());
}
