//! A client's connection together with the context of the worker that serves it.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;

use crate::client::ClientConnection;
use crate::context::WorkerContext;
use crate::task;
use crate::tunnel::{ClientSide, ReadyTunnel, Tunnel};

/// A client's connection on the worker that serves it.
pub(crate) struct DownstreamConnection {
    pub(crate) client: Rc<ClientConnection>,
    pub(crate) context: Rc<WorkerContext>,
    /// The tunnel that an HTTP/1.1 connection becomes once the response to its last request has been sent.
    pub(crate) pending_tunnel: Cell<Option<Box<Tunnel>>>,
}

impl DownstreamConnection {
    pub(crate) fn new(client: Rc<ClientConnection>, context: Rc<WorkerContext>) -> Rc<Self> {
        Rc::new(Self {
            client,
            context,
            pending_tunnel: Cell::default(),
        })
    }

    /// Runs the tunnel on the connection, or on its HTTP/2 stream `upgrade`, once the response to this request has been
    /// sent.
    pub(crate) fn open_tunnel_after_response(&self, tunnel: Tunnel, upgrade: Option<OnUpgrade>) {
        let tunnel = Box::new(tunnel);
        let Some(upgrade) = upgrade else {
            return self.pending_tunnel.set(Some(tunnel));
        };
        let tunnels = Rc::clone(&self.context.tunnels);
        task::spawn(async move {
            let Ok(stream) = upgrade.await else {
                return tunnel.abandon();
            };
            let ready = ReadyTunnel {
                tunnel,
                client: ClientSide::of_stream(stream),
                early: Bytes::new(),
                tunnels,
            };
            ready.run().await;
        });
    }
}
