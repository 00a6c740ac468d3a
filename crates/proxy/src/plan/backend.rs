//! What a plan takes from the backend of the request.

use std::sync::Arc;

use egret_config::name::{Host, Port};
use egret_config::resources::ObjectRef;
use egret_config::snapshot::{
    BackendDestination, BackendSettings, HttpVersion, ResolverId, Scheme, ServiceDestination,
};

use crate::message::target::{Target, TargetForm};
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
        // The tunnel carries whatever the client sends, TLS included.
        _ if matches!(target.form, TargetForm::Connect | TargetForm::Passthrough) => Scheme::Http,
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
    own.unwrap_or_else(|| match target.form {
        TargetForm::Passthrough => Port::HTTPS,
        _ => scheme.default_port(),
    })
}

#[cfg(test)]
mod tests {
    use egret_config::resources::Kind;
    use egret_config::snapshot::DynamicDestination;

    use super::*;

    #[test]
    fn the_scheme_and_the_port_are_of_what_is_sent() {
        use TargetForm::{Connect, Passthrough, Request, Terminate};
        let (http, https) = (Scheme::Http, Scheme::Https);
        for (form, of_backend, scheme_expected, port_expected) in [
            (Request, http, http, Port::HTTP),
            (Request, https, https, Port::HTTPS),
            (Connect, https, http, Port::HTTP),
            // The client's own TLS goes on.
            (Passthrough, http, http, Port::HTTPS),
            (Passthrough, https, http, Port::HTTPS),
            (Terminate, http, http, Port::HTTP),
            (Terminate, https, https, Port::HTTPS),
        ] {
            let target = Target::of_server_name("a.example".parse().unwrap(), form);
            let mut destination = DynamicDestination {
                backend: ObjectRef::new(Kind::Backend, "n", "b"),
                resolver: ResolverId::System,
                settings: Arc::default(),
                scheme: of_backend,
                port: None,
            };
            let of = |to: &DynamicDestination| {
                let to = BackendDestination::Dynamic(to.clone());
                let scheme = scheme(&target, &to);
                (scheme, default_port(&target, scheme, &to))
            };
            let expected = (scheme_expected, port_expected);
            assert_eq!(of(&destination), expected, "{form:?} {of_backend:?}");
            destination.port = Port::new(8443);
            assert_eq!(of(&destination).1.get(), 8443, "{form:?}");
        }
    }
}
