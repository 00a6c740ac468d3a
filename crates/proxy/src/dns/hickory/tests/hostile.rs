//! Tests of servers that lie, over each protocol.

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
    let mut tasks = JoinSet::new();
    // The expectations are for UDP, TCP, TLS and HTTPS. A response that does not belong to the query is ignored where
    // another one may follow; the query then times out.
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
            let client =
                HickoryClient::with_roots(&settings, &DnsStats::default(), &roots(&server));
            let name = name.to_ascii_lowercase();
            tasks.spawn(async move {
                let way = &settings.servers[0].protocol;
                let answer = ask(&client, &name, AddressFamily::V4).await;
                assert_eq!(answer, expected, "{name} over {way:?}");
                // The connection can still be used, or is replaced.
                let answer = ask(&client, "good.test", AddressFamily::V4).await;
                assert_eq!(answer, "192.0.2.1 60", "after {name} over {way:?}");
            });
        }
    }
    while let Some(ended) = tasks.join_next().await {
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
        let client = HickoryClient::with_roots(&settings, &DnsStats::default(), &roots(&server));
        for family in [AddressFamily::V4, AddressFamily::V6] {
            let answer = client
                .query_addresses("many.test".parse().unwrap(), family)
                .await;
            assert_eq!(answer.unwrap().addresses.len(), 64);
        }
        server.clear_queries();
        assert_eq!(
            ask(&client, "one.test", AddressFamily::V4).await,
            "alias_chain"
        );
        assert_eq!(
            (
                server.queries_for("one.test"),
                server.queries_for("other.test")
            ),
            (1, 1)
        );
        // A datagram that is longer than the advertised size arrives truncated.
        if is_udp {
            assert_eq!(
                ask(&client, "oversized.test", AddressFamily::V4).await,
                "network"
            );
        }
    }
}
