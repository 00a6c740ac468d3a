//! Tests of several servers, one of which is slow, wrong or dead.

use egret_testkit::DnsServer;

use super::*;
use crate::clock;

const UDP: DnsProtocol = DnsProtocol::Udp;

fn pair(servers: [&DnsServer; 2]) -> (ResolverSettings, [&DnsServer; 2]) {
    for (index, server) in servers.iter().enumerate() {
        server.a("x.test", [format!("192.0.2.{index}").as_str()], 60);
    }
    (
        settings_of(servers.map(|server| (server.addr(), UDP))),
        servers,
    )
}

/// A client that treats the servers as those of the system.
fn as_of_system(settings: &ResolverSettings) -> HickoryClient {
    let (stats, roots) = (DnsStats::default(), RootCertificates::of([]));
    let timeout = settings.query_timeout;
    let servers = settings
        .servers
        .iter()
        .map(|server| ServerClient::new(server, timeout, &roots, &stats));
    let servers: Box<[ServerClient]> = servers.collect();
    let choice = ServerSelection::new(ServerOrder::AsGiven, servers.len(), timeout);
    HickoryClient {
        servers: Ok(Arc::new(ServerPool::new(servers, choice))),
    }
}

fn query_counts(servers: [&DnsServer; 2]) -> [usize; 2] {
    servers.map(|server| server.queries().len())
}

/// The order in which the next query would be sent.
fn order(client: &HickoryClient) -> Vec<usize> {
    client.servers.as_ref().unwrap().order()
}

/// Waits for the effects of what has happened already.
async fn until(done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_fastest_comes_to_be_first() {
    let (slow, fast) = (DnsServer::start(), DnsServer::start());
    let (settings, _) = pair([&slow, &fast]);
    slow.delay("x.test", Duration::from_millis(20));
    let client = client_of(&settings);
    // The first query goes to the first server, and as a probe to the other one, which is measured.
    assert_eq!(
        ask(&client, "x.test", AddressFamily::V4).await,
        "192.0.2.0 60"
    );
    fast.until_queries("x.test", 1).await;
    until(|| order(&client) == [1, 0]).await;
    let before = fast.queries().len();
    ask(&client, "x.test", AddressFamily::V4).await;
    assert_eq!(fast.queries().len(), before + 1);
}

#[tokio::test]
async fn an_answer_is_final_and_a_failure_is_not() {
    let (first, second) = (DnsServer::start(), DnsServer::start());
    let (settings, servers) = pair([&first, &second]);
    first.nxdomain("gone.test");
    first.servfail("ill.test");
    second.a("gone.test", ["192.0.2.9"], 60);
    let client = as_of_system(&settings);
    for _ in 0..5 {
        assert_eq!(
            ask(&client, "x.test", AddressFamily::V4).await,
            "192.0.2.0 60"
        );
        assert_eq!(
            ask(&client, "gone.test", AddressFamily::V4).await,
            "nxdomain 60"
        );
    }
    assert_eq!(query_counts(servers), [10, 0]);
    second.refuse("ill.test");
    // The name is to blame, so failures change nothing, however many there are.
    for _ in 0..5 {
        assert_eq!(
            ask(&client, "ill.test", AddressFamily::V4).await,
            "servfail"
        );
    }
    assert_eq!(query_counts(servers), [15, 5]);
    assert_eq!(
        ask(&client, "x.test", AddressFamily::V4).await,
        "192.0.2.0 60"
    );
}

#[tokio::test]
async fn one_that_fails_where_the_other_answers_goes_behind() {
    let (ill, well) = (DnsServer::start(), DnsServer::start());
    for (client, times) in [
        (client_of as fn(&ResolverSettings) -> HickoryClient, 1),
        (as_of_system, 3),
    ] {
        let (settings, servers) = pair([&ill, &well]);
        ill.refuse("x.test");
        let client = client(&settings);
        for _ in 0..times {
            assert_eq!(order(&client), [0, 1]);
            assert_eq!(
                ask(&client, "x.test", AddressFamily::V4).await,
                "192.0.2.1 60"
            );
        }
        assert_eq!(order(&client), [1, 0]);
        let before = query_counts(servers)[0];
        // The server recovers, and is probed beside the other.
        let start = clock::now();
        while query_counts(servers)[0] == before {
            assert_eq!(
                ask(&client, "x.test", AddressFamily::V4).await,
                "192.0.2.1 60"
            );
            assert!(clock::now() - start < Duration::from_secs(10));
        }
    }
}

#[tokio::test]
async fn a_dead_server_costs_its_head_start_once() {
    let (dead, alive) = (DnsServer::start(), DnsServer::start());
    let (settings, servers) = pair([&dead, &alive]);
    dead.drop_queries("x.test");
    let client = client_of(&settings);
    let start = clock::now();
    assert_eq!(
        ask(&client, "x.test", AddressFamily::V4).await,
        "192.0.2.1 60"
    );
    assert!(clock::now() - start >= Duration::from_millis(250));
    until(|| order(&client) == [1, 0]).await;
    let before = query_counts(servers)[1];
    for _ in 0..5 {
        assert_eq!(
            ask(&client, "x.test", AddressFamily::V4).await,
            "192.0.2.1 60"
        );
    }
    assert_eq!(query_counts(servers)[1], before + 5);
}

#[tokio::test]
async fn each_server_is_counted_for_itself_and_to_the_end() {
    let (dead, alive) = (DnsServer::start(), DnsServer::start());
    let (mut settings, _) = pair([&dead, &alive]);
    settings.query_timeout = Duration::from_secs(1);
    dead.drop_queries("x.test");
    let stats = DnsStats::default();
    let client = HickoryClient::with_roots(&settings, &stats, &RootCertificates::of([]));
    assert_eq!(
        ask(&client, "x.test", AddressFamily::V4).await,
        "192.0.2.1 60"
    );
    let of = |server: &DnsServer| stats.server(&server.addr().to_string().into());
    let timeouts = || of(&dead).failures.counter(DnsFailure::Timeout.kind()).get();
    // Nobody waits for the answer any more; it counts all the same.
    until(|| timeouts() == 1).await;
    assert!(of(&dead).duration.snapshot().nanos >= 1_000_000_000);
    assert_eq!(
        of(&alive)
            .failures
            .counter(DnsFailure::Timeout.kind())
            .get(),
        0
    );
    assert!(of(&alive).duration.snapshot().count() >= 1);
    assert_eq!(stats.servers().len(), 2);
}
