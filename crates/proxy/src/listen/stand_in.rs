//! What stays on a socket because it cannot move.

use std::collections::BTreeSet;

use egret_config::resources::ObjectRef;
use egret_config::snapshot::{BindAddress, Listener, ListenerSocket, Snapshot};

/// Finds sockets for the listeners of an address that cannot be bound: of those that are `gone`, the ones on which these
/// listeners were served before. They are served there as they are configured now.
pub(super) fn find(
    wanted: &Snapshot,
    unbound: BindAddress,
    served: &Snapshot,
    gone: &BTreeSet<BindAddress>,
) -> Vec<(BindAddress, ListenerSocket)> {
    let Some(socket) = wanted.sockets.get(&unbound) else {
        return Vec::new();
    };
    let stand_in = |bind: &BindAddress| {
        let before = served.sockets.get(bind)?;
        let mut stand_in = socket.clone();
        stand_in.listeners.retain(|listener| {
            let mut before = before.listeners.iter();
            before.any(|old| identity(old) == identity(listener))
        });
        (!stand_in.listeners.is_empty()).then_some((*bind, stand_in))
    };
    gone.iter().filter_map(stand_in).collect()
}

fn identity(listener: &Listener) -> (&ObjectRef, &str) {
    (&listener.gateway, &listener.name)
}
