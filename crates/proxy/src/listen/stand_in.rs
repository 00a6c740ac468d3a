//! What stays on a socket because it cannot move.

use std::collections::BTreeSet;
use std::sync::Arc;

use egret_config::snapshot::{BindAddress, Listener, ListenerProtocol, ListenerSocket, Snapshot};

/// Leaves the listeners of an address that cannot be bound on the sockets on which they were `served` before, as far as
/// these are still `bound`. They are served there as they are configured now. Returns these sockets.
pub(super) fn leave(
    wanted: &mut Snapshot,
    unbound: BindAddress,
    served: &Snapshot,
    bound: &BTreeSet<BindAddress>,
) -> Vec<BindAddress> {
    let Some(moving) = wanted.sockets.get(&unbound).cloned() else {
        return Vec::new();
    };
    let before = served.sockets.iter();
    let before = before.filter(|(bind, _)| bound.contains(bind));
    let mut stays = Vec::new();
    for (bind, before) in before {
        let there = wanted.sockets.entry(*bind);
        let there = there.or_insert_with(|| ListenerSocket {
            listeners: Vec::new(),
            ..moving.clone()
        });
        for listener in &moving.listeners {
            let mut before = before.listeners.iter();
            let was_there = before.any(|old| old.is_same(listener));
            if was_there && can_share(there, &moving, listener) {
                there.add(Arc::clone(listener));
                stays.push(*bind);
            }
        }
        if there.listeners.is_empty() {
            wanted.sockets.remove(bind);
        }
    }
    stays.dedup();
    stays
}

/// Whether a listener of the socket `moving` can stay on a socket that others have by now.
fn can_share(there: &ListenerSocket, moving: &ListenerSocket, listener: &Listener) -> bool {
    let is_plain = |listener: &Listener| listener.protocol == ListenerProtocol::Http;
    there.proxy_protocol == moving.proxy_protocol
        && there.listeners.iter().all(|other| {
            other.hostname != listener.hostname && is_plain(other) == is_plain(listener)
        })
}

#[cfg(test)]
mod tests {
    use egret_config::compile::{CompileOptions, compile};
    use egret_config::load::{ConfigFile, load};

    use super::*;

    /// A Gateway `g` with listeners `a` and `b` on these ports.
    fn snapshot(a: u16, b: u16) -> Snapshot {
        let text = format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: g, namespace: n}}\nspec:\n  \
             gatewayClassName: egret\n  listeners:\n  - {{name: a, protocol: HTTP, port: {a}, hostname: a.test}}\n  \
             - {{name: b, protocol: HTTP, port: {b}, hostname: b.test}}\n"
        );
        let loaded = load([ConfigFile {
            name: "t.yaml",
            text: &text,
        }]);
        compile(&loaded.resources, &CompileOptions::default()).snapshot
    }

    fn bind(snapshot: &Snapshot, port: u16) -> BindAddress {
        let mut binds = snapshot.sockets.keys();
        *binds.find(|bind| bind.port.get() == port).unwrap()
    }

    /// The ports and names of listeners.
    fn listeners(snapshot: &Snapshot) -> Vec<(u16, &str)> {
        let sockets = snapshot.sockets.iter();
        let listeners = sockets.flat_map(|(bind, socket)| {
            let names = socket.listeners.iter().map(|it| it.name.as_str());
            names.map(|name| (bind.port.get(), name))
        });
        let mut listeners: Vec<_> = listeners.collect();
        listeners.sort_unstable();
        listeners
    }

    #[test]
    fn each_listener_stays_where_it_was() {
        // The ports of `a` and `b` before and after, the ports that cannot be bound, and what is served.
        for (before, after, unbound, expected) in [
            (
                (81, 82),
                (91, 82),
                &[91][..],
                &[(81, "a"), (82, "b"), (91, "a")][..],
            ),
            (
                (81, 82),
                (91, 91),
                &[91],
                &[(81, "a"), (82, "b"), (91, "a"), (91, "b")],
            ),
            (
                (81, 81),
                (91, 81),
                &[91],
                &[(81, "a"), (81, "b"), (91, "a")],
            ),
            (
                (81, 81),
                (91, 92),
                &[92],
                &[(81, "b"), (91, "a"), (92, "b")],
            ),
            (
                (81, 81),
                (91, 92),
                &[91, 92],
                &[(81, "a"), (81, "b"), (91, "a"), (92, "b")],
            ),
        ] {
            let before = snapshot(before.0, before.1);
            let mut after = snapshot(after.0, after.1);
            let bound = before.sockets.keys().copied().collect();
            for port in unbound {
                let unbound = bind(&after, *port);
                let stays = leave(&mut after, unbound, &before, &bound);
                assert!(!stays.is_empty());
            }
            assert_eq!(listeners(&after), expected);
        }
    }

    #[test]
    fn a_listener_does_not_stay_where_another_has_its_hostname() {
        let before = snapshot(81, 82);
        let bound = before.sockets.keys().copied().collect();
        let mut after = snapshot(91, 81);
        for socket in after.sockets.values_mut() {
            for listener in &mut socket.listeners {
                Arc::make_mut(listener).hostname = None;
            }
        }
        let unbound = bind(&after, 91);
        assert!(leave(&mut after, unbound, &before, &bound).is_empty());
        assert_eq!(listeners(&after), [(81, "b"), (91, "a")]);
    }
}
