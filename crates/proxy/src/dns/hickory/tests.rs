//! The queries on real sockets, against servers that answer from a script.

use std::net::SocketAddr;
use std::time::Duration;

use egret_config::snapshot::NameServer;
use tokio::task::JoinSet;

use super::*;

use server::{Script, TestServer, Transport};

mod encrypted;
mod hostile;
mod server;
mod services;
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

fn query_of(settings: &ResolverSettings) -> HickoryQuery {
    HickoryQuery::with_roots(settings, &DnsStats::default(), &RootCertificates::of([]))
}

async fn failure(query: &HickoryQuery, name: &str) -> Failure {
    let answer = query.query(name.parse().unwrap(), Family::V4);
    let answer = tokio::time::timeout(Duration::from_secs(10), answer);
    answer.await.unwrap().unwrap_err().failure
}

async fn ask(query: &HickoryQuery, name: &str, family: Family) -> String {
    let answer = query.query(name.parse().unwrap(), family);
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
    let server = TestServer::start(Script::default()).await;
    let query = query_of(&settings(&[(&server, DnsProtocol::Udp)]));
    for (name, family, expected) in [
        ("both.test", Family::V4, "192.0.2.1,192.0.2.2 60"),
        ("both.test", Family::V6, "2001:db8::1 90"),
        ("alias.test", Family::V4, "192.0.2.9 7"),
        // The chain goes on in a second question.
        ("far.test", Family::V4, "192.0.2.1,192.0.2.2 11"),
        ("gone.test", Family::V4, "nxdomain 10"),
        ("gone.test", Family::V6, "nxdomain 10"),
        ("empty.test", Family::V4, "nodata 10"),
        ("nosoa.test", Family::V4, "nxdomain"),
        ("dangling.test", Family::V4, "nxdomain 10"),
        ("servfail.test", Family::V4, "servfail"),
        ("refused.test", Family::V4, "refused"),
        ("notimp.test", Family::V4, "rcode"),
        ("wrongid.test", Family::V4, "192.0.2.7 60"),
        ("wrongname.test", Family::V4, "192.0.2.7 60"),
        ("folded.test", Family::V4, "192.0.2.7 60"),
        ("garbage.test", Family::V4, "network"),
        ("onion", Family::V4, "nxdomain"),
        ("x.invalid", Family::V4, "nxdomain"),
        ("loop.test", Family::V4, "nodata"),
    ] {
        assert_eq!(ask(&query, name, family).await, expected, "{name}");
    }
    let asked = server.asked();
    assert!(asked.iter().all(|asked| asked.transport == Transport::Udp));
    assert!(asked.iter().all(|asked| asked.edns));
    let count = |name: &str| asked.iter().filter(|asked| asked.name == name).count();
    assert_eq!((count("servfail.test."), count("onion.")), (1, 0));
    assert_eq!((count("loop.test."), count("pool.test.")), (1, 1));
}

#[tokio::test]
async fn nothing_is_cached_searched_or_looked_up_in_files() {
    let server = TestServer::start(Script::default()).await;
    let query = query_of(&settings(&[(&server, DnsProtocol::Udp)]));
    for name in ["both.test", "both.test", "single", "ip6-localhost"] {
        ask(&query, name, Family::V4).await;
    }
    let names: Vec<_> = server.asked().into_iter().map(|asked| asked.name).collect();
    assert_eq!(
        names,
        ["both.test.", "both.test.", "single.", "ip6-localhost."]
    );
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again_over_tcp() {
    let server = TestServer::start(Script::default()).await;
    let query = query_of(&settings(&[(&server, DnsProtocol::Udp)]));
    // Twice, because the connection stays.
    for _ in 0..2 {
        assert_eq!(ask(&query, "long.test", Family::V4).await, "192.0.2.1 60");
        let transports: Vec<_> = server
            .asked()
            .into_iter()
            .map(|asked| asked.transport)
            .collect();
        assert_eq!(transports, [Transport::Udp, Transport::Tcp]);
    }
}

#[tokio::test]
async fn tcp_only_means_tcp_only() {
    let server = TestServer::start(Script::default()).await;
    let query = query_of(&settings(&[(&server, DnsProtocol::Tcp)]));
    assert_eq!(ask(&query, "both.test", Family::V6).await, "2001:db8::1 90");
    assert_eq!(ask(&query, "gone.test", Family::V6).await, "nxdomain 10");
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| asked.transport == Transport::Tcp)
    );
}

#[tokio::test]
async fn many_questions_at_once_are_all_answered() {
    let server = TestServer::start(Script::default()).await;
    for protocol in [DnsProtocol::Udp, DnsProtocol::Tcp] {
        let query = Arc::new(query_of(&settings(&[(&server, protocol)])));
        let mut asking = JoinSet::new();
        for index in 0..200 {
            let query = Arc::clone(&query);
            asking
                .spawn(async move { ask(&query, &format!("n{index}.any.test"), Family::V4).await });
        }
        let answers = asking.join_all().await;
        assert!(
            answers.iter().all(|answer| answer == "192.0.2.5 60"),
            "{answers:?}"
        );
    }
}

#[tokio::test]
async fn a_lost_packet_is_sent_again() {
    let server = TestServer::start(Script { drop_first: 1 }).await;
    let query = query_of(&settings(&[(&server, DnsProtocol::Udp)]));
    assert_eq!(ask(&query, "both.test", Family::V6).await, "2001:db8::1 90");
    assert!(server.asked().len() >= 2);
}

#[tokio::test]
async fn a_silent_server_is_a_timeout() {
    let server = TestServer::start(Script {
        drop_first: usize::MAX,
    })
    .await;
    let mut settings = settings(&[(&server, DnsProtocol::Udp)]);
    settings.query_timeout = Duration::from_millis(200);
    assert_eq!(
        ask(&query_of(&settings), "both.test", Family::V4).await,
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
        ask(&query_of(&settings), "both.test", Family::V4).await,
        "network"
    );
}

#[tokio::test]
async fn without_servers_every_query_says_why() {
    let query = HickoryQuery {
        servers: Err(Failure::Network("no nameservers found".into())),
    };
    assert_eq!(ask(&query, "both.test", Family::V4).await, "network");
    let nobody = Servers::new(Box::new([]), Choice::new(Order::AsGiven, 0, Duration::MAX));
    let query = HickoryQuery {
        servers: Ok(Arc::new(nobody)),
    };
    assert_eq!(ask(&query, "both.test", Family::V4).await, "network");
    // Whatever this machine has: no panic.
    let _ = HickoryQuery::new(&ResolverSettings::default(), &DnsStats::default());
}
