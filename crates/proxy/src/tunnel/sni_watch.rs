//! What is known of the ClientHello inside the tunnel of a CONNECT, and what a policy requires of it.

use std::cell::{OnceCell, RefCell};

use egret_config::name::{DnsName, Host};
use egret_config::policy::egress::{EgressMode, HelloName, SniRequirement};
use egret_config::resources::ObjectRef;

use super::hello_scan::TunnelHello;
use crate::record::SniViolation;

/// The ClientHello of one tunnel, once it was read, and the policy about it. The gate in the tunnel and the registry of
/// tunnels share it.
pub(crate) struct SniWatch {
    /// The host of the CONNECT.
    host: Host,
    requirement: RefCell<Option<OwnedRequirement>>,
    /// `None` inside if the client speaks another protocol than TLS.
    hello: OnceCell<Option<TunnelHello>>,
}

/// As [`SniRequirement`], apart from its configuration.
struct OwnedRequirement {
    policy: ObjectRef,
    mode: EgressMode,
}

impl SniWatch {
    pub(crate) fn new(host: Host, requirement: Option<SniRequirement<'_>>) -> Self {
        let watch = Self {
            host,
            requirement: RefCell::default(),
            hello: OnceCell::new(),
        };
        watch.require(requirement);
        watch
    }

    /// Replaces what is required, after a change of the configuration.
    pub(super) fn require(&self, requirement: Option<SniRequirement<'_>>) {
        let owned = requirement.map(|SniRequirement { policy, mode }| OwnedRequirement {
            policy: policy.clone(),
            mode,
        });
        self.requirement.replace(owned);
    }

    /// Whether a ClientHello that was read already, if one was, may stay under this requirement.
    pub(super) fn allows(&self, requirement: Option<SniRequirement<'_>>) -> bool {
        let is_enforced = requirement.is_some_and(|it| it.mode == EgressMode::Enforce);
        !is_enforced || self.is_as_required()
    }

    /// Whether the ClientHello has to wait until it can be judged.
    pub(super) fn holds(&self) -> bool {
        let requirement = self.requirement.borrow();
        requirement
            .as_ref()
            .is_some_and(|it| it.mode == EgressMode::Enforce)
    }

    /// The client sent this ClientHello, or speaks another protocol. False if the tunnel has to end for it.
    pub(super) fn found(&self, hello: Option<TunnelHello>) -> bool {
        // There is one ClientHello: the gate goes away with it.
        let _ = self.hello.set(hello);
        !self.holds() || self.is_as_required()
    }

    fn is_as_required(&self) -> bool {
        let hello = self.hello.get().and_then(Option::as_ref);
        hello.is_none_or(|hello| hello.name.is_for(&self.host))
    }

    /// The server name and whether an encrypted ClientHello was offered, if there was a ClientHello that can be read.
    pub(super) fn facts(&self) -> Option<(Option<&DnsName>, bool)> {
        let hello = self.hello.get()?.as_ref()?;
        match &hello.name {
            HelloName::Name(name) => Some((Some(name), hello.ech)),
            HelloName::Address(_) | HelloName::Absent => Some((None, hello.ech)),
            HelloName::Unreadable => None,
        }
    }

    /// What of the ClientHello is not as a policy requires, and whether that is enforced.
    pub(super) fn violation(&self) -> Option<(SniViolation, EgressMode)> {
        let requirement = self.requirement.borrow();
        let OwnedRequirement { policy, mode } = requirement.as_ref()?;
        let hello = self.hello.get()?.as_ref()?;
        let is_violated = !hello.name.is_for(&self.host);
        is_violated.then(|| {
            let violation = SniViolation {
                policy: policy.clone(),
                host: self.host.clone(),
                hello: hello.name.clone(),
            };
            (violation, *mode)
        })
    }
}
