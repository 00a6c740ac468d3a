//! Ports that several listeners of one Gateway share, and the conflicts between these listeners.

use std::collections::BTreeMap;

use super::conflict::ListenerConflict;
use super::listener::{ConnectionContent, ListenerDraft};
use crate::compile::review::FaultCause;
use crate::name::{HostPattern, Port};

/// The index of a listener, and the content of its connections.
type ListenerContent = (usize, ConnectionContent);

/// The ports that listeners have, with those on them.
type TakenPorts = BTreeMap<Port, Vec<ListenerContent>>;

/// Refuses listeners that are in conflict. The listeners are in the order of precedence of the objects that have them:
/// those of the Gateway, then those of each ListenerSet (GEP-1713). A listener that is in conflict with one of an earlier
/// object is refused alone; of those that are in conflict within one object all are.
pub(super) fn settle(listeners: &mut [ListenerDraft<'_>]) {
    let mut taken = TakenPorts::new();
    let mut begin = 0;
    while let Some(first) = listeners.get(begin) {
        let owner = first.owner.object;
        let later = listeners[begin..].iter();
        let end = begin + later.take_while(|it| it.owner.object == owner).count();
        for at in begin..end {
            if let Some(conflict) = conflict_with_earlier(listeners, at, &taken) {
                listeners[at].conflict(conflict, FaultCause::Reference);
            }
        }
        for (at, conflict) in conflicts_within(listeners, begin..end) {
            listeners[at].conflict(conflict, FaultCause::Object);
        }
        for (at, listener) in listeners.iter().enumerate().take(end).skip(begin) {
            if let Some((port, content)) = listener.accepted_content() {
                taken.entry(port).or_default().push((at, content));
            }
        }
        begin = end;
    }
}

/// What a listener conflicts in with those of earlier objects.
fn conflict_with_earlier(
    listeners: &[ListenerDraft<'_>],
    at: usize,
    taken: &TakenPorts,
) -> Option<ListenerConflict> {
    let listener = &listeners[at];
    let on_port = |port| taken.get(&port).map_or(&[][..], Vec::as_slice);
    let Some((port, content)) = listener.accepted_content() else {
        let port = listener.tcp_port()?;
        return (!on_port(port).is_empty()).then_some(ListenerConflict::Protocol);
    };
    let others = on_port(port).iter().map(|(other, _)| other);
    let same = others.filter(|other| listeners[**other].hostname == listener.hostname);
    let of_content = |other: &usize| listeners[*other].accepted_content();
    let same: Vec<_> = same.filter_map(of_content).collect();
    let is_plaintext = |content: ConnectionContent| content == ConnectionContent::Http;
    let mut others = on_port(port).iter();
    if others.any(|(_, other)| is_plaintext(*other) != is_plaintext(content))
        || same.iter().any(|(_, other)| *other != content)
    {
        return Some(ListenerConflict::Protocol);
    }
    (!same.is_empty()).then_some(ListenerConflict::Hostname)
}

/// The conflicts between listeners of one object.
fn conflicts_within(
    listeners: &[ListenerDraft<'_>],
    range: std::ops::Range<usize>,
) -> BTreeMap<usize, ListenerConflict> {
    let mut by_port = TakenPorts::new();
    let mut by_hostname: BTreeMap<(Port, Option<&HostPattern>), Vec<ListenerContent>> =
        BTreeMap::new();
    for at in range {
        let listener = &listeners[at];
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
