use std::future::pending;
use std::time::Duration;

use egret_config::name::Host;
use egret_config::policy::egress::{EgressMode, HelloName, SniRequirement};
use egret_config::resources::{Kind, ObjectRef};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::buffers::TunnelBuffers;
use super::super::copy::StreamCopy;
use super::super::hello_scan::tests::hello_for;
use super::super::relay::run;
use super::super::test_streams::{locally, read};
use super::*;
use crate::record::TunnelEnd;

const IDLE: Duration = Duration::from_secs(300);

/// A tunnel behind a gate, with both of its ends.
struct TestTunnel {
    client: DuplexStream,
    upstream: DuplexStream,
    watch: Rc<SniWatch>,
    run: JoinHandle<TunnelEnd>,
}

/// Opens a tunnel for a CONNECT to `host`, under a policy in this mode that requires the server name to match.
fn open(host: &str, mode: Option<EgressMode>, early: &'static [u8]) -> TestTunnel {
    let policy = ObjectRef::new(Kind::EgressPolicy, "apps", "strict");
    let host: Host = host.parse().unwrap();
    let requirement = mode.map(|mode| SniRequirement {
        policy: &policy,
        mode,
    });
    let watch = Rc::new(SniWatch::new(host, requirement));
    let (client, inner_client) = duplex(64 * 1024);
    let (upstream, inner_upstream) = duplex(64 * 1024);
    let copy = StreamCopy::new(
        (inner_client, Bytes::from_static(early)),
        (inner_upstream, Bytes::new()),
    );
    let mut copy = copy.behind(Some(SniGate::new(Rc::clone(&watch))));
    #[expect(clippy::disallowed_methods, reason = "there is no worker here")]
    let run = tokio::task::spawn_local(async move {
        let buffers = TunnelBuffers::default();
        run(&mut copy, &buffers, IDLE, pending(), |_| {}).await
    });
    TestTunnel {
        client,
        upstream,
        watch,
        run,
    }
}

/// All bytes that come before the end.
async fn rest(stream: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// Whether nothing comes, although time passes.
async fn is_silent(stream: &mut DuplexStream) -> bool {
    timeout(Duration::from_secs(1), stream.read_u8())
        .await
        .is_err()
}

const ENFORCE: Option<EgressMode> = Some(EgressMode::Enforce);

#[tokio::test(start_paused = true)]
async fn a_hello_for_the_host_passes_unchanged_once_it_is_whole() {
    locally(async {
        let mut tunnel = open("a.example", ENFORCE, b"");
        let hello = hello_for("a.example");
        let (first, last) = hello.split_at(hello.len() / 2);
        tunnel.client.write_all(first).await.unwrap();
        assert!(is_silent(&mut tunnel.upstream).await);
        // The other direction does not wait.
        tunnel.upstream.write_all(b"banner").await.unwrap();
        assert_eq!(read(&mut tunnel.client, 6).await, b"banner");
        tunnel.client.write_all(last).await.unwrap();
        tunnel.client.write_all(b"more").await.unwrap();
        assert_eq!(read(&mut tunnel.upstream, hello.len()).await, hello);
        assert_eq!(read(&mut tunnel.upstream, 4).await, b"more");
        assert!(tunnel.watch.facts().unwrap().0.is_some());
        assert_eq!(tunnel.watch.violation(), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_a_hello_for_another_host_the_upstream_sees_nothing() {
    locally(async {
        for (host, server) in [
            ("a.example", "b.example"),
            ("a.example", "192.0.2.1"),
            ("192.0.2.1", "a.example"),
        ] {
            for part in [1, usize::MAX] {
                let mut tunnel = open(host, ENFORCE, b"");
                for bytes in hello_for(server).chunks(part) {
                    tunnel.client.write_all(bytes).await.unwrap();
                }
                assert_eq!(rest(&mut tunnel.upstream).await, b"", "{host} {server}");
                assert_eq!(rest(&mut tunnel.client).await, ACCESS_DENIED);
                assert_eq!(tunnel.run.await.unwrap(), TunnelEnd::SniMismatch);
                assert!(tunnel.watch.violation().is_some());
            }
        }
        // A hello without a name is for an address.
        let mut tunnel = open("192.0.2.1", ENFORCE, b"");
        let hello = hello_for("192.0.2.1");
        tunnel.client.write_all(&hello).await.unwrap();
        assert_eq!(read(&mut tunnel.upstream, hello.len()).await, hello);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_came_with_the_connect_passes_the_gate_as_well() {
    locally(async {
        let hello: &'static [u8] = hello_for("b.example").leak();
        let mut tunnel = open("a.example", ENFORCE, hello);
        assert_eq!(rest(&mut tunnel.upstream).await, b"");
        assert_eq!(tunnel.run.await.unwrap(), TunnelEnd::SniMismatch);
        let mut tunnel = open("b.example", ENFORCE, hello);
        assert_eq!(read(&mut tunnel.upstream, hello.len()).await, hello);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_tls_never_waits() {
    locally(async {
        for bytes in [&b"G"[..], b"SSH-2.0-x", b"\x15", b"\x80\x2e", b"\0"] {
            let mut tunnel = open("a.example", ENFORCE, b"");
            let begin = clock::now();
            tunnel.client.write_all(bytes).await.unwrap();
            assert_eq!(read(&mut tunnel.upstream, bytes.len()).await, bytes);
            assert_eq!(clock::now() - begin, Duration::ZERO);
            assert_eq!(tunnel.watch.facts(), None);
        }
    })
    .await;
}

/// Servers skip a warning before the ClientHello, which therefore must not lead around the gate.
#[tokio::test(start_paused = true)]
async fn an_alert_before_a_hello_ends_the_tunnel() {
    locally(async {
        let warning = b"\x15\x03\x01\0\x02\x01\x5a";
        for split in [1, 4, warning.len()] {
            let mut tunnel = open("a.example", ENFORCE, b"");
            tunnel.client.write_all(&warning[..split]).await.unwrap();
            if split < 5 {
                assert_eq!(read(&mut tunnel.upstream, split).await, warning[..split]);
            }
            tunnel.client.write_all(&warning[split..]).await.unwrap();
            tunnel
                .client
                .write_all(&hello_for("b.example"))
                .await
                .unwrap();
            assert_eq!(rest(&mut tunnel.upstream).await, b"");
            assert_eq!(tunnel.run.await.unwrap(), TunnelEnd::SniMismatch);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hello_that_does_not_come_whole_is_refused_in_time() {
    locally(async {
        let hello = hello_for("a.example");
        let mut tunnel = open("a.example", ENFORCE, b"");
        tunnel.client.write_all(&hello[..20]).await.unwrap();
        let begin = clock::now();
        // A byte now and then does not prolong the wait.
        let trickle = async {
            for byte in &hello[20..] {
                tokio::time::sleep(Duration::from_secs(3)).await;
                if tunnel.client.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
        };
        let mut came = Vec::new();
        tokio::join!(trickle, async {
            tunnel.upstream.read_to_end(&mut came).await.unwrap();
            assert_eq!(clock::now() - begin, HELLO_TIMEOUT);
        });
        assert_eq!(came, b"");
        assert_eq!(tunnel.run.await.unwrap(), TunnelEnd::SniMismatch);
        let (violation, _) = tunnel.watch.violation().unwrap();
        assert_eq!(violation.hello, HelloName::Unreadable);
        // Nor is one that is cut off.
        let mut tunnel = open("a.example", ENFORCE, b"");
        tunnel.client.write_all(&hello[..20]).await.unwrap();
        tunnel.client.shutdown().await.unwrap();
        assert_eq!(rest(&mut tunnel.upstream).await, b"");
        assert_eq!(tunnel.run.await.unwrap(), TunnelEnd::SniMismatch);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_an_enforced_policy_nothing_waits_and_the_name_is_known() {
    locally(async {
        for mode in [None, Some(EgressMode::Audit)] {
            let mut tunnel = open("a.example", mode, b"");
            let hello = hello_for("b.example");
            for bytes in hello.chunks(50) {
                tunnel.client.write_all(bytes).await.unwrap();
                assert_eq!(read(&mut tunnel.upstream, bytes.len()).await, bytes);
            }
            let (name, ech) = tunnel.watch.facts().unwrap();
            assert_eq!((name.unwrap().as_str(), ech), ("b.example", false));
            assert_eq!(tunnel.watch.violation().is_some(), mode.is_some());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_comes_later_is_for_what_comes_later() {
    locally(async {
        let policy = ObjectRef::new(Kind::EgressPolicy, "apps", "strict");
        let enforced = SniRequirement {
            policy: &policy,
            mode: EgressMode::Enforce,
        };
        let hello = hello_for("b.example");
        let (first, last) = hello.split_at(50);
        // What was forwarded before stays so; the rest is refused.
        let mut tunnel = open("a.example", None, b"");
        tunnel.client.write_all(first).await.unwrap();
        assert_eq!(read(&mut tunnel.upstream, first.len()).await, first);
        assert!(tunnel.watch.allows(Some(enforced)));
        tunnel.watch.require(Some(enforced));
        tunnel.client.write_all(last).await.unwrap();
        assert_eq!(rest(&mut tunnel.upstream).await, b"");
        // A hello that was read before is judged at once.
        let mut tunnel = open("a.example", None, b"");
        tunnel.client.write_all(&hello).await.unwrap();
        assert_eq!(read(&mut tunnel.upstream, hello.len()).await, hello);
        assert!(!tunnel.watch.allows(Some(enforced)));
        // One that waits goes on when the policy is gone.
        let mut tunnel = open("a.example", ENFORCE, b"");
        tunnel.client.write_all(first).await.unwrap();
        assert!(is_silent(&mut tunnel.upstream).await);
        tunnel.watch.require(None);
        tunnel.client.write_all(&last[..10]).await.unwrap();
        assert_eq!(read(&mut tunnel.upstream, 60).await, hello[..60]);
    })
    .await;
}
