//! Ports that several listeners of one Gateway share, and the conflicts between these listeners.

use std::collections::BTreeMap;

use super::conflict::ListenerConflict;
use super::listener::{ConnectionContent, ListenerDraft};
use crate::name::{HostPattern, Port};

/// The index of a listener, and the content of its connections.
type ListenerContent = (usize, ConnectionContent);

/// Refuses all listeners that are in conflict.
pub(super) fn settle(listeners: &mut [ListenerDraft<'_>]) {
    for (at, conflict) in find_conflicts(listeners) {
        listeners[at].conflict(conflict);
    }
}

fn find_conflicts(listeners: &[ListenerDraft<'_>]) -> BTreeMap<usize, ListenerConflict> {
    let mut by_port: BTreeMap<Port, Vec<ListenerContent>> = BTreeMap::new();
    let mut by_hostname: BTreeMap<(Port, Option<&HostPattern>), Vec<ListenerContent>> =
        BTreeMap::new();
    for (at, listener) in listeners.iter().enumerate() {
        if let Some((port, content)) = listener.accepted_content() {
            let hostname = listener.hostname.as_ref();
            by_port.entry(port).or_default().push((at, content));
            let same_hostname = by_hostname.entry((port, hostname)).or_default();
            same_hostname.push((at, content));
        }
    }
    let mut conflicts = BTreeMap::new();
    let is_plaintext = |(_, content): &ListenerContent| *content == ConnectionContent::Http;
    for group in by_port.values() {
        if group.iter().any(is_plaintext) && !group.iter().all(is_plaintext) {
            let group = group
                .iter()
                .map(|(at, _)| (*at, ListenerConflict::Protocol));
            conflicts.extend(group);
        }
    }
    for group in by_hostname.values().filter(|group| group.len() > 1) {
        let same_content = group.iter().all(|(_, content)| *content == group[0].1);
        let conflict = if same_content {
            ListenerConflict::Hostname
        } else {
            ListenerConflict::Protocol
        };
        for (at, _) in group {
            conflicts.entry(*at).or_insert(conflict);
        }
    }
    conflicts
}
