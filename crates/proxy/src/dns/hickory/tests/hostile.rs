//! Servers that lie, over each protocol.

use egret_testkit::DnsServer;
use egret_testkit::dns::Hostile;

use super::encrypted::{https, roots, tls};
use super::*;

fn ways(server: &DnsServer) -> [(SocketAddr, DnsProtocol); 4] {
    [
        (server.addr(), DnsProtocol::Udp),
        (server.addr(), DnsProtocol::Tcp),
        (server.tls_addr(), tls(None)),
        (server.https_addr(), https(None, "/dns-query")),
    ]
}

#[tokio::test]
async fn nothing_that_a_liar_says_is_believed() {
    let server = DnsServer::start_encrypted();
    server.a("good.test", ["192.0.2.1"], 60);
    let garbage = Hostile::Garbage(vec![0xff; 40]);
    let mut asking = JoinSet::new();
    // Over UDP, TCP, TLS and HTTPS. What is not for this query is passed over where there may be another; then it is
    // as if nobody had answered.
    for (lie, expected) in [
        (
            Hostile::WrongId,
            ["timeout", "timeout", "timeout", "network"],
        ),
        (
            Hostile::WrongQuestion,
            ["timeout", "network", "network", "network"],
        ),
        (
            Hostile::NoQuestion,
            ["timeout", "network", "network", "network"],
        ),
        (Hostile::WrongOwner, ["nodata"; 4]),
        (Hostile::WrongType, ["nodata"; 4]),
        (
            Hostile::NotAResponse,
            ["network", "timeout", "timeout", "network"],
        ),
        (Hostile::Truncated, ["network"; 4]),
        (garbage, ["network", "timeout", "timeout", "network"]),
    ] {
        let name = format!("{lie:?}").replace(|c: char| !c.is_ascii_alphabetic(), "") + ".test";
        server.hostile(name.as_str(), lie);
        for (way, expected) in ways(&server).into_iter().zip(expected) {
            let mut settings = settings_of([way]);
            settings.query_timeout = Duration::from_secs(4);
            let query = HickoryQuery::with_roots(&settings, &DnsStats::default(), &roots(&server));
            let name = name.to_ascii_lowercase();
            asking.spawn(async move {
                let way = &settings.servers[0].protocol;
                let answer = ask(&query, &name, Family::V4).await;
                assert_eq!(answer, expected, "{name} over {way:?}");
                // It does no lasting harm.
                let answer = ask(&query, "good.test", Family::V4).await;
                assert_eq!(answer, "192.0.2.1 60", "after {name} over {way:?}");
            });
        }
    }
    while let Some(ended) = asking.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test]
async fn answers_of_any_length_are_bounded() {
    let server = DnsServer::start_encrypted();
    server.many("many.test", 1000, 60);
    server.cname_loop("one.test", "other.test", 60);
    server.hostile("oversized.test", Hostile::Oversized);
    for way in ways(&server) {
        let is_udp = way.1 == DnsProtocol::Udp;
        let settings = settings_of([way]);
        let query = HickoryQuery::with_roots(&settings, &DnsStats::default(), &roots(&server));
        for family in [Family::V4, Family::V6] {
            let answer = query.query("many.test".parse().unwrap(), family).await;
            assert_eq!(answer.unwrap().addresses.len(), 64);
        }
        server.clear_queries();
        assert_eq!(ask(&query, "one.test", Family::V4).await, "nodata");
        assert_eq!(
            (
                server.queries_for("one.test"),
                server.queries_for("other.test")
            ),
            (1, 1)
        );
        // A datagram longer than was asked for arrives in part.
        if is_udp {
            assert_eq!(ask(&query, "oversized.test", Family::V4).await, "network");
        }
    }
}
