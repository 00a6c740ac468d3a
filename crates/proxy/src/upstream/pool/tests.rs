//! What a pool keeps and what it tells about it, in simulated time.

use std::net::{SocketAddr, TcpStream};

use egret_config::name::Port;
use egret_config::snapshot::{HttpVersion, LookupFamily, Scheme};
use tokio::task::LocalSet;

use super::*;
use crate::clock;
use crate::dns::query::HttpsRecord;
use crate::dns::{AnswerSource, ResolvedName};
use crate::refusal::CircuitBreakerLimit;
use crate::upstream::client_memo::ClientMemo;
use crate::upstream::connection::UpstreamConnection;
use crate::upstream::endpoint::AddressRequest;
use crate::upstream::families::FamilyHistory;
use crate::upstream::host_pool::TakenConnection;
use crate::upstream::http1::Http1Socket;
use crate::upstream::lease::LeasedConnection;
use std::time::Duration;

const A: &str = "192.0.2.1:80";
const B: &str = "192.0.2.2:80";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn pool() -> Rc<UpstreamPool> {
    UpstreamPool::new(3, Arc::default(), Arc::default())
}

/// The pool of a host that resolves to these addresses.
fn host_pool_of(
    pool: &UpstreamPool,
    host: &str,
    settings: BackendSettings,
    addresses: &[&str],
) -> Rc<HostPool> {
    let host_pool = pool.host_pool(&DestinationKey::example(host), &Arc::new(settings));
    resolve(&host_pool, addresses);
    host_pool
}

fn resolve(host_pool: &HostPool, addresses: &[&str]) {
    let addresses: Vec<_> = addresses.iter().map(|text| address(text)).collect();
    host_pool.update(&addresses, AddressFamily::V4, clock::now());
}

/// A new connection in use, and its other end, which keeps it open.
fn lease(host_pool: &Rc<HostPool>, peer: &str) -> (LeasedConnection, TcpStream) {
    let (mut socket, far) = Http1Socket::pair(address(peer));
    socket.health = host_pool.health(address(peer), clock::now());
    let connection = UpstreamConnection::Http1(socket.begin(None));
    (again(host_pool, connection), far)
}

fn again(host_pool: &Rc<HostPool>, connection: UpstreamConnection) -> LeasedConnection {
    let breakers = host_pool.settings().circuit_breakers;
    let request = host_pool
        .state
        .limits
        .enter(CircuitBreakerLimit::Requests, &breakers);
    LeasedConnection::new(connection, host_pool, request.unwrap())
}

#[test]
fn a_record_says_where_a_destination_is_until_it_led_nowhere() {
    let (pool, now) = (pool(), clock::now());
    let destination = DestinationKey {
        scheme: Scheme::Https,
        port: Port::HTTPS,
        ..DestinationKey::example("a.example")
    };
    let host_pool = pool.host_pool(&destination, &Arc::default());
    let service = HttpsRecord {
        alpn: vec![(*b"http/1.1").into()],
        port: Port::new(8443),
        hints: Vec::new(),
        other_target: false,
    };
    let known = ResolvedName {
        addresses: [address(A).ip()].into(),
        source: AnswerSource::Hit,
        pending_family: None,
        https_record: Some(Arc::new(service)),
    };
    let is_at = |port: u16, now| {
        host_pool.resolved(&known, LookupFamily::Auto, &FamilyHistory::default(), now);
        !host_pool.has_endpoint_besides(&[SocketAddr::new(address(A).ip(), port)])
    };
    assert!(is_at(8443, now));
    host_pool.ignore_https_record(now);
    assert!(is_at(443, now));
    assert!(is_at(8443, now + Duration::from_secs(5 * 60)));
}

/// Which connection the next request gets, and which address it has to be warmed for, by their last digits.
fn take(host_pool: &Rc<HostPool>, attempted: &[&str]) -> (String, Option<UpstreamConnection>) {
    let attempted: Vec<_> = attempted.iter().map(|text| address(text)).collect();
    let digit = |address: SocketAddr| address.ip().to_string().pop().unwrap();
    let TakenConnection {
        connection,
        connect,
    } = host_pool.take(
        |_| true,
        || AddressRequest {
            attempted: &attempted,
            affinity: None,
            now: clock::now(),
        },
    );
    let peer = connection.as_ref().map(UpstreamConnection::peer);
    let told = match (peer, connect) {
        (Some(peer), None) => digit(peer).to_string(),
        (Some(peer), Some(connect)) => format!("{} for {}", digit(peer), digit(connect)),
        (None, _) => String::new(),
    };
    (told, connection)
}

fn swept(pool: &UpstreamPool) -> Vec<String> {
    let in_use = pool.sweep(clock::now()).into_iter();
    let in_use = in_use.filter(|one| one.in_use);
    let mut hosts: Vec<_> = in_use
        .map(|one| one.host_pool.state.destination.host.to_string())
        .collect();
    hosts.sort();
    hosts
}

async fn local<F: Future<Output = ()>>(test: F) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn destinations_are_in_use_while_and_after_their_connections_are() {
    local(async {
        let pool = pool();
        let settings = BackendSettings::default;
        let a = host_pool_of(&pool, "a.test", settings(), &[A]);
        let b = host_pool_of(&pool, "b.test", settings(), &[B]);
        let (first, _far) = lease(&a, A);
        let (second, _other_far) = lease(&b, B);
        assert_eq!(swept(&pool), ["a.test", "b.test"]);
        // For as long as a response takes.
        assert_eq!(swept(&pool), ["a.test", "b.test"]);
        first.release();
        drop(second);
        assert_eq!(swept(&pool), [""; 0]);

        again(&a, take(&a, &[]).1.unwrap()).release();
        assert!(take(&b, &[]).1.is_none());
        assert_eq!(swept(&pool), ["a.test"]);
        assert_eq!(swept(&pool), [""; 0]);

        // Idle connections are closed in the end, and their host pool is removed.
        tokio::time::sleep(crate::upstream::host_pool::IDLE_TIMEOUT).await;
        assert_eq!(swept(&pool), [""; 0]);
        assert!(pool.host_pools.borrow().is_empty());
        assert_eq!(pool.idle.get(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn requests_take_turns_over_the_addresses() {
    local(async {
        let pool = pool();
        let host_pool = host_pool_of(&pool, "a.test", BackendSettings::default(), &[A, B]);
        let (first, _far) = lease(&host_pool, A);
        first.release();
        // While only one has a connection, every second request asks for one to the other.
        let mut told: Vec<_> = (0..4)
            .map(|_| {
                let (told, connection) = take(&host_pool, &[]);
                again(&host_pool, connection.unwrap()).release();
                told
            })
            .collect();
        told.sort();
        assert_eq!(told, ["1", "1", "1 for 2", "1 for 2"]);

        let (second, _other_far) = lease(&host_pool, B);
        second.release();
        let mut told: Vec<_> = (0..4)
            .map(|_| {
                let (told, connection) = take(&host_pool, &[]);
                again(&host_pool, connection.unwrap()).release();
                told
            })
            .collect();
        assert_ne!(told[0], told[1]);
        told.sort();
        assert_eq!(told, ["1", "1", "2", "2"]);

        // A request that has been to one goes to the other, and so does every one while that is unwell.
        let (told, connection) = take(&host_pool, &[A]);
        assert_eq!(told, "2");
        again(&host_pool, connection.unwrap()).release();
        host_pool
            .health(address(A), clock::now())
            .connect_failed(clock::now());
        for _ in 0..4 {
            let (told, connection) = take(&host_pool, &[]);
            assert_eq!(told, "2");
            again(&host_pool, connection.unwrap()).release();
        }
        // When it may be well again, that is found out beside a request and not by it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (told, connection) = take(&host_pool, &[]);
        assert_eq!(told, "2 for 1");
        again(&host_pool, connection.unwrap()).release();
        assert!(host_pool.begin_warming(address(A)) && !host_pool.begin_warming(address(A)));
        assert_eq!(take(&host_pool, &[]).0, "2");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn connections_to_addresses_that_are_gone_are_closed_or_kept() {
    for close_on_address_change in [true, false] {
        local(async move {
            let pool = pool();
            let settings = BackendSettings {
                close_on_address_change,
                ..BackendSettings::default()
            };
            let host_pool = host_pool_of(&pool, "a.test", settings, &[A]);
            let (busy, _far) = lease(&host_pool, A);
            let (idle, _other_far) = lease(&host_pool, A);
            idle.release();
            resolve(&host_pool, &[B]);
            assert_eq!(pool.idle.get(), usize::from(!close_on_address_change));
            // The request on it is not disturbed; the connection is not used again.
            assert!(!busy.is_closed());
            busy.release();
            assert_eq!(pool.idle.get(), 2 * usize::from(!close_on_address_change));
            assert_eq!(take(&host_pool, &[]).1.is_none(), close_on_address_change);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn connections_are_closed_after_as_many_requests_and_as_long_as_configured() {
    local(async {
        let pool = pool();
        let settings = BackendSettings {
            max_requests_per_connection: Some(2),
            idle_timeout: Some(Duration::from_secs(5)),
            ..BackendSettings::default()
        };
        let host_pool = host_pool_of(&pool, "a.test", settings, &[A]);
        let (first, _far) = lease(&host_pool, A);
        first.release();
        again(&host_pool, take(&host_pool, &[]).1.unwrap()).release();
        assert!(take(&host_pool, &[]).1.is_none());

        let (second, _other_far) = lease(&host_pool, A);
        second.release();
        tokio::time::sleep(Duration::from_secs(4)).await;
        pool.sweep(clock::now());
        assert_eq!(pool.idle.get(), 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        pool.sweep(clock::now());
        assert_eq!(pool.idle.get(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_may_share_waits_for_a_connection_that_is_being_opened() {
    let pool = pool();
    let destination = DestinationKey {
        scheme: Scheme::Https,
        version: HttpVersion::Auto,
        ..DestinationKey::example("a.example")
    };
    let host_pool = pool.host_pool(&destination, &Arc::default());
    assert!(!host_pool.wait_for_dial().await, "there is none");

    let waits = async |then: &dyn Fn()| {
        let dialing = host_pool.begin_shared_dial().expect("it may be HTTP/2");
        let mut waiting = std::pin::pin!(host_pool.wait_for_dial());
        let pending = tokio::time::timeout(Duration::from_secs(1), waiting.as_mut()).await;
        assert!(pending.is_err());
        then();
        drop(dialing);
        waiting.await
    };
    // Who gave up, or found one to share, leaves it to the next to look; who failed sends all on their own ways.
    assert!(waits(&|| {}).await);
    assert!(!waits(&|| host_pool.shared_dial_failed()).await);
    host_pool.negotiated(false);
    assert!(host_pool.begin_shared_dial().is_none() && !host_pool.wait_for_dial().await);
    host_pool.negotiated(true);
    assert!(host_pool.begin_shared_dial().is_some());
    let plain = pool.host_pool(&DestinationKey::example("a.example"), &Arc::default());
    assert!(plain.begin_shared_dial().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_client_finds_its_last_pool_again_while_there_is_one() {
    let (pool, settings) = (pool(), Arc::default());
    let memo = ClientMemo::default();
    let key = DestinationKey::example;
    let first = memo.host_pool(&pool, &key("a.example"), &settings);
    let same = |other: &Rc<HostPool>| Rc::ptr_eq(&first, other);
    assert!(same(&memo.host_pool(&pool, &key("a.example"), &settings)));
    assert!(!same(&memo.host_pool(&pool, &key("b.example"), &settings)));
    assert!(same(&memo.host_pool(&pool, &key("a.example"), &settings)));
    // A request holds it that takes longer than the pool remembers what is not used.
    first.was_used();
    pool.sweep(clock::now());
    let next = memo.host_pool(&pool, &key("a.example"), &settings);
    assert!(!same(&next), "what is put there would never be found");
    assert!(Rc::ptr_eq(
        &next,
        &pool.host_pool(&key("a.example"), &settings)
    ));
}

#[tokio::test(start_paused = true)]
async fn no_more_are_kept_idle_than_may_be() {
    let worker = LocalSet::new();
    worker
        .run_until(async {
            let pool = pool();
            let host_pool = host_pool_of(&pool, "a.test", BackendSettings::default(), &[A]);
            let mut others = Vec::new();
            for _ in 0..5 {
                let (leased, far) = lease(&host_pool, A);
                others.push((leased, far));
            }
            for (leased, _) in others {
                leased.release();
            }
            assert_eq!(pool.idle.get(), 3);
        })
        .await;
}
