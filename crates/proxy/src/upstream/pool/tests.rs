//! What a pool keeps and what it tells about it, in simulated time.

use std::net::SocketAddr;

use egret_config::name::Port;
use egret_config::snapshot::{HttpVersion, LookupFamily, Scheme};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{DuplexStream, duplex};
use tokio::task::LocalSet;

use super::*;
use crate::clock;
use crate::dns::query::Service;
use crate::dns::{How, Resolved};
use crate::refusal::Limit;
use crate::task;
use crate::upstream::connection::{Connection, Http1, Lease, Switch};
use crate::upstream::families::Families;
use crate::upstream::host_pool::Taken;

const A: &str = "192.0.2.1:80";
const B: &str = "192.0.2.2:80";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn pool() -> Rc<Pool> {
    Pool::new(Arc::default(), Arc::default())
}

/// The place of a host that resolves to these addresses.
fn shelf_of(pool: &Pool, host: &str, settings: BackendSettings, addresses: &[&str]) -> Rc<Shelf> {
    let shelf = pool.shelf(&Destination::example(host), &Arc::new(settings));
    resolve(&shelf, addresses);
    shelf
}

fn resolve(shelf: &Shelf, addresses: &[&str]) {
    let addresses: Vec<_> = addresses.iter().map(|text| address(text)).collect();
    shelf.update(&addresses, Family::V4, clock::now());
}

/// A new connection in use, and its other end, which keeps it open.
async fn lease(shelf: &Rc<Shelf>, peer: &str) -> (Lease, DuplexStream) {
    let (near, far) = duplex(64);
    let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
    task::spawn(async { drop(connection.await) });
    sender.ready().await.unwrap();
    let health = shelf.health(address(peer), clock::now());
    let connection = Http1::new(sender, Switch::default(), address(peer), health);
    (again(shelf, Connection::Http1(connection)), far)
}

fn again(shelf: &Rc<Shelf>, connection: Connection) -> Lease {
    let breakers = shelf.settings().circuit_breakers;
    let request = shelf.site.limits.enter(Limit::Requests, &breakers);
    Lease::new(connection, shelf, request.unwrap())
}

#[test]
fn a_record_says_where_a_destination_is_until_it_led_nowhere() {
    let (pool, now) = (pool(), clock::now());
    let destination = Destination {
        scheme: Scheme::Https,
        port: Port::HTTPS,
        ..Destination::example("a.example")
    };
    let shelf = pool.shelf(&destination, &Arc::default());
    let service = Service {
        alpn: vec![(*b"http/1.1").into()],
        port: Port::new(8443),
        hints: Vec::new(),
        elsewhere: false,
    };
    let known = Resolved {
        addresses: [address(A).ip()].into(),
        how: How::Hit,
        more: None,
        service: Some(Arc::new(service)),
    };
    let is_at = |port: u16, now| {
        shelf.resolved(&known, LookupFamily::Auto, &Families::default(), now);
        !shelf.has_other_than(&[SocketAddr::new(address(A).ip(), port)])
    };
    assert!(is_at(8443, now));
    shelf.leave_record(now);
    assert!(is_at(443, now));
    assert!(is_at(8443, now + Duration::from_secs(5 * 60)));
}

/// Which connection the next request gets, and which address it has to be warmed for, by their last digits.
fn take(shelf: &Rc<Shelf>, tried: &[&str]) -> (String, Option<Connection>) {
    let tried: Vec<_> = tried.iter().map(|text| address(text)).collect();
    let digit = |address: SocketAddr| address.ip().to_string().pop().unwrap();
    let Taken {
        connection,
        connect,
    } = shelf.take(|_| true, &tried, clock::now());
    let peer = connection.as_ref().map(Connection::peer);
    let told = match (peer, connect) {
        (Some(peer), None) => digit(peer).to_string(),
        (Some(peer), Some(connect)) => format!("{} for {}", digit(peer), digit(connect)),
        (None, _) => String::new(),
    };
    (told, connection)
}

fn swept(pool: &Pool) -> Vec<String> {
    let in_use = pool.sweep(clock::now()).into_iter();
    let in_use = in_use.filter(|one| one.in_use);
    let mut hosts: Vec<_> = in_use
        .map(|one| one.shelf.site.destination.host.to_string())
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
        let a = shelf_of(&pool, "a.test", settings(), &[A]);
        let b = shelf_of(&pool, "b.test", settings(), &[B]);
        let (first, _far) = lease(&a, A).await;
        let (second, _other_far) = lease(&b, B).await;
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

        // What only waits is closed in the end, and its shelf goes.
        tokio::time::sleep(IDLE_TIMEOUT).await;
        assert_eq!(swept(&pool), [""; 0]);
        assert!(pool.shelves.borrow().is_empty());
        assert_eq!(pool.idle.get(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn requests_take_turns_over_the_addresses() {
    local(async {
        let pool = pool();
        let shelf = shelf_of(&pool, "a.test", BackendSettings::default(), &[A, B]);
        let (first, _far) = lease(&shelf, A).await;
        first.release();
        // While only one has a connection, every second request asks for one to the other.
        let mut told: Vec<_> = (0..4)
            .map(|_| {
                let (told, connection) = take(&shelf, &[]);
                again(&shelf, connection.unwrap()).release();
                told
            })
            .collect();
        told.sort();
        assert_eq!(told, ["1", "1", "1 for 2", "1 for 2"]);

        let (second, _other_far) = lease(&shelf, B).await;
        second.release();
        let mut told: Vec<_> = (0..4)
            .map(|_| {
                let (told, connection) = take(&shelf, &[]);
                again(&shelf, connection.unwrap()).release();
                told
            })
            .collect();
        assert_ne!(told[0], told[1]);
        told.sort();
        assert_eq!(told, ["1", "1", "2", "2"]);

        // A request that has been to one goes to the other, and so does every one while that is unwell.
        let (told, connection) = take(&shelf, &[A]);
        assert_eq!(told, "2");
        again(&shelf, connection.unwrap()).release();
        shelf
            .health(address(A), clock::now())
            .connect_failed(clock::now());
        for _ in 0..4 {
            let (told, connection) = take(&shelf, &[]);
            assert_eq!(told, "2");
            again(&shelf, connection.unwrap()).release();
        }
        // When it may be well again, that is found out beside a request and not by it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (told, connection) = take(&shelf, &[]);
        assert_eq!(told, "2 for 1");
        again(&shelf, connection.unwrap()).release();
        assert!(shelf.begin_warming(address(A)) && !shelf.begin_warming(address(A)));
        assert_eq!(take(&shelf, &[]).0, "2");
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
            let shelf = shelf_of(&pool, "a.test", settings, &[A]);
            let (busy, _far) = lease(&shelf, A).await;
            let (idle, _other_far) = lease(&shelf, A).await;
            idle.release();
            resolve(&shelf, &[B]);
            assert_eq!(pool.idle.get(), usize::from(!close_on_address_change));
            // The request on it is not disturbed; the connection is not used again.
            assert!(!busy.is_closed());
            busy.release();
            assert_eq!(pool.idle.get(), 2 * usize::from(!close_on_address_change));
            assert_eq!(take(&shelf, &[]).1.is_none(), close_on_address_change);
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
        let shelf = shelf_of(&pool, "a.test", settings, &[A]);
        let (first, _far) = lease(&shelf, A).await;
        first.release();
        again(&shelf, take(&shelf, &[]).1.unwrap()).release();
        assert!(take(&shelf, &[]).1.is_none());

        let (second, _other_far) = lease(&shelf, A).await;
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
    let destination = Destination {
        scheme: Scheme::Https,
        version: HttpVersion::Auto,
        ..Destination::example("a.example")
    };
    let shelf = pool.shelf(&destination, &Arc::default());
    assert!(!shelf.dialled().await, "there is none");

    let waits = async |then: &dyn Fn()| {
        let dialling = shelf.begin_dialling().expect("it may be HTTP/2");
        let mut waiting = std::pin::pin!(shelf.dialled());
        let pending = tokio::time::timeout(Duration::from_secs(1), waiting.as_mut()).await;
        assert!(pending.is_err());
        then();
        drop(dialling);
        waiting.await
    };
    // Who gave up, or found one to share, leaves it to the next to look; who failed sends all on their own ways.
    assert!(waits(&|| {}).await);
    assert!(!waits(&|| shelf.dialling_failed()).await);
    shelf.agreed_on(false);
    assert!(shelf.begin_dialling().is_none() && !shelf.dialled().await);
    shelf.agreed_on(true);
    assert!(shelf.begin_dialling().is_some());
    let plain = pool.shelf(&Destination::example("a.example"), &Arc::default());
    assert!(plain.begin_dialling().is_none());
}
