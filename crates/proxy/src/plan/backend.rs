//! What a plan takes from the backend of the request.

use std::sync::Arc;

use egret_config::name::{Host, Port};
use egret_config::resources::ObjectRef;
use egret_config::snapshot::{
    BackendDestination, BackendSettings, HttpVersion, ResolverId, Scheme, ServiceDestination,
};

use crate::message::target::Target;
use crate::refusal::Refusal;

/// What a plan takes from its backend.
pub(super) struct PlannedBackend<'a> {
    /// The object that it is.
    pub(super) object: &'a ObjectRef,
    /// The resolver of its hosts that are names.
    pub(super) resolver: &'a ResolverId,
    pub(super) settings: &'a Arc<BackendSettings>,
    /// The HTTP version that it asks for.
    pub(super) version: HttpVersion,
    /// The hosts of a static backend.
    pub(super) hosts: &'a [(Host, Port)],
    /// The Service, if it is one.
    pub(super) service: Option<&'a ServiceDestination>,
}

impl<'a> PlannedBackend<'a> {
    /// # Errors
    /// [`Refusal::Misconfigured`] if the backend is misconfigured.
    pub(super) fn of(destination: &'a BackendDestination) -> Result<Self, Refusal> {
        match destination {
            BackendDestination::Dynamic(to) => Ok(Self {
                object: &to.backend,
                resolver: &to.resolver,
                settings: &to.settings,
                version: HttpVersion::Auto,
                hosts: &[],
                service: None,
            }),
            BackendDestination::Static(to) => Ok(Self {
                object: &to.backend,
                resolver: &to.resolver,
                settings: &to.settings,
                version: to.version,
                hosts: &to.hosts,
                service: None,
            }),
            BackendDestination::Service(to) => Ok(Self {
                object: &to.service,
                // No resolver is asked.
                resolver: &ResolverId::System,
                settings: &to.settings,
                version: to.version,
                hosts: &[],
                service: Some(to),
            }),
            BackendDestination::Refuse(why) => Err(Refusal::Misconfigured(why.clone())),
        }
    }
}

/// The scheme towards the upstream: for a dynamic backend the client's, or else that of the Backend; for a static
/// backend or a Service it depends on whether it has TLS settings.
pub(super) fn scheme(target: &Target, destination: &BackendDestination) -> Scheme {
    match destination {
        // A tunnel carries whatever the client sends, TLS included.
        _ if target.connect => Scheme::Http,
        BackendDestination::Dynamic(to) => target.scheme.unwrap_or(to.scheme),
        BackendDestination::Static(to) if to.settings.tls.is_some() => Scheme::Https,
        BackendDestination::Service(to) if to.settings.tls.is_some() => Scheme::Https,
        BackendDestination::Static(_)
        | BackendDestination::Service(_)
        | BackendDestination::Refuse(_) => Scheme::Http,
    }
}

/// The port of a target that has none.
pub(super) fn default_port(
    target: &Target,
    scheme: Scheme,
    destination: &BackendDestination,
) -> Port {
    let own = match destination {
        BackendDestination::Dynamic(to) => to.port,
        BackendDestination::Static(_)
        | BackendDestination::Service(_)
        | BackendDestination::Refuse(_) => None,
    };
    own.unwrap_or_else(|| match target.is_passthrough() {
        true => Port::HTTPS,
        false => scheme.default_port(),
    })
}
