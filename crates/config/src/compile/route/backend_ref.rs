//! `backendRefs` of a rule: resolves each reference, and reads its weight.

use crate::compile::backend::{ServableBackend, port_of};
use crate::compile::context::RouteContext;
use crate::compile::log::{FieldFault, misconfiguration};
use crate::compile::service::ServiceFault;
use crate::compile::{grant, missing};
use crate::name::Port;
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{Misconfiguration, RouteFilters};

use super::filter;
use super::mirror::{self, MirrorDraft};
use super::spec::{BackendRefSpec, RuleSpec};
use super::status::RuleFaults;

/// Maximum weight (Gateway API, BackendRef).
const MAX_WEIGHT: u32 = 1_000_000;

/// A backendRef while its rule is compiled.
#[derive(Debug)]
pub(super) struct BackendDraft {
    pub(super) weight: u32,
    pub(super) filters: RouteFilters,
    pub(super) mirrors: Vec<MirrorDraft>,
    /// The Backend or Service, or the reason why this share of the requests is refused.
    pub(super) backend: Result<ObjectRef, Misconfiguration>,
    /// The port of requests that do not name one; of a Service, its port.
    pub(super) port: Option<Port>,
}

/// Why a reference could not be resolved.
struct UnresolvedRef {
    /// The reason of the Gateway API.
    reason: &'static str,
    /// The field; empty for the reference as a whole.
    field: &'static str,
    message: String,
    /// Whether the reference is wrong whatever it refers to is.
    is_wrong_itself: bool,
}

impl UnresolvedRef {
    /// A fault that depends on what the reference refers to.
    fn new(reason: &'static str, field: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            field,
            message: message.into(),
            is_wrong_itself: false,
        }
    }

    /// A port that is wrong whatever the backend is.
    fn wrong_port(message: impl Into<String>) -> Self {
        Self {
            is_wrong_itself: true,
            ..Self::new("BackendNotFound", "port", message)
        }
    }

    fn fault(self, field: &str) -> FieldFault {
        let field = match self.field {
            "" => field.to_owned(),
            name => format!("{field}.{name}"),
        };
        match self.is_wrong_itself {
            true => FieldFault::new(field, self.message),
            false => FieldFault::reference(field, self.message),
        }
    }
}

/// References that could not be resolved, each with the reason of the Gateway API.
pub(super) type UnresolvedRefs = Vec<(&'static str, FieldFault)>;

/// Resolves one reference in this field; the error is its reason and its fault.
pub(super) fn resolve_at(
    context: &RouteContext<'_>,
    route: &ObjectRef,
    spec: &BackendRefSpec<'_>,
    field: &str,
) -> Result<(ObjectRef, Option<Port>), (&'static str, FieldFault)> {
    let resolved = resolve(context, route, spec);
    resolved.map_err(|unresolved| (unresolved.reason, unresolved.fault(field)))
}

/// Compiles the references of a rule. The last argument takes the faults of the rule, and the references that could not be resolved.
pub(super) fn compile(
    context: &RouteContext<'_>,
    route: &ObjectRef,
    RuleSpec {
        matches, backends, ..
    }: &RuleSpec<'_>,
    field: &str,
    (wrong, unresolved): &mut (&mut RuleFaults, &mut UnresolvedRefs),
) -> Vec<BackendDraft> {
    let mut drafts = Vec::new();
    for (index, spec) in backends.iter().enumerate() {
        let field = format!("{field}.backendRefs[{index}]");
        let resolved = resolve(context, route, spec).map_err(|unresolved_ref| {
            // Clients are not told what was meant.
            let message = missing::without_suggestion(&unresolved_ref.message);
            unresolved.push((unresolved_ref.reason, unresolved_ref.fault(&field)));
            misconfiguration(route, &message)
        });
        let weight = u32::try_from(spec.weight.unwrap_or(1))
            .ok()
            .filter(|weight| *weight <= MAX_WEIGHT);
        if weight.is_none() {
            let message = format!("0 to {MAX_WEIGHT} is allowed");
            wrong
                .unsupported
                .push(FieldFault::new(format!("{field}.weight"), message));
        }
        let port = resolved.as_ref().ok().and_then(|(_, port)| *port);
        drafts.push(BackendDraft {
            weight: weight.unwrap_or(1),
            filters: filter::compile(&spec.filters, &field, matches.prefixes, wrong).filters,
            mirrors: mirror::compile(
                context,
                route,
                &spec.filters,
                &field,
                &mut (&mut *wrong, &mut *unresolved),
            ),
            backend: resolved.map(|(backend, _)| backend),
            port,
        });
    }
    drafts
}

/// Resolves a reference to a Backend or a Service, and to a port if the reference may have one.
fn resolve(
    context: &RouteContext<'_>,
    route: &ObjectRef,
    spec: &BackendRefSpec<'_>,
) -> Result<(ObjectRef, Option<Port>), UnresolvedRef> {
    let BackendRefSpec {
        filters: _,
        group,
        kind,
        name,
        namespace,
        port,
        weight: _,
    } = spec;
    let group = group.unwrap_or_default();
    let kind = kind.unwrap_or("Service");
    let Some(known @ (Kind::Backend | Kind::Service)) = Kind::find(group, kind) else {
        let known = Kind::Backend;
        let meant = match kind == known.as_str() {
            true => format!("; did you mean {}/{known}?", known.group()),
            false => String::new(),
        };
        let message = format!("unknown backend kind: {group}/{kind}{meant}");
        return Err(UnresolvedRef::new("InvalidKind", "kind", message));
    };
    let namespace = namespace.unwrap_or(&route.namespace);
    let backend = ObjectRef::new(known, namespace, name);
    if !grant::allows(context.resources, route, &backend) {
        let message = format!("missing reference grant for {backend}");
        return Err(UnresolvedRef::new("RefNotPermitted", "", message));
    }
    let port = match known {
        Kind::Service => Some(port_of_service(context, route, &backend, *port)?),
        _ => port_of_backend(context, route, &backend, *port)?,
    };
    Ok((backend, port))
}

/// The port of a reference to a Service, which must have one.
fn port_of_service(
    context: &RouteContext<'_>,
    route: &ObjectRef,
    service: &ObjectRef,
    port: Option<i32>,
) -> Result<Port, UnresolvedRef> {
    let port = port.ok_or_else(|| {
        // A reference without group and kind is to a Service.
        let ObjectRef {
            namespace, name, ..
        } = service;
        let backend = ObjectRef::new(Kind::Backend, namespace, name);
        let meant = match context.resources.backends.contains_key(&backend) {
            true => format!("; did you mean {backend}, by group and kind?"),
            false => String::new(),
        };
        UnresolvedRef::wrong_port(format!("Must have port for Service reference{meant}"))
    })?;
    let port = port_of(port).map_err(UnresolvedRef::wrong_port)?;
    let served = context.services.port(service, port).map_err(|fault| {
        let ServiceFault {
            reason,
            field,
            message,
        } = fault;
        UnresolvedRef::new(reason, field, message)
    })?;
    // Of TLS that is not terminated nothing is read.
    if route.kind != Kind::TlsRoute {
        let settings = context
            .policies
            .backend_settings(service, Some(&served.name));
        served
            .http_version(settings.tls.is_some())
            .map_err(|message| {
                let message = format!("appProtocol of port {port} of {service}: {message}");
                UnresolvedRef::new("UnsupportedProtocol", "port", message)
            })?;
    }
    Ok(port)
}

/// The port of a reference to a Backend, which has ports of its own.
fn port_of_backend(
    context: &RouteContext<'_>,
    route: &ObjectRef,
    backend: &ObjectRef,
    port: Option<i32>,
) -> Result<Option<Port>, UnresolvedRef> {
    let Some(known) = context.backends.get(backend) else {
        let message = missing::message(context.resources, backend);
        return Err(UnresolvedRef::new("BackendNotFound", "", message));
    };
    let Some(port) = port else {
        return Ok(None);
    };
    // TLS passthrough: the client's server name (SNI) is the host, but there is no port in it.
    let takes_port =
        route.kind == Kind::TlsRoute && !matches!(known, Ok(ServableBackend::Static(_)));
    if !takes_port {
        return Err(UnresolvedRef::wrong_port(format!(
            "BackendRef to \"{}\" includes a port. Do not specify a port when referencing a Backend resource, as it \
             defines its own port configuration",
            backend.name
        )));
    }
    port_of(port).map(Some).map_err(UnresolvedRef::wrong_port)
}
