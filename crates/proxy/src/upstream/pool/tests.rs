//! What a pool keeps and what it tells about it, in simulated time.

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{DuplexStream, duplex};
use tokio::task::LocalSet;

use super::*;

fn destination(host: &str) -> Destination {
    Destination {
        scheme: Scheme::Http,
        host: host.parse().unwrap(),
        port: Port::new(80).unwrap(),
        resolver: ResolverId::System,
    }
}

/// A connection, and its other end, which keeps it open.
async fn connection() -> (Connection, DuplexStream) {
    let (near, far) = duplex(64);
    let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
    task::spawn(async { drop(connection.await) });
    sender.ready().await.unwrap();
    let peer = "192.0.2.1:80".parse().unwrap();
    (Connection::new(sender, peer), far)
}

fn swept(pool: &Pool) -> Vec<String> {
    let in_use = pool.sweep(clock::now());
    let mut hosts: Vec<_> = in_use.iter().map(|one| one.host.to_string()).collect();
    hosts.sort();
    hosts
}

#[tokio::test(start_paused = true)]
async fn destinations_are_in_use_while_and_after_their_connections_are() {
    let test = async {
        let pool = Pool::new(Arc::default());
        let (a, b) = (destination("a.test"), destination("b.test"));
        let (first, _far) = connection().await;
        let (second, _other_far) = connection().await;
        let first = pool.lease(first, a.clone());
        let second = pool.lease(second, b.clone());
        assert_eq!(swept(&pool), ["a.test", "b.test"]);
        // For as long as a response takes.
        assert_eq!(swept(&pool), ["a.test", "b.test"]);
        first.release();
        drop(second);
        assert_eq!(swept(&pool), ["a.test"]);
        assert_eq!(swept(&pool), [""; 0]);

        pool.take(&a).unwrap().release();
        assert!(pool.take(&b).is_none());
        assert_eq!(swept(&pool), ["a.test"]);
        assert_eq!(swept(&pool), [""; 0]);

        // What only waits is closed in the end, and its shelf goes.
        tokio::time::sleep(IDLE_TIMEOUT).await;
        assert_eq!(swept(&pool), [""; 0]);
        assert!(pool.idle.borrow().by_destination.is_empty());
        assert!(pool.take(&a).is_none());
    };
    LocalSet::new().run_until(test).await;
}
