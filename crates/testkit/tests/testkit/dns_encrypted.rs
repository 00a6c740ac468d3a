//! Tests of the scripted DNS server over TLS and HTTPS, and of its connections.

use std::net::SocketAddr;
use std::sync::Arc;

use egret_testkit::dns::{Answer, HttpsRecord, Protocol, RecordType};
use egret_testkit::{Client, DnsServer};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

fn query(name: &str, record_type: RecordType) -> Vec<u8> {
    let mut name = Name::from_ascii(name).expect("a name");
    name.set_fqdn(true);
    let mut message = Message::query();
    message.add_query(Query::query(name, record_type));
    message.to_vec().expect("a query")
}

async fn connect(
    server: &DnsServer,
    to: SocketAddr,
    name: &'static str,
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(server.ca_pem().as_bytes()).expect("a certificate");
    roots.add(ca).expect("a CA");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|id| id.to_vec()).collect();
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    #[expect(clippy::disallowed_methods, reason = "a test's own client")]
    let stream = socket.connect(to).await.expect("loopback is reachable");
    let name = ServerName::try_from(name).expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

fn addresses(reply: &[u8]) -> Vec<String> {
    let reply = Message::from_vec(reply).expect("a reply that decodes");
    let ips = reply
        .answers
        .iter()
        .filter_map(|record| record.data.ip_addr());
    ips.map(|ip| ip.to_string()).collect()
}

#[tokio::test]
async fn tls_has_a_port_of_its_own_and_the_same_zone() {
    let server = DnsServer::start_encrypted();
    server.a("x.test", ["192.0.2.1"], 30);
    for name in ["dns.test", "127.0.0.1"] {
        let mut stream = connect(&server, server.tls_addr(), name, &[])
            .await
            .expect("a certificate for the name");
        let query = query("x.test", RecordType::A);
        let length = u16::try_from(query.len()).expect("a short query");
        stream.write_u16(length).await.expect("a connection");
        stream.write_all(&query).await.expect("a connection");
        let mut reply = vec![0; stream.read_u16().await.expect("a reply").into()];
        stream.read_exact(&mut reply).await.expect("a reply");
        assert_eq!(addresses(&reply), ["192.0.2.1"]);
    }
    let protocols: Vec<_> = server.queries().iter().map(|q| q.protocol).collect();
    assert_eq!(protocols, [Protocol::Tls, Protocol::Tls]);
    assert!(
        connect(&server, server.tls_addr(), "other.test", &[])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn https_answers_posts_on_its_path() {
    let server = DnsServer::start_encrypted_as(["other.test"]);
    server.a("x.test", ["192.0.2.1"], 30);
    let stream = connect(&server, server.https_addr(), "other.test", &[b"h2"])
        .await
        .expect("a certificate for the name");
    let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let driving =
        tokio::task::spawn_blocking(move || tokio::runtime::Handle::current().block_on(connection));
    for (path, status) in [("/dns-query", 200), ("/other", 404)] {
        let request = http::Request::post(format!("https://other.test{path}"))
            .header("content-type", "application/dns-message")
            .body(())
            .expect("a request");
        let mut client = client.clone().ready().await.expect("a connection");
        let (response, mut body) = client.send_request(request, false).expect("a connection");
        let query = query("x.test", RecordType::A);
        body.send_data(query.into(), true).expect("a connection");
        let response = response.await.expect("a response");
        assert_eq!(response.status(), status);
        if status == 200 {
            let reply = response.into_body().data().await.expect("a body");
            assert_eq!(addresses(&reply.expect("a reply")), ["192.0.2.1"]);
        }
    }
    drop(client);
    driving
        .await
        .expect("a task that ends")
        .expect("an end in order");
    assert_eq!(server.queries()[0].protocol, Protocol::Https);
}

#[test]
fn https_records_are_answered_to_those_who_ask_for_them() {
    let server = DnsServer::start();
    let record = HttpsRecord::new(1, "cdn.test").port(8443).alpn(["h2"]);
    server.services("x.test", [record.clone().hints(["192.0.2.1"])], 30);
    let reply = ask_tcp(&server, &query("x.test", RecordType::HTTPS));
    let RData::HTTPS(https) = &reply.answers[0].data else {
        panic!("{reply:?}");
    };
    assert_eq!((https.0.svc_priority, https.0.svc_params.len()), (1, 3));
    assert_eq!(https.0.target_name.to_ascii(), "cdn.test.");
    assert!(
        ask_tcp(&server, &query("x.test", RecordType::A))
            .answers
            .is_empty()
    );
}

#[test]
fn connections_are_counted_and_closed() {
    let server = DnsServer::start();
    let hold = server.hold("slow.test");
    server.answer("x.test", Answer::Hangup);
    let mut client = Client::connect(server.addr());
    client.send(framed(&query("slow.test", RecordType::A)));
    server.wait_for_queries("slow.test", 1);
    server.close_connections();
    assert!(client.is_closed());
    drop(hold);
    let mut client = Client::connect(server.addr());
    client.send(framed(&query("x.test", RecordType::A)));
    assert!(client.is_closed());
    assert_eq!(server.connections(), 2);
}

fn framed(query: &[u8]) -> Vec<u8> {
    let length = u16::try_from(query.len()).expect("a short query");
    [&length.to_be_bytes(), query].concat()
}

fn ask_tcp(server: &DnsServer, query: &[u8]) -> Message {
    let mut client = Client::connect(server.addr());
    client.send(framed(query));
    let length = client.read_exactly(2);
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    Message::from_vec(&client.read_exactly(length)).expect("a reply that decodes")
}
