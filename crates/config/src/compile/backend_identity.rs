//! The settings of connections to backends under a Gateway that shows a certificate to them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::resources::ObjectRef;
use crate::snapshot::{BackendSettings, TlsIdentity};

/// The certificates that Gateways show to backends, and the settings that have them.
#[derive(Debug, Default)]
pub(super) struct BackendIdentities {
    of_gateways: BTreeMap<ObjectRef, TlsIdentity>,
    /// Settings that are the same share one value: by Gateway, and by what they are without the certificate.
    shared: RefCell<BTreeMap<ObjectRef, Vec<SharedSettings>>>,
}

#[derive(Debug)]
struct SharedSettings {
    without: Arc<BackendSettings>,
    with: Arc<BackendSettings>,
}

impl BackendIdentities {
    pub(super) fn new(of_gateways: BTreeMap<ObjectRef, TlsIdentity>) -> Self {
        Self {
            of_gateways,
            shared: RefCell::default(),
        }
    }

    /// These settings with the certificate of the Gateway, if they use TLS and have none of their own.
    pub(super) fn shown(
        &self,
        gateway: &ObjectRef,
        settings: Arc<BackendSettings>,
    ) -> Arc<BackendSettings> {
        let tls = settings.tls.as_ref().filter(|tls| tls.identity.is_none());
        let (Some(tls), Some(identity)) = (tls, self.of_gateways.get(gateway)) else {
            return settings;
        };
        let mut shared = self.shared.borrow_mut();
        let known = shared.entry(gateway.clone()).or_default();
        let same = |one: &&SharedSettings| Arc::ptr_eq(&one.without, &settings);
        if let Some(one) = known.iter().find(same) {
            return Arc::clone(&one.with);
        }
        let mut tls = (**tls).clone();
        tls.identity = Some(identity.clone());
        let with = Arc::new(BackendSettings {
            tls: Some(Arc::new(tls)),
            ..(*settings).clone()
        });
        known.push(SharedSettings {
            without: settings,
            with: Arc::clone(&with),
        });
        with
    }
}
