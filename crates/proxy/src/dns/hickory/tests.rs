//! Tests of queries on real sockets, against servers that answer from a script.

use std::net::SocketAddr;
use std::time::Duration;

use egret_config::snapshot::NameServer;
use tokio::task::JoinSet;

use super::*;

use server::{EdnsScript, QueryTransport, ServerScript, TestServer};

mod encrypted;
mod hostile;
mod https_record;
mod server;
mod several;

fn settings(servers: &[(&TestServer, DnsProtocol)]) -> ResolverSettings {
    let servers = servers
        .iter()
        .map(|(server, protocol)| (server.address, protocol.clone()));
    settings_of(servers)
}

fn settings_of(servers: impl IntoIterator<Item = (SocketAddr, DnsProtocol)>) -> ResolverSettings {
    let servers = servers.into_iter();
    ResolverSettings {
        servers: servers
            .map(|(address, protocol)| NameServer { address, protocol })
            .collect(),
        ..ResolverSettings::default()
    }
}

fn client_of(settings: &ResolverSettings) -> HickoryClient {
    HickoryClient::with_roots(settings, &DnsStats::default(), &RootCertificates::of([]))
}

async fn failure(client: &HickoryClient, name: &str) -> DnsFailure {
    let answer = client.query_addresses(name.parse().unwrap(), AddressFamily::V4);
    let answer = tokio::time::timeout(Duration::from_secs(10), answer);
    answer.await.unwrap().unwrap_err().failure
}

async fn ask(client: &HickoryClient, name: &str, family: AddressFamily) -> String {
    let answer = client.query_addresses(name.parse().unwrap(), family);
    match tokio::time::timeout(Duration::from_secs(10), answer)
        .await
        .unwrap()
    {
        Ok(records) => {
            let addresses: Vec<_> = records.addresses.iter().map(ToString::to_string).collect();
            format!("{} {}", addresses.join(","), records.ttl.as_secs())
        }
        Err(QueryError { failure, ttl: None }) => failure.label().to_owned(),
        Err(QueryError {
            failure,
            ttl: Some(ttl),
        }) => format!("{} {}", failure.label(), ttl.as_secs()),
    }
}

#[tokio::test]
async fn answers_of_every_kind() {
    let server = TestServer::start(ServerScript::default()).await;
    let client = client_of(&settings(&[(&server, DnsProtocol::Udp)]));
    for (name, family, expected) in [
        ("both.test", AddressFamily::V4, "192.0.2.1,192.0.2.2 60"),
        ("both.test", AddressFamily::V6, "2001:db8::1 90"),
        ("alias.test", AddressFamily::V4, "192.0.2.9 7"),
        // The chain of aliases goes on in a second query.
        ("far.test", AddressFamily::V4, "192.0.2.1,192.0.2.2 11"),
        ("gone.test", AddressFamily::V4, "nxdomain 10"),
        ("gone.test", AddressFamily::V6, "nxdomain 10"),
        ("empty.test", AddressFamily::V4, "nodata 10"),
        ("nosoa.test", AddressFamily::V4, "nxdomain"),
        ("dangling.test", AddressFamily::V4, "nxdomain 10"),
        ("servfail.test", AddressFamily::V4, "servfail"),
        ("refused.test", AddressFamily::V4, "refused"),
        ("notimp.test", AddressFamily::V4, "rcode"),
        ("wrongid.test", AddressFamily::V4, "192.0.2.7 60"),
        ("wrongname.test", AddressFamily::V4, "192.0.2.7 60"),
        ("folded.test", AddressFamily::V4, "192.0.2.7 60"),
        ("garbage.test", AddressFamily::V4, "network"),
        ("onion", AddressFamily::V4, "nxdomain"),
        ("x.invalid", AddressFamily::V4, "nxdomain"),
        ("loop.test", AddressFamily::V4, "alias_chain"),
    ] {
        assert_eq!(ask(&client, name, family).await, expected, "{name}");
    }
    let queries = server.take_queries();
    assert!(
        queries
            .iter()
            .all(|query| query.transport == QueryTransport::Udp)
    );
    assert!(
        queries
            .iter()
            .all(|query| query.edns || query.name == "notimp.test.")
    );
    let count = |name: &str| queries.iter().filter(|query| query.name == name).count();
    assert_eq!((count("servfail.test."), count("onion.")), (1, 0));
    assert_eq!((count("loop.test."), count("pool.test.")), (1, 1));
}

#[tokio::test]
async fn nothing_is_cached_searched_or_looked_up_in_files() {
    let server = TestServer::start(ServerScript::default()).await;
    let client = client_of(&settings(&[(&server, DnsProtocol::Udp)]));
    for name in ["both.test", "both.test", "single", "ip6-localhost"] {
        ask(&client, name, AddressFamily::V4).await;
    }
    let names: Vec<_> = server
        .take_queries()
        .into_iter()
        .map(|query| query.name)
        .collect();
    assert_eq!(
        names,
        ["both.test.", "both.test.", "single.", "ip6-localhost."]
    );
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again_over_tcp() {
    let server = TestServer::start(ServerScript::default()).await;
    let client = client_of(&settings(&[(&server, DnsProtocol::Udp)]));
    // Twice, because the connection is kept.
    for _ in 0..2 {
        assert_eq!(
            ask(&client, "long.test", AddressFamily::V4).await,
            "192.0.2.1 60"
        );
        let transports: Vec<_> = server
            .take_queries()
            .into_iter()
            .map(|query| query.transport)
            .collect();
        assert_eq!(transports, [QueryTransport::Udp, QueryTransport::Tcp]);
    }
}

#[tokio::test]
async fn tcp_only_means_tcp_only() {
    let server = TestServer::start(ServerScript::default()).await;
    let client = client_of(&settings(&[(&server, DnsProtocol::Tcp)]));
    assert_eq!(
        ask(&client, "both.test", AddressFamily::V6).await,
        "2001:db8::1 90"
    );
    assert_eq!(
        ask(&client, "gone.test", AddressFamily::V6).await,
        "nxdomain 10"
    );
    assert!(
        server
            .take_queries()
            .iter()
            .all(|query| query.transport == QueryTransport::Tcp)
    );
}

#[tokio::test]
async fn many_questions_at_once_are_all_answered() {
    let server = TestServer::start(ServerScript::default()).await;
    for protocol in [DnsProtocol::Udp, DnsProtocol::Tcp] {
        let client = Arc::new(client_of(&settings(&[(&server, protocol)])));
        let mut tasks = JoinSet::new();
        for index in 0..200 {
            let client = Arc::clone(&client);
            tasks.spawn(async move {
                ask(&client, &format!("n{index}.any.test"), AddressFamily::V4).await
            });
        }
        let answers = tasks.join_all().await;
        assert!(
            answers.iter().all(|answer| answer == "192.0.2.5 60"),
            "{answers:?}"
        );
    }
}

#[tokio::test]
async fn a_lost_packet_is_sent_again() {
    let server = TestServer::start(ServerScript {
        drop_first: 1,
        ..ServerScript::default()
    })
    .await;
    let client = client_of(&settings(&[(&server, DnsProtocol::Udp)]));
    assert_eq!(
        ask(&client, "both.test", AddressFamily::V6).await,
        "2001:db8::1 90"
    );
    assert!(server.take_queries().len() >= 2);
}

#[tokio::test]
async fn a_silent_server_is_a_timeout() {
    let server = TestServer::start(ServerScript {
        drop_first: usize::MAX,
        ..ServerScript::default()
    })
    .await;
    let mut settings = settings(&[(&server, DnsProtocol::Udp)]);
    settings.query_timeout = Duration::from_millis(200);
    assert_eq!(
        ask(&client_of(&settings), "both.test", AddressFamily::V4).await,
        "timeout"
    );
}

#[tokio::test]
async fn a_refused_connection_is_a_network_failure() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = NameServer {
        address: closed,
        protocol: DnsProtocol::Tcp,
    };
    let settings = ResolverSettings {
        servers: vec![server],
        ..ResolverSettings::default()
    };
    assert_eq!(
        ask(&client_of(&settings), "both.test", AddressFamily::V4).await,
        "network"
    );
}

#[tokio::test]
async fn without_servers_every_query_says_why() {
    let client = HickoryClient {
        servers: Err(DnsFailure::Network("no nameservers found".into())),
    };
    assert_eq!(
        ask(&client, "both.test", AddressFamily::V4).await,
        "network"
    );
    let empty = ServerPool::new(
        Box::new([]),
        ServerSelection::new(ServerOrder::AsGiven, 0, Duration::MAX),
    );
    let client = HickoryClient {
        servers: Ok(Arc::new(empty)),
    };
    assert_eq!(
        ask(&client, "both.test", AddressFamily::V4).await,
        "network"
    );
    // No panic, whatever the configuration of this machine is.
    let _ = HickoryClient::new(&ResolverSettings::default(), &DnsStats::default());
}

/// Servers without EDNS (RFC 6891 6.2.2) refuse it or are silent; the next query has none.
#[tokio::test]
async fn a_server_without_edns_is_asked_without_it_from_then_on() {
    for edns in [EdnsScript::Refuse, EdnsScript::Ignore] {
        for protocol in [DnsProtocol::Udp, DnsProtocol::Tcp] {
            if edns == EdnsScript::Ignore && protocol == DnsProtocol::Tcp {
                continue;
            }
            let server = TestServer::start(ServerScript {
                edns,
                ..ServerScript::default()
            })
            .await;
            let settings = ResolverSettings {
                query_timeout: Duration::from_secs(2),
                ..settings(&[(&server, protocol)])
            };
            let client = client_of(&settings);
            for name in ["both.test", "a.any.test"] {
                let answer = ask(&client, name, AddressFamily::V4).await;
                assert!(answer.starts_with("192.0.2."), "{name}: {answer}");
            }
            let edns: Vec<_> = server.take_queries().iter().map(|it| it.edns).collect();
            // A datagram may have been sent more than once before.
            let repeated = edns.iter().take_while(|edns| **edns).count();
            assert_eq!(edns[repeated..], [false, false], "{edns:?}");
        }
    }
}

#[tokio::test]
async fn a_query_that_fails_either_way_says_nothing_of_edns() {
    let server = TestServer::start(ServerScript::default()).await;
    let client = client_of(&settings(&[(&server, DnsProtocol::Udp)]));
    let failure = ask(&client, "notimp.test", AddressFamily::V4).await;
    assert_eq!(failure, "rcode");
    ask(&client, "both.test", AddressFamily::V4).await;
    let edns: Vec<_> = server.take_queries().iter().map(|it| it.edns).collect();
    assert_eq!(edns, [true, false, true]);
}
