//! Tests of DNS over TLS and HTTPS, and of connections that end.

use std::io::{Read, Write};
use std::net::TcpListener;

use egret_testkit::DnsServer;
use egret_testkit::dns::{Answer, Protocol};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::*;

/// The CA certificates of a server.
pub(super) fn roots(server: &DnsServer) -> RootCertificates {
    let certificates = CertificateDer::pem_slice_iter(server.ca_pem().as_bytes());
    RootCertificates::of(certificates.map(Result::unwrap))
}

pub(super) fn tls(name: Option<&str>) -> DnsProtocol {
    DnsProtocol::Tls {
        server_name: name.map(|name| name.parse().unwrap()),
    }
}

pub(super) fn https(name: Option<&str>, path: &str) -> DnsProtocol {
    DnsProtocol::Https {
        server_name: name.map(|name| name.parse().unwrap()),
        path: path.into(),
    }
}

/// The addresses and protocols of a server that have connections.
fn streams(server: &DnsServer) -> [(SocketAddr, DnsProtocol); 3] {
    [
        (server.addr(), DnsProtocol::Tcp),
        (server.tls_addr(), tls(Some("dns.test"))),
        (server.https_addr(), https(None, "/dns-query")),
    ]
}

fn client_with(roots: &RootCertificates, server: (SocketAddr, DnsProtocol)) -> HickoryClient {
    HickoryClient::with_roots(&settings_of([server]), &DnsStats::default(), roots)
}

#[tokio::test]
async fn questions_share_a_connection_that_is_encrypted() {
    let server = DnsServer::start_encrypted();
    server.a("x.test", ["192.0.2.1"], 60);
    server.nxdomain("gone.test");
    for (name, tls, https) in [
        (None, Protocol::Tls, Protocol::Https),
        (Some("dns.test"), Protocol::Tls, Protocol::Https),
    ] {
        for (address, protocol, transport) in [
            (server.tls_addr(), self::tls(name), tls),
            (server.https_addr(), self::https(name, "/dns-query"), https),
        ] {
            let before = server.connections();
            let client = Arc::new(client_with(&roots(&server), (address, protocol)));
            let mut tasks = JoinSet::new();
            for _ in 0..50 {
                let client = Arc::clone(&client);
                tasks.spawn(async move { ask(&client, "x.test", AddressFamily::V4).await });
            }
            let answers = tasks.join_all().await;
            assert!(
                answers.iter().all(|answer| answer == "192.0.2.1 60"),
                "{answers:?}"
            );
            assert_eq!(
                ask(&client, "gone.test", AddressFamily::V4).await,
                "nxdomain 60"
            );
            assert_eq!(server.connections() - before, 1);
            assert!(
                server
                    .queries()
                    .iter()
                    .all(|query| query.protocol == transport)
            );
            server.clear_queries();
        }
    }
}

#[tokio::test]
async fn whoever_is_not_who_he_must_be_is_told_nothing() {
    let server = DnsServer::start_encrypted_as(["other.test"]);
    let stranger = DnsServer::start_encrypted();
    for (roots, why) in [
        (roots(&server), "not valid for name"),
        (roots(&stranger), "UnknownIssuer"),
        (RootCertificates::of([]), "there are no CA certificates"),
    ] {
        for name in [None, Some("dns.test")] {
            for (address, protocol, label) in [
                (server.tls_addr(), tls(name), "tls://127.0.0.1:"),
                (
                    server.https_addr(),
                    https(name, "/dns-query"),
                    "https://127.0.0.1:",
                ),
            ] {
                let client = client_with(&roots, (address, protocol));
                let text = failure(&client, "x.test").await.to_string();
                assert!(text.contains(why) && text.contains(label), "{text}");
            }
        }
    }
    assert!(server.queries().is_empty());
}

#[tokio::test]
async fn what_is_not_tls_is_said_to_be_that() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The thread ends with the test's process at the latest.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let roots = roots(&DnsServer::start_encrypted());
    for protocol in [tls(None), https(None, "/dns-query")] {
        let client = client_with(&roots, (address, protocol));
        let text = failure(&client, "x.test").await.to_string();
        assert!(
            text.contains("no TLS connection: received corrupt message"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_is_not_dns_over_https_is_said_to_be_that() {
    let server = DnsServer::start_encrypted();
    for (address, path, why) in [
        (server.https_addr(), "/elsewhere", "404 Not Found"),
        // The server speaks TLS, and not HTTP.
        (server.tls_addr(), "/dns-query", "does not speak HTTP/2"),
    ] {
        let client = client_with(&roots(&server), (address, https(None, path)));
        let text = failure(&client, "x.test").await.to_string();
        assert!(text.contains(why), "{text}");
    }
}

#[tokio::test]
async fn a_connection_that_ended_is_made_anew() {
    let server = DnsServer::start_encrypted();
    server.a("x.test", ["192.0.2.1"], 60);
    for way in streams(&server) {
        let before = server.connections();
        let client = client_with(&roots(&server), way);
        for _ in 0..3 {
            assert_eq!(
                ask(&client, "x.test", AddressFamily::V4).await,
                "192.0.2.1 60"
            );
            server.close_connections();
        }
        assert_eq!(server.connections() - before, 3);
    }
}

#[tokio::test]
async fn a_question_outlives_its_connection() {
    let server = DnsServer::start_encrypted();
    server.a("x.test", ["192.0.2.1"], 60);
    server.a("slow.test", ["192.0.2.2"], 60);
    for way in streams(&server) {
        let client = Arc::new(client_with(&roots(&server), way));
        // Once over an open connection, and once over a new one.
        for _ in 0..2 {
            server.clear_queries();
            let hold = server.hold("slow.test");
            let mut tasks = JoinSet::new();
            for _ in 0..5 {
                let client = Arc::clone(&client);
                tasks.spawn(async move { ask(&client, "slow.test", AddressFamily::V4).await });
            }
            server.until_queries("slow.test", 5).await;
            server.close_connections();
            server.until_queries("slow.test", 10).await;
            hold.release();
            let answers = tasks.join_all().await;
            assert!(
                answers.iter().all(|answer| answer == "192.0.2.2 60"),
                "{answers:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_asked_twice() {
    let server = DnsServer::start_encrypted();
    server.answer("never.test", Answer::Hangup);
    for way in streams(&server) {
        server.sequence("x.test", [Answer::Hangup, Answer::a(["192.0.2.1"], 60)]);
        server.clear_queries();
        let client = client_with(&roots(&server), way);
        assert_eq!(
            ask(&client, "x.test", AddressFamily::V4).await,
            "192.0.2.1 60"
        );
        assert_eq!(
            ask(&client, "never.test", AddressFamily::V4).await,
            "network"
        );
        assert_eq!(
            (
                server.queries_for("x.test"),
                server.queries_for("never.test")
            ),
            (2, 2)
        );
    }
}

#[tokio::test]
async fn a_connection_that_went_silent_is_not_kept() {
    let server = DnsServer::start_encrypted();
    server.a("x.test", ["192.0.2.1"], 60);
    server.drop_queries("silent.test");
    let mut tasks = JoinSet::new();
    for way in streams(&server) {
        let mut settings = settings_of([way]);
        settings.query_timeout = Duration::from_secs(2);
        let client = HickoryClient::with_roots(&settings, &DnsStats::default(), &roots(&server));
        tasks.spawn(async move {
            let silence = ask(&client, "silent.test", AddressFamily::V4).await;
            (silence, ask(&client, "x.test", AddressFamily::V4).await)
        });
    }
    for (silence, answer) in tasks.join_all().await {
        assert_eq!((&*silence, &*answer), ("timeout", "192.0.2.1 60"));
    }
    assert_eq!(server.connections(), 6);
}
