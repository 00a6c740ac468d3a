//! `backendRefs` of a rule: resolves each reference, and reads its weight.

use crate::compile::backend::{ServableBackend, port_of};
use crate::compile::context::RouteContext;
use crate::compile::log::{FieldFault, misconfiguration};
use crate::compile::{grant, missing};
use crate::name::Port;
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{Misconfiguration, RouteFilters};

use super::header::header_edit;
use super::spec::{BackendRefSpec, FilterMember, FilterSpec};
use super::status::RuleFaults;

/// Maximum weight (Gateway API, BackendRef).
const MAX_WEIGHT: u32 = 1_000_000;

/// A backendRef while its rule is compiled.
#[derive(Debug)]
pub(super) struct BackendDraft {
    pub(super) weight: u32,
    pub(super) filters: RouteFilters,
    /// The Backend, or the reason why this share of the requests is refused.
    pub(super) backend: Result<ObjectRef, Misconfiguration>,
    /// The port of requests that do not name one.
    pub(super) port: Option<Port>,
}

/// The reason, the field and the message of a reference that could not be resolved.
type UnresolvedRef = (&'static str, &'static str, String);

/// Compiles references. The last argument takes the faults of the rule, and the references that could not be resolved.
pub(super) fn compile(
    context: &RouteContext<'_>,
    route: &ObjectRef,
    specs: &[BackendRefSpec<'_>],
    field: &str,
    (wrong, unresolved): &mut (&mut RuleFaults, &mut Vec<(&'static str, FieldFault)>),
) -> Vec<BackendDraft> {
    let mut drafts = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let field = format!("{field}.backendRefs[{index}]");
        let resolved = resolve(context, route, spec).map_err(|(reason, name, message)| {
            // Clients are not told what was meant.
            let wrong = misconfiguration(route, &missing::without_suggestion(&message));
            let fault = match name {
                "" => FieldFault::reference(&field, message),
                // A port where none may be is wrong whatever the Backend is.
                "port" => FieldFault::new(format!("{field}.{name}"), message),
                _ => FieldFault::reference(format!("{field}.{name}"), message),
            };
            unresolved.push((reason, fault));
            wrong
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
            filters: compile_filters(&spec.filters, &field, wrong),
            backend: resolved.map(|(backend, _)| backend),
            port,
        });
    }
    drafts
}

/// Resolves a reference to a Backend, and to a port if the reference may have one.
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
    if Kind::find(group, kind) != Some(Kind::Backend) {
        let message = match Kind::find(group, kind) {
            Some(Kind::Service) => "unknown backend kind: Service is not supported yet".to_owned(),
            _ => format!("unknown backend kind: {group}/{kind}"),
        };
        return Err(("InvalidKind", "kind", message));
    }
    let namespace = namespace.unwrap_or(&route.namespace);
    let backend = ObjectRef::new(Kind::Backend, namespace, name);
    if !grant::allows(context.resources, route, &backend) {
        let message = format!("missing reference grant for {backend}");
        return Err(("RefNotPermitted", "", message));
    }
    let Some(known) = context.backends.get(&backend) else {
        let message = missing::message(context.resources, &backend);
        return Err(("BackendNotFound", "", message));
    };
    let Some(port) = *port else {
        return Ok((backend, None));
    };
    // TLS passthrough: the client's server name (SNI) is the host, but there is no port in it.
    let takes_port =
        route.kind == Kind::TlsRoute && !matches!(known, Ok(ServableBackend::Static(_)));
    if !takes_port {
        let message = format!(
            "BackendRef to \"{name}\" includes a port. Do not specify a port when referencing a Backend resource, as \
             it defines its own port configuration"
        );
        return Err(("BackendNotFound", "port", message));
    }
    match port_of(port) {
        Ok(port) => Ok((backend, Some(port))),
        Err(message) => Err(("BackendNotFound", "port", message.to_owned())),
    }
}

fn compile_filters(specs: &[FilterSpec<'_>], field: &str, wrong: &mut RuleFaults) -> RouteFilters {
    let mut filters = RouteFilters::default();
    let (mut request, mut response) = (0, 0);
    for (index, spec) in specs.iter().enumerate() {
        let field = format!("{field}.filters[{index}]");
        match spec {
            Ok((name, FilterMember::RequestHeaders(edits))) => {
                let field = format!("{field}.{name}");
                filters.request_headers = header_edit(edits, &field, wrong);
                request += 1;
            }
            Ok((name, FilterMember::ResponseHeaders(edits))) => {
                let field = format!("{field}.{name}");
                filters.response_headers = header_edit(edits, &field, wrong);
                response += 1;
            }
            Ok((name, _)) => {
                let fault = FieldFault::unsupported(format!("{field}.{name}"));
                wrong.unsupported.push(fault);
            }
            Err(_) => wrong.unsupported.push(FieldFault::new(
                format!("{field}.type"),
                "does not agree with what is set beside it",
            )),
        }
    }
    for (name, count) in [
        ("RequestHeaderModifier", request),
        ("ResponseHeaderModifier", response),
    ] {
        if count > 1 {
            wrong.unsupported.push(FieldFault::new(
                format!("{field}.filters"),
                format!("{name} filter cannot be repeated"),
            ));
        }
    }
    filters
}
