//! Connections of tests: the gateway's end as a pool has it, and the upstream's.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use egret_config::snapshot::CircuitBreakers;

use super::Http1Socket;
use crate::clock;
use crate::refusal::CircuitBreakerLimit;
use crate::upstream::connection_permit::ConnectionPermit;
use crate::upstream::health::EndpointHealth;
use crate::upstream::limits::DestinationLimits;
use crate::upstream::stream::UpstreamStream;

impl Http1Socket {
    /// A connection over loopback that is said to lead to `peer`, and its other end.
    pub(in crate::upstream) fn pair(peer: SocketAddr) -> (Self, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let near = egret_testkit::Client::connect(address).into_stream();
        let (far, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        let limits = Arc::new(DestinationLimits::default());
        let breakers = CircuitBreakers::default();
        let permit = limits.enter(CircuitBreakerLimit::Connections, &breakers);
        let socket = Self {
            stream: UpstreamStream::Plain(tokio::net::TcpStream::from_std(near).unwrap()),
            permit: ConnectionPermit::new(&Arc::default(), permit.unwrap()),
            peer,
            local: None,
            health: Arc::new(EndpointHealth::new(clock::now())),
            served: 0,
        };
        (socket, far)
    }
}
