use std::future::pending;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use egret_testkit::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::super::relay::run;
use super::super::test_streams::locally;
use super::*;
use crate::exchange::TunnelBytes;
use crate::record::TunnelEnd;

const IDLE: Duration = Duration::from_secs(300);

/// The two ends of a TCP connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let connect = tokio::task::spawn_blocking(move || Client::connect(address));
    let (accepted, _) = listener.accept().await.unwrap();
    let client = connect.await.unwrap().into_stream();
    client.set_nonblocking(true).unwrap();
    (TcpStream::from_std(client).unwrap(), accepted)
}

/// A tunnel with both of its ends.
struct TestTunnel {
    client: TcpStream,
    upstream: TcpStream,
    buffers: Rc<TunnelBuffers>,
    run: JoinHandle<(TunnelEnd, TunnelBytes)>,
}

async fn join(early: (&'static [u8], &'static [u8])) -> TestTunnel {
    let (client, inner_client) = pair().await;
    let (upstream, inner_upstream) = pair().await;
    let mut spliced = SocketSplice::new(
        (inner_client, Bytes::from_static(early.0)),
        (inner_upstream, Bytes::from_static(early.1)),
    );
    let buffers = Rc::new(TunnelBuffers::default());
    let shared = Rc::clone(&buffers);
    #[expect(clippy::disallowed_methods, reason = "there is no worker here")]
    let run = tokio::task::spawn_local(async move {
        let mut last = TunnelBytes::default();
        let end = run(&mut spliced, &shared, IDLE, pending(), |moved| last = moved).await;
        (end, last)
    });
    TestTunnel {
        client,
        upstream,
        buffers,
        run,
    }
}

/// Sends `length` bytes in pieces, and asserts that all of them arrive at the other end.
async fn pass(from: &mut TcpStream, to: &mut TcpStream, length: u64, piece: usize) {
    let bytes = vec![7; piece];
    let send = async {
        let mut left = length;
        while left > 0 {
            let count = left.min(piece as u64);
            let size = usize::try_from(count).unwrap();
            from.write_all(&bytes[..size]).await.unwrap();
            left -= count;
        }
    };
    let receive = async {
        let mut left = usize::try_from(length).unwrap();
        let mut buffer = vec![0; 100_000];
        while left > 0 {
            let count = to.read(&mut buffer).await.unwrap();
            assert!(count > 0, "{left} bytes are missing");
            left -= count;
        }
        assert_eq!(left, 0);
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn much_and_little_pass_both_ways_in_turn() {
    locally(async {
        let mut joined = join((b"", b"")).await;
        for (length, piece) in [
            (10, 1),
            (8_000_000, 1_000_000),
            (500, 100),
            (3_000_000, 999),
        ] {
            pass(&mut joined.client, &mut joined.upstream, length, piece).await;
            pass(&mut joined.upstream, &mut joined.client, length, piece).await;
        }
        drop(joined.client);
        drop(joined.upstream);
        let (_, moved) = joined.run.await.unwrap();
        assert_eq!(
            moved,
            TunnelBytes {
                up: 11_000_510,
                down: 11_000_510
            }
        );
    })
    .await;
}

#[tokio::test]
async fn bytes_keep_their_order_through_pipe_and_buffer() {
    locally(async {
        let mut joined = join((b"early ", b"")).await;
        let sent: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_be_bytes).collect();
        let expected = [b"early ", &sent[..]].concat();
        let send = async {
            // A bulk transfer, then small writes, then a bulk transfer again.
            let (first, rest) = sent.split_at(9_000_000);
            joined.client.write_all(first).await.unwrap();
            for piece in rest[..2000].chunks(7) {
                joined.client.write_all(piece).await.unwrap();
            }
            joined.client.write_all(&rest[2000..]).await.unwrap();
            joined.client.shutdown().await.unwrap();
        };
        let mut came = Vec::new();
        let (_, read) = tokio::join!(send, joined.upstream.read_to_end(&mut came));
        assert_eq!(read.unwrap(), expected.len());
        assert!(came == expected, "the bytes differ");
        drop(joined.upstream);
        assert_eq!(joined.run.await.unwrap().0, TunnelEnd::ClientClosed);
    })
    .await;
}

#[tokio::test]
async fn either_side_may_end_first() {
    locally(async {
        let mut joined = join((b"", b"early down ")).await;
        joined.upstream.write_all(b"bye").await.unwrap();
        joined.upstream.shutdown().await.unwrap();
        let mut came = Vec::new();
        joined.client.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, b"early down bye");
        joined.client.write_all(b"bye too").await.unwrap();
        joined.client.shutdown().await.unwrap();
        let mut came = Vec::new();
        joined.upstream.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, b"bye too");
        assert_eq!(joined.run.await.unwrap().0, TunnelEnd::UpstreamClosed);
    })
    .await;
}

#[tokio::test]
async fn a_quiet_tunnel_holds_nothing() {
    locally(async {
        let mut joined = join((b"", b"")).await;
        pass(
            &mut joined.client,
            &mut joined.upstream,
            4_000_000,
            1_000_000,
        )
        .await;
        pass(&mut joined.client, &mut joined.upstream, 10, 10).await;
        // The pipe is empty, and available to another tunnel.
        let pipe = joined.buffers.pipe().unwrap();
        assert!(pipe.is_empty());
        drop(joined.client);
        drop(joined.upstream);
        joined.run.await.unwrap();
    })
    .await;
}
