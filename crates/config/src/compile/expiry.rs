//! Warnings about certificates of listeners and of the CAs of their clients that are not valid now, or not for much longer.

use std::collections::BTreeMap;

use super::log::{FieldFault, ReportLog};
use crate::certificate::{CertificateFacts, utc};
use crate::resources::Resources;
use crate::snapshot::{BindAddress, CertificateUse, Listener, ListenerSocket};

/// How long before its end a certificate is warned of, in seconds.
const SOON: i64 = 14 * 24 * 60 * 60;

/// Warns of the certificates of all listeners, at this time in seconds of Unix time.
pub(super) fn report(
    sockets: &BTreeMap<BindAddress, ListenerSocket>,
    resources: &Resources,
    now: i64,
    log: &mut ReportLog,
) {
    let listeners = sockets.values().flat_map(|socket| &socket.listeners);
    // A listener of a Gateway with several addresses is on several sockets.
    let listeners: BTreeMap<_, &Listener> = listeners
        .map(|listener| (listener.identity(), &**listener))
        .collect();
    for ((_, owner, name), listener) in listeners {
        let Some((index, source)) = resources.listener(owner, name) else {
            continue;
        };
        for (used, certificate) in listener.certificates() {
            let facts = CertificateFacts::read(&certificate.0);
            let Some((facts, what)) = facts.and_then(|facts| {
                let what = fault(&facts, now)?;
                Some((facts, what))
            }) else {
                continue;
            };
            let field = match used {
                CertificateUse::Server(_) => format!("spec.listeners[{index}].tls.certificateRefs"),
                CertificateUse::ClientCa => format!("spec.listeners[{index}]"),
            };
            let whose = match used {
                CertificateUse::Server(secret) => format!("certificate of {secret}"),
                CertificateUse::ClientCa => "CA certificate for clients".to_owned(),
            };
            let message = format!("the {whose} ({}) {what}", facts.title());
            log.warn(owner, source, &FieldFault::new(field, message));
        }
    }
}

/// What is wrong with a certificate at this time, or soon will be.
fn fault(facts: &CertificateFacts, now: i64) -> Option<String> {
    let (begin, end) = (facts.validity.not_before, facts.validity.not_after);
    if now > end {
        Some(format!("expired at {}", utc(end)))
    } else if now < begin {
        Some(format!("is not valid before {}", utc(begin)))
    } else if now > end - SOON {
        Some(format!("expires soon, at {}", utc(end)))
    } else {
        None
    }
}
