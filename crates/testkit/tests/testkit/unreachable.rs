//! Tests of unreachable addresses and of shared ports.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use egret_testkit::{Blackhole, ClosedPort, SharedPort, Upstream, client};

const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const TWO: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const THREE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

#[expect(
    clippy::disallowed_methods,
    reason = "the test is the client, not the gateway"
)]
fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&addr, Duration::from_millis(200))
}

fn failure(addr: SocketAddr) -> ErrorKind {
    connect(addr).expect_err("nobody is there").kind()
}

#[test]
fn a_blackhole_neither_accepts_nor_refuses() {
    let hole = Blackhole::start();
    assert_eq!(failure(hole.addr()), ErrorKind::TimedOut);
    assert_eq!(failure(hole.addr()), ErrorKind::TimedOut);
}

#[test]
fn a_refused_address_refuses_every_time() {
    let refused = ClosedPort::start();
    assert_eq!(failure(refused.addr()), ErrorKind::ConnectionRefused);
    assert_eq!(failure(refused.addr()), ErrorKind::ConnectionRefused);
}

#[test]
fn addresses_that_share_a_port_behave_each_in_its_way() {
    let port = SharedPort::reserve([ONE, TWO, THREE]);
    let upstream = Upstream::start_on_port(ONE, port.port()).named("one");
    let hole = Blackhole::start_on_port(TWO, port.port());
    let unused = SocketAddr::new(THREE, port.port());
    let echo = client::get(upstream.addr(), "/", "x.test").json();
    assert_eq!(echo["server"], "one");
    assert_eq!(failure(hole.addr()), ErrorKind::TimedOut);
    assert_eq!(failure(unused), ErrorKind::ConnectionRefused);
    let refused = ClosedPort::start_on_port(THREE, port.port());
    assert_eq!(failure(refused.addr()), ErrorKind::ConnectionRefused);
}
