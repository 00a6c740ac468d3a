//! Tests of HTTPS records on real sockets.

use egret_testkit::DnsServer;
use egret_testkit::dns::{HttpsRecord, RecordType};

use super::*;
use crate::dns::query::HttpsRecords;

async fn services(server: &DnsServer, name: &str) -> Result<HttpsRecords, QueryError> {
    let client = client_of(&settings_of([(server.addr(), DnsProtocol::Udp)]));
    client.query_https(name.parse().unwrap()).await
}

#[tokio::test]
async fn records_are_asked_for_and_read() {
    let server = DnsServer::start();
    let records = [
        HttpsRecord::new(2, ".").alpn(["h3"]).no_default_alpn(),
        HttpsRecord::new(1, "cdn.test")
            .alpn(["h2"])
            .port(8443)
            .hints(["192.0.2.1", "2001:db8::1"])
            .mandatory([1, 4]),
        HttpsRecord::new(3, ".").port(1).mandatory([5]),
    ];
    server.services("x.test", records, 60);
    let found = services(&server, "x.test").await.unwrap();
    assert_eq!(found.ttl, Duration::from_secs(60));
    let [first, second] = &found.records[..] else {
        panic!("{found:?}");
    };
    assert!(first.other_target && first.port.map(|port| port.get()) == Some(8443));
    assert_eq!(
        first.alpn,
        [Box::from(&b"h2"[..]), Box::from(&b"http/1.1"[..])]
    );
    assert_eq!(first.hints.len(), 2);
    assert!(!second.other_target && second.port.is_none() && second.hints.is_empty());
    assert_eq!(second.alpn, [Box::from(&b"h3"[..])]);
}

#[tokio::test]
async fn an_alias_is_followed_and_the_least_ttl_holds() {
    let server = DnsServer::start();
    server.cname("x.test", "y.test", 7);
    server.services("y.test", [HttpsRecord::new(1, ".")], 60);
    let found = services(&server, "x.test").await.unwrap();
    assert_eq!((found.records.len(), found.ttl.as_secs()), (1, 7));
    assert_eq!(server.queries_for(("y.test", RecordType::HTTPS)), 1);
}

#[tokio::test]
async fn nothing_of_use_is_no_data() {
    let server = DnsServer::start();
    server.soa_minimum(9);
    server.a("plain.test", ["192.0.2.1"], 60);
    server.services("alias.test", [HttpsRecord::new(0, "y.test")], 60);
    let error = |failure, ttl: Option<u64>| QueryError {
        failure,
        ttl: ttl.map(Duration::from_secs),
    };
    for (name, expected) in [
        ("plain.test", error(DnsFailure::NoData, Some(9))),
        ("gone.test", error(DnsFailure::NxDomain, Some(9))),
        // The response has an answer, and therefore no SOA record.
        ("alias.test", error(DnsFailure::NoData, None)),
        ("x.onion", error(DnsFailure::NxDomain, None)),
    ] {
        assert_eq!(services(&server, name).await, Err(expected), "{name}");
    }
}
