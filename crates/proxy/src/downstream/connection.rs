//! A client's connection together with the context of the worker that serves it.

use std::cell::Cell;
use std::rc::Rc;

use crate::client::ClientConnection;
use crate::context::WorkerContext;
use crate::message::host_memo::HostMemo;
use crate::tunnel::Tunnel;
use crate::upstream::ClientMemo;

/// The tunnel that an HTTP/2 stream becomes once its request is answered.
pub(crate) type TunnelSlot = Rc<Cell<Option<Box<Tunnel>>>>;

/// A client's connection on the worker that serves it.
pub(crate) struct DownstreamConnection {
    pub(crate) client: Rc<ClientConnection>,
    pub(crate) context: Rc<WorkerContext>,
    /// The tunnel that an HTTP/1.1 connection becomes once the response to its last request has been sent.
    pub(crate) pending_tunnel: Cell<Option<Box<Tunnel>>>,
    /// What is kept of one request for the next.
    pub(crate) memo: ClientMemo,
    /// Likewise.
    pub(crate) host: HostMemo,
}

impl DownstreamConnection {
    pub(crate) fn new(client: Rc<ClientConnection>, context: Rc<WorkerContext>) -> Rc<Self> {
        Rc::new(Self {
            client,
            context,
            pending_tunnel: Cell::default(),
            memo: ClientMemo::default(),
            host: HostMemo::default(),
        })
    }

    /// Has the tunnel run once the response to this request has been sent: on the connection, or on the HTTP/2 stream of
    /// `slot`.
    pub(crate) fn open_tunnel_after_response(&self, tunnel: Tunnel, slot: Option<&TunnelSlot>) {
        let tunnel = Some(Box::new(tunnel));
        match slot {
            Some(slot) => slot.set(tunnel),
            None => self.pending_tunnel.set(tunnel),
        }
    }
}
