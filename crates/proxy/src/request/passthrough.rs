//! TLS that is passed on as it comes: where the name in its first message leads, and the way there.
//!
//! For rules, policies, limits and addresses it is what a CONNECT to that name is; only the answer is missing.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use egret_config::name::DnsName;
use egret_config::snapshot::{Action, Listener};
use http::request::Parts;
use http::{Method, Request};
use tokio::net::TcpStream;

use super::{pick, route};
use crate::downstream::alert;
use crate::message::target::Target;
use crate::plan::Plan;
use crate::policy;
use crate::record::Exchange;
use crate::refusal::Refusal;
use crate::serve::{Connection, Http, Origin};
use crate::stream::ClientStream;
use crate::tunnel::live::Facts;
use crate::tunnel::{ClientSide, Held, Kind, Ready, Tunnel};
use crate::upstream::direct;
use crate::worker::{Current, Worker};

/// A connection whose hello has been read.
pub(crate) struct Incoming {
    pub(crate) stream: TcpStream,
    /// What was read of it.
    pub(crate) read: Bytes,
    /// The name that it asks for.
    pub(crate) name: DnsName,
    /// The version that an alert should be of.
    pub(crate) version: u16,
    /// The one that takes the name.
    pub(crate) listener: Arc<Listener>,
    /// What it is judged by.
    pub(crate) snapshot: Current,
}

/// Connects to where the name leads. A client that may not go there, or cannot, is told so by an alert.
pub(crate) async fn open(incoming: Incoming, origin: Origin, worker: Rc<Worker>) -> Option<Ready> {
    let Incoming {
        stream,
        read,
        name,
        version,
        listener,
        snapshot,
    } = incoming;
    let connection = Connection::new(origin, Http::One, worker);
    let exchange = Exchange::begin(Rc::clone(&connection), None);
    exchange.begins_passthrough(listener.access_log);
    exchange.taken_by(&listener);
    let opened = tokio::select! {
        opened = connect(name, &listener, &snapshot, &connection, &exchange) => opened,
        () = gone(&stream) => {
            exchange.left();
            return None;
        }
    };
    match opened {
        Ok(tunnel) => Some(Ready {
            tunnel: Box::new(tunnel),
            client: ClientSide::Whole(ClientStream::Plain(stream.into())),
            early: read,
            worker: Rc::clone(&connection.worker),
        }),
        Err(refusal) => {
            exchange.refused(&refusal);
            drop((exchange, snapshot, listener));
            alert::send(stream, &refusal, Some(version)).await;
            None
        }
    }
}

async fn connect(
    name: DnsName,
    listener: &Arc<Listener>,
    snapshot: &Current,
    connection: &Rc<Connection>,
    exchange: &Rc<Exchange>,
) -> Result<Tunnel, Refusal> {
    let target = Target::of_passthrough(name);
    let request = as_request();
    let found = route(listener, &target, &request, "")?;
    exchange.routed(found.rule);
    // Nobody can: the compiler refuses such rules and says so, and nothing gets by if it did not.
    policy::authenticate(found.rule, &target, &request, exchange)?;
    let backends = match &found.rule.action {
        Action::Forward(backends) => backends,
        Action::Refuse(why) => return Err(Refusal::Misconfigured(why.clone())),
        Action::Redirect(_) | Action::Respond(_) => {
            return Err(Refusal::NoTunnel("a direct response is no tunnel"));
        }
    };
    let worker = &connection.worker;
    let mut plan = Plan::new(&target, &found, pick(backends), &request, worker)?;
    exchange.planned(&plan.destination);
    policy::admit(&plan, &request.method, exchange)?;
    let mut others = plan.others();
    let (outlet, occupied) = loop {
        let refusal = match direct::connect(&plan, found.rule, worker, exchange).await {
            Ok(connected) => break connected,
            Err(refusal) => refusal,
        };
        // Nothing has been sent: it is the same to another host of the backend.
        if !refusal.elsewhere() || !turn(&mut plan, &mut others) {
            return Err(refusal);
        }
        exchange.planned(&plan.destination);
    };
    Ok(Tunnel {
        kind: Kind::Passthrough,
        outlet,
        facts: Facts::new(connection, &target, &request, &plan),
        held: Held::Alone(occupied),
        exchange: Rc::clone(exchange),
        judged_by: Rc::clone(snapshot),
    })
}

/// Turns to the next host of the backend that policies allow, if there is one.
fn turn(plan: &mut Plan<'_>, others: &mut usize) -> bool {
    while let Some(left) = others.checked_sub(1) {
        *others = left;
        plan.next_host();
        if policy::allows(plan, &Method::CONNECT) {
            return true;
        }
    }
    false
}

/// What rules and policies see of it: as of a CONNECT, they know the host and nothing else.
fn as_request() -> Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::CONNECT;
    head
}

/// Ends if the client leaves before it has an answer. One that goes on sending is not watched further.
async fn gone(stream: &TcpStream) {
    let mut next = [0; 1];
    match stream.peek(&mut next).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use egret_config::name::{Host, Port};

    use super::*;

    #[test]
    fn a_name_is_read_as_a_tunnel_without_a_port() {
        let target = Target::of_passthrough("a.example".parse().unwrap());
        assert_eq!(target.host, Host::Name("a.example".parse().unwrap()));
        assert!(target.is_passthrough() && target.connect);
        let connect = Target {
            port: Some(Port::HTTPS),
            ..target
        };
        assert!(!connect.is_passthrough());
    }
}
