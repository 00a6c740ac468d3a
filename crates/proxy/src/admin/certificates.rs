//! The metric of when certificates of listeners expire.

use std::collections::BTreeMap;
use std::fmt;

use egret_config::certificate::CertificateFacts;
use egret_config::snapshot::Snapshot;

use crate::metrics::MetricWriter;

/// Writes when the first certificate of each listener and use expires, in seconds of Unix time.
pub(super) fn metrics(to: &mut MetricWriter<'_>, snapshot: &Snapshot) -> fmt::Result {
    let mut first: BTreeMap<(&str, &'static str), i64> = BTreeMap::new();
    let sockets = snapshot.sockets.values();
    for listener in sockets.flat_map(|socket| &socket.listeners) {
        for (used, certificate) in listener.certificates() {
            let Some(facts) = CertificateFacts::read(&certificate.0) else {
                continue;
            };
            let end = facts.validity.not_after;
            let key = (&*listener.full_name, used.as_str());
            let earliest = first.entry(key).or_insert(end);
            *earliest = end.min(*earliest);
        }
    }
    let values = first.into_iter().map(|((listener, used), end)| {
        let labels = [("listener", listener), ("use", used)];
        (labels, end)
    });
    let help = "When the first certificate of a listener, or of the CAs of its clients, expires, in Unix time";
    to.gauges("tls_certificate_expiry_seconds", help, values)
}
