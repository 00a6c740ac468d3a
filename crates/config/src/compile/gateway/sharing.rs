//! Ports that several listeners of one Gateway share, and the listeners among them that cannot be told apart.

use std::collections::BTreeMap;

use super::conflict::Conflict;
use super::listener::{Carries, ListenerDraft};
use crate::name::{HostPattern, Port};

/// A listener by its index, and what it carries.
type Member = (usize, Carries);

/// None of those that conflict is served.
pub(super) fn settle(listeners: &mut [ListenerDraft<'_>]) {
    for (at, conflict) in find(listeners) {
        listeners[at].conflict(conflict);
    }
}

fn find(listeners: &[ListenerDraft<'_>]) -> BTreeMap<usize, Conflict> {
    let mut ports: BTreeMap<Port, Vec<Member>> = BTreeMap::new();
    let mut places: BTreeMap<(Port, Option<&HostPattern>), Vec<Member>> = BTreeMap::new();
    for (at, listener) in listeners.iter().enumerate() {
        if let Some((port, carries)) = listener.place() {
            let hostname = listener.hostname.as_ref();
            ports.entry(port).or_default().push((at, carries));
            let place = places.entry((port, hostname)).or_default();
            place.push((at, carries));
        }
    }
    let mut conflicts = BTreeMap::new();
    let is_clear = |(_, carries): &Member| *carries == Carries::Http;
    for group in ports.values() {
        if group.iter().any(is_clear) && !group.iter().all(is_clear) {
            let group = group.iter().map(|(at, _)| (*at, Conflict::Protocol));
            conflicts.extend(group);
        }
    }
    for group in places.values().filter(|group| group.len() > 1) {
        let is_one = group.iter().all(|(_, carries)| *carries == group[0].1);
        let conflict = if is_one {
            Conflict::Hostname
        } else {
            Conflict::Protocol
        };
        for (at, _) in group {
            conflicts.entry(*at).or_insert(conflict);
        }
    }
    conflicts
}
