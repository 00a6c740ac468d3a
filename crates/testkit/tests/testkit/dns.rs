//! Tests of the scripted DNS server over UDP and TCP.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use egret_testkit::dns::{
    Answer, Hostile, POISON_V4, POISON_V6, Protocol, RecordType, ResponseCode,
};
use egret_testkit::{Client, DnsServer};
use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RData};

use RecordType::{A, AAAA, CNAME};

/// A UDP client of one DNS server.
struct StubClient {
    socket: UdpSocket,
}

impl StubClient {
    fn of(server: &DnsServer) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP socket");
        socket
            .connect(server.addr())
            .expect("loopback is reachable");
        let timeout = Some(Duration::from_secs(10));
        socket.set_read_timeout(timeout).expect("a timeout");
        Self { socket }
    }

    fn send(&self, query: &Message) {
        let bytes = query.to_vec().expect("a query that encodes");
        self.socket.send(&bytes).expect("a query that is sent");
    }

    fn receive(&self) -> Vec<u8> {
        let mut buffer = vec![0; 65_535];
        let length = self.socket.recv(&mut buffer).expect("a reply");
        buffer.truncate(length);
        buffer
    }

    fn ask(&self, name: &str, record_type: RecordType) -> Message {
        let query = query(name, record_type);
        self.send(&query);
        let reply = Message::from_vec(&self.receive()).expect("a reply that decodes");
        assert_eq!(reply.metadata.id, query.metadata.id);
        reply
    }

    /// Whether no datagram is waiting to be received.
    fn heard_nothing(&self) -> bool {
        self.socket.set_nonblocking(true).expect("a socket");
        let nothing = self.socket.recv(&mut [0]).is_err();
        self.socket.set_nonblocking(false).expect("a socket");
        nothing
    }
}

fn query(name: &str, record_type: RecordType) -> Message {
    let mut name = Name::from_ascii(name).expect("a name");
    name.set_fqdn(true);
    let mut message = Message::query();
    message.add_query(Query::query(name, record_type));
    message
}

fn ask_tcp(server: &DnsServer, name: &str, record_type: RecordType) -> Message {
    let bytes = query(name, record_type).to_vec().expect("a query");
    let length = u16::try_from(bytes.len()).expect("a short query");
    let mut client = Client::connect(server.addr());
    client.send([&length.to_be_bytes(), bytes.as_slice()].concat());
    let length = client.read_exactly(2);
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    Message::from_vec(&client.read_exactly(length)).expect("a reply that decodes")
}

fn addresses(reply: &Message) -> Vec<String> {
    let ips = reply
        .answers
        .iter()
        .filter_map(|record| record.data.ip_addr());
    ips.map(|ip| ip.to_string()).collect()
}

fn code(reply: &Message) -> ResponseCode {
    reply.metadata.response_code
}

fn soa_minimum(reply: &Message) -> Option<u32> {
    match &reply.authorities.first()?.data {
        RData::SOA(soa) => Some(soa.minimum),
        _ => None,
    }
}

#[test]
fn addresses_are_answered_by_family_with_their_ttl() {
    let server = DnsServer::start();
    server.a("x.test", ["192.0.2.1", "192.0.2.2"], 30);
    server.aaaa("x.test", ["2001:db8::1"], 40);
    let stub = StubClient::of(&server);
    let v4 = stub.ask("x.test", A);
    assert_eq!(addresses(&v4), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(v4.answers[0].ttl, 30);
    let v6 = stub.ask("x.test", AAAA);
    assert_eq!(addresses(&v6), ["2001:db8::1"]);
    assert_eq!(v6.answers[0].ttl, 40);
}

#[test]
fn udp_and_tcp_share_a_port_and_a_zone() {
    let server = DnsServer::start();
    server.a("x.test", ["192.0.2.1"], 30);
    let reply = ask_tcp(&server, "x.test", A);
    assert_eq!(addresses(&reply), ["192.0.2.1"]);
    StubClient::of(&server).ask("x.test", A);
    let protocols: Vec<_> = server.queries().iter().map(|q| q.protocol).collect();
    assert_eq!(protocols, [Protocol::Tcp, Protocol::Udp]);
}

#[test]
fn the_case_of_the_question_comes_back() {
    let server = DnsServer::start();
    server.a("X.test.", ["192.0.2.1"], 30);
    let reply = StubClient::of(&server).ask("x.TeSt", A);
    assert_eq!(reply.queries[0].name().to_ascii(), "x.TeSt.");
    assert_eq!(reply.answers[0].name.to_ascii(), "x.TeSt.");
    assert_eq!(server.queries()[0].name, "x.test");
}

#[test]
fn an_unknown_name_does_not_exist_and_a_known_one_lacks_other_types() {
    let server = DnsServer::start();
    server.a("x.test", ["192.0.2.1"], 30);
    let stub = StubClient::of(&server);
    assert_eq!(code(&stub.ask("y.test", A)), ResponseCode::NXDomain);
    let nodata = stub.ask("x.test", AAAA);
    assert_eq!(code(&nodata), ResponseCode::NoError);
    assert!(nodata.answers.is_empty());
}

#[test]
fn negative_answers_carry_the_soa_minimum() {
    let server = DnsServer::start();
    server.nodata("empty.test");
    server.nxdomain("gone.test");
    server.soa_minimum(7);
    let stub = StubClient::of(&server);
    assert_eq!(soa_minimum(&stub.ask("empty.test", A)), Some(7));
    assert_eq!(soa_minimum(&stub.ask("gone.test", A)), Some(7));
    server.without_soa();
    assert_eq!(soa_minimum(&stub.ask("gone.test", A)), None);
}

#[test]
fn failures_are_answered_as_told() {
    let server = DnsServer::start();
    server.servfail("x.test");
    server.refuse(("x.test", AAAA));
    let stub = StubClient::of(&server);
    assert_eq!(code(&stub.ask("x.test", AAAA)), ResponseCode::Refused);
    assert_eq!(code(&stub.ask("x.test", A)), ResponseCode::NoError);
    server.servfail("x.test");
    assert_eq!(code(&stub.ask("x.test", AAAA)), ResponseCode::ServFail);
    server.a("x.test", ["192.0.2.1"], 30);
    assert_eq!(addresses(&stub.ask("x.test", A)), ["192.0.2.1"]);
}

#[test]
fn dropped_queries_are_seen_and_not_answered() {
    let server = DnsServer::start();
    server.drop_queries("x.test");
    let stub = StubClient::of(&server);
    stub.send(&query("x.test", A));
    server.wait_for_queries("x.test", 1);
    // The answer of a later query arrives first.
    assert_eq!(code(&stub.ask("y.test", A)), ResponseCode::NXDomain);
    assert!(stub.heard_nothing());
}

#[test]
fn a_hold_withholds_one_type_until_released() {
    let server = DnsServer::start();
    server.a("x.test", ["192.0.2.1"], 30);
    server.aaaa("x.test", ["2001:db8::1"], 30);
    let hold = server.hold(("x.test", AAAA));
    let stub = StubClient::of(&server);
    stub.send(&query("x.test", AAAA));
    server.wait_for_queries(("x.test", AAAA), 1);
    assert_eq!(addresses(&stub.ask("x.test", A)), ["192.0.2.1"]);
    assert!(stub.heard_nothing());
    hold.release();
    let reply = Message::from_vec(&stub.receive()).expect("a reply that decodes");
    assert_eq!(addresses(&reply), ["2001:db8::1"]);
    assert_eq!(addresses(&stub.ask("x.test", AAAA)), ["2001:db8::1"]);
}

#[test]
fn a_delayed_answer_comes_after_a_later_one() {
    let server = DnsServer::start();
    server.delay("slow.test", Duration::from_millis(50));
    let stub = StubClient::of(&server);
    let slow = query("slow.test", A);
    stub.send(&slow);
    server.wait_for_queries("slow.test", 1);
    stub.ask("fast.test", A);
    let reply = Message::from_vec(&stub.receive()).expect("a reply that decodes");
    assert_eq!(reply.metadata.id, slow.metadata.id);
}

#[test]
fn truncation_sends_the_client_to_tcp() {
    let server = DnsServer::start();
    server.a("x.test", ["192.0.2.1"], 30);
    server.truncate_udp("x.test");
    let reply = StubClient::of(&server).ask("x.test", A);
    assert!(reply.metadata.truncation && reply.answers.is_empty());
    let full = ask_tcp(&server, "x.test", A);
    assert!(!full.metadata.truncation);
    assert_eq!(addresses(&full), ["192.0.2.1"]);
}

#[test]
fn an_answer_too_long_for_a_datagram_is_truncated() {
    let server = DnsServer::start();
    server.many("x.test", 1000, 30);
    assert!(StubClient::of(&server).ask("x.test", A).metadata.truncation);
    assert_eq!(addresses(&ask_tcp(&server, "x.test", A)).len(), 1000);
    let v6 = addresses(&ask_tcp(&server, "x.test", AAAA));
    assert_eq!((v6.len(), v6[999].as_str()), (1000, "2001:db8::3e7"));
}

#[test]
fn a_sequence_advances_by_type_and_repeats_its_last_answer() {
    let server = DnsServer::start();
    let both = ["192.0.2.2", "2001:db8::2"].map(|ip| ip.parse().expect("an address"));
    server.sequence(
        "x.test",
        [
            Answer::a(["192.0.2.1"], 1),
            Answer::Code(ResponseCode::ServFail),
            Answer::addresses(both, 1),
        ],
    );
    let stub = StubClient::of(&server);
    assert_eq!(addresses(&stub.ask("x.test", A)), ["192.0.2.1"]);
    assert!(addresses(&stub.ask("x.test", AAAA)).is_empty());
    assert_eq!(code(&stub.ask("x.test", A)), ResponseCode::ServFail);
    assert_eq!(code(&stub.ask("x.test", AAAA)), ResponseCode::ServFail);
    assert_eq!(addresses(&stub.ask("x.test", A)), ["192.0.2.2"]);
    assert_eq!(addresses(&stub.ask("x.test", A)), ["192.0.2.2"]);
    assert_eq!(addresses(&stub.ask("x.test", AAAA)), ["2001:db8::2"]);
}

#[test]
fn aliases_come_alone_in_chains_and_in_loops() {
    let server = DnsServer::start();
    server.cname("alone.test", "b.test", 30);
    server.cname_chain(&["a.test", "b.test", "c.test"], ["192.0.2.1"], 30);
    server.cname_loop("one.test", "other.test", 30);
    let stub = StubClient::of(&server);
    let types = |reply: &Message| -> Vec<_> {
        reply
            .answers
            .iter()
            .map(|record| record.record_type())
            .collect()
    };
    assert_eq!(types(&stub.ask("alone.test", A)), [CNAME]);
    let chain = stub.ask("a.test", A);
    assert_eq!(types(&chain), [CNAME, CNAME, A]);
    assert_eq!(chain.answers[2].name.to_ascii(), "c.test.");
    assert_eq!(types(&stub.ask("a.test", AAAA)), [CNAME, CNAME]);
    for (from, to) in [("one.test", "other.test."), ("other.test", "one.test.")] {
        let RData::CNAME(target) = &stub.ask(from, A).answers[0].data else {
            panic!("not an alias");
        };
        assert_eq!(target.0.to_ascii(), to);
    }
}

#[test]
fn hostile_answers_lie_as_told() {
    let server = DnsServer::start();
    let stub = StubClient::of(&server);
    let asked = query("x.test", A);
    let lie = |how| {
        server.hostile("x.test", how);
        stub.send(&asked);
        Message::from_vec(&stub.receive()).expect("a reply that decodes")
    };
    let id = lie(Hostile::WrongId);
    assert_eq!(id.metadata.id, asked.metadata.id.wrapping_add(1));
    assert_eq!(addresses(&id), [POISON_V4.to_string()]);
    let question = lie(Hostile::WrongQuestion);
    assert_ne!(question.queries, asked.queries);
    let owner = lie(Hostile::WrongOwner);
    assert_eq!(owner.queries, asked.queries);
    assert_ne!(&owner.answers[0].name, asked.queries[0].name());
    let wrong_type = lie(Hostile::WrongType);
    assert_eq!(addresses(&wrong_type), [POISON_V6.to_string()]);

    server.hostile("x.test", Hostile::Garbage(vec![0xff; 40]));
    stub.send(&asked);
    let garbage = stub.receive();
    assert_eq!(garbage[..2], asked.metadata.id.to_be_bytes());
    assert_eq!(garbage[2..], [0xff; 40]);
    assert!(Message::from_vec(&garbage).is_err());
}

#[test]
fn edns_is_answered_in_kind_and_raises_the_limit() {
    let server = DnsServer::start();
    server.many("x.test", 50, 30);
    let stub = StubClient::of(&server);
    assert!(stub.ask("x.test", A).metadata.truncation);
    let mut asked = query("x.test", A);
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    asked.set_edns(edns);
    stub.send(&asked);
    let reply = Message::from_vec(&stub.receive()).expect("a reply that decodes");
    assert!(reply.edns.is_some());
    assert_eq!(addresses(&reply).len(), 50);
}

#[test]
fn queries_are_counted_by_name_and_type() {
    let server = DnsServer::start();
    let stub = StubClient::of(&server);
    stub.ask("x.test", A);
    stub.ask("X.TEST", AAAA);
    stub.ask("y.test", A);
    assert_eq!(server.queries_for("x.test"), 2);
    assert_eq!(server.queries_for(("x.test", AAAA)), 1);
    assert_eq!(server.lookups_for("x.test"), 1);
    assert_eq!(server.queries().len(), 3);
    server.clear_queries();
    assert!(server.queries().is_empty());
}

#[tokio::test]
async fn a_test_on_one_thread_can_wait_for_queries_of_its_own_runtime() {
    let server = DnsServer::start();
    server.drop_queries("x.test");
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a socket");
    let bytes = query("x.test", A).to_vec().expect("a query");
    let send = async { socket.send_to(&bytes, server.addr()).await };
    let ((), sent) = tokio::join!(server.until_queries("x.test", 1), send);
    sent.expect("a query that is sent");
}

#[test]
fn the_zone_can_change_while_another_thread_waits() {
    let server = DnsServer::start();
    let hold = server.hold("x.test");
    let stub = StubClient::of(&server);
    let (tell, told) = mpsc::sync_channel(1);
    let asking = thread::spawn(move || tell.send(code(&stub.ask("x.test", A))));
    server.wait_for_queries("x.test", 1);
    server.servfail("x.test");
    drop(hold);
    // The content of the answer was fixed when the query arrived.
    assert_eq!(told.recv().expect("an answer"), ResponseCode::NXDomain);
    asking
        .join()
        .expect("a thread that ends")
        .expect("a reader");
}

#[test]
fn a_dropped_server_closes_its_connections() {
    let server = DnsServer::start();
    let mut client = Client::connect(server.addr());
    drop(server);
    assert!(client.is_closed());
}
