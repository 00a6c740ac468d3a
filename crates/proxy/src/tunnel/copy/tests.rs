use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::task::JoinHandle;

use super::super::buffers::BUFFER;
use super::super::relay::run;
use super::super::test_streams::{locally, read};
use super::*;
use crate::clock;
use crate::exchange::TunnelBytes;
use crate::record::TunnelEnd;

const IDLE: Duration = Duration::from_secs(300);

/// A tunnel with both of its ends.
struct TestTunnel {
    client: DuplexStream,
    upstream: DuplexStream,
    run: JoinHandle<(TunnelEnd, TunnelBytes)>,
}

/// Opens a tunnel between two in-memory pipes of `room` bytes each.
fn join(room: usize, early: (&'static [u8], &'static [u8])) -> TestTunnel {
    let (client, inner_client) = duplex(room);
    let (upstream, inner_upstream) = duplex(room);
    let mut copied = StreamCopy::new(
        (inner_client, Bytes::from_static(early.0)),
        (inner_upstream, Bytes::from_static(early.1)),
    );
    let buffers = Rc::new(TunnelBuffers::default());
    #[expect(clippy::disallowed_methods, reason = "there is no worker here")]
    let run = tokio::task::spawn_local(async move {
        let mut last = TunnelBytes::default();
        let end = run(&mut copied, &buffers, IDLE, pending(), |moved| last = moved).await;
        (end, last)
    });
    TestTunnel {
        client,
        upstream,
        run,
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_comes_first() {
    locally(async {
        let mut joined = join(4, (b"early up ", b"early down "));
        let writes = async {
            joined.client.write_all(b"and up").await.unwrap();
            joined.client.shutdown().await.unwrap();
        };
        let mut came = Vec::new();
        let (_, read) = tokio::join!(writes, joined.upstream.read_to_end(&mut came));
        assert_eq!((read.unwrap(), &*came), (15, &b"early up and up"[..]));
        // The other direction goes on.
        joined.upstream.write_all(b"ok").await.unwrap();
        joined.upstream.shutdown().await.unwrap();
        let mut came = Vec::new();
        joined.client.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, b"early down ok");
        let moved = TunnelBytes { up: 15, down: 13 };
        assert_eq!(joined.run.await.unwrap(), (TunnelEnd::ClientClosed, moved));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn either_side_may_end_first() {
    locally(async {
        let mut joined = join(64, (b"", b""));
        joined.upstream.write_all(b"bye").await.unwrap();
        joined.upstream.shutdown().await.unwrap();
        assert_eq!(read(&mut joined.client, 3).await, b"bye");
        assert_eq!(joined.client.read(&mut [0]).await.unwrap(), 0);
        joined.client.write_all(b"bye too").await.unwrap();
        assert_eq!(read(&mut joined.upstream, 7).await, b"bye too");
        drop(joined.client);
        assert_eq!(joined.run.await.unwrap().0, TunnelEnd::UpstreamClosed);
    })
    .await;
}

/// An upstream that closes without reading has its own bytes delivered all the same.
#[tokio::test(start_paused = true)]
async fn last_words_are_passed_on() {
    locally(async {
        let mut joined = join(16, (b"", b""));
        joined.upstream.write_all(b"last words").await.unwrap();
        drop(joined.upstream);
        // Nobody reads it any more.
        joined.client.write_all(b"too late").await.unwrap();
        let mut came = Vec::new();
        joined.client.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, b"last words");
        assert_eq!(joined.run.await.unwrap().0, TunnelEnd::UpstreamClosed);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn silence_of_both_ends_it_and_any_byte_begins_anew() {
    locally(async {
        let begin = clock::now();
        let mut joined = join(64, (b"", b""));
        for _ in 0..3 {
            tokio::time::sleep(IDLE - Duration::from_secs(1)).await;
            joined.client.write_all(b"x").await.unwrap();
            read(&mut joined.upstream, 1).await;
            tokio::time::sleep(IDLE - Duration::from_secs(1)).await;
            joined.upstream.write_all(b"y").await.unwrap();
            read(&mut joined.client, 1).await;
        }
        let moved = TunnelBytes { up: 3, down: 3 };
        assert_eq!(joined.run.await.unwrap(), (TunnelEnd::Idle, moved));
        let took = clock::now() - begin;
        assert_eq!(took.as_secs(), 7 * 300 - 6);
    })
    .await;
}

/// A client that takes nothing stops the upstream, and holds no more than a buffer.
#[tokio::test(start_paused = true)]
async fn who_takes_nothing_is_sent_nothing() {
    locally(async {
        let joined = join(1024, (b"", b""));
        let (_reads, mut writes) = split(joined.upstream);
        let mut sent = 0;
        let flood = async {
            loop {
                sent += writes.write(&[7; 4096]).await.unwrap();
            }
        };
        assert!(
            tokio::time::timeout(Duration::from_secs(60), flood)
                .await
                .is_err()
        );
        assert!(sent <= 2 * 1024 + BUFFER, "{sent}");
        assert_eq!(joined.run.await.unwrap().0, TunnelEnd::Idle);
        drop(joined.client);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_quiet_direction_holds_no_buffer() {
    let (mut near, inner) = duplex(8);
    let (mut far, mut outer) = duplex(2);
    let mut inner = inner;
    let mut direction = CopyDirection::new(b"");
    let mut buffers = vec![0; BUFFER];
    near.write_all(b"12345678").await.unwrap();
    let mut turn = |direction: &mut CopyDirection| {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        direction.copy(
            Pin::new(&mut inner),
            Pin::new(&mut outer),
            &mut buffers,
            &mut cx,
        )
    };
    assert!(turn(&mut direction) == CopyStep::WritePending);
    assert_eq!(&direction.pending[direction.written..], b"345678");
    for _ in 0..3 {
        read(&mut far, 2).await;
        turn(&mut direction);
    }
    assert!(turn(&mut direction) == CopyStep::ReadPending);
    assert_eq!(direction.pending.capacity(), 0);
    assert_eq!(direction.moved, 8);
}
