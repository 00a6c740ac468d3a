//! `backendRefs`: whether each leads somewhere, and its share.

use crate::compile::backend::{Backend, port_of};
use crate::compile::context::Context;
use crate::compile::grant;
use crate::compile::log::{Fault, misconfiguration};
use crate::name::Port;
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{Filters, Misconfiguration};

use super::header::header_edit;
use super::spec::{BackendSpec, FilterSpec, Member};
use super::status::RuleFaults;

/// Highest weight (Gateway API, BackendRef).
const MAX_WEIGHT: u32 = 1_000_000;

/// A backendRef while its rule is compiled.
#[derive(Debug)]
pub(super) struct BackendDraft {
    pub(super) weight: u32,
    pub(super) filters: Filters,
    /// The Backend, or why its share is refused.
    pub(super) backend: Result<ObjectRef, Misconfiguration>,
    /// The port of what names none.
    pub(super) port: Option<Port>,
}

/// Why a reference leads nowhere: the reason, the field, and the message.
type Lost = (&'static str, &'static str, String);

/// The last argument takes what is wrong with the rule, and the references that lead nowhere.
pub(super) fn compile(
    context: &Context<'_>,
    route: &ObjectRef,
    specs: &[BackendSpec<'_>],
    field: &str,
    (wrong, unresolved): &mut (&mut RuleFaults, &mut Vec<(&'static str, Fault)>),
) -> Vec<BackendDraft> {
    let mut drafts = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let field = format!("{field}.backendRefs[{index}]");
        let resolved = resolve(context, route, spec).map_err(|(reason, name, message)| {
            let wrong = misconfiguration(route, &message);
            let field = if name.is_empty() {
                field.clone()
            } else {
                format!("{field}.{name}")
            };
            unresolved.push((reason, Fault::new(field, message)));
            wrong
        });
        let weight = u32::try_from(spec.weight.unwrap_or(1))
            .ok()
            .filter(|weight| *weight <= MAX_WEIGHT);
        if weight.is_none() {
            let message = format!("0 to {MAX_WEIGHT} is allowed");
            wrong
                .unsupported
                .push(Fault::new(format!("{field}.weight"), message));
        }
        let port = resolved.as_ref().ok().and_then(|(_, port)| *port);
        drafts.push(BackendDraft {
            weight: weight.unwrap_or(1),
            filters: compile_filters(&spec.filters, &field, &mut wrong.unsupported),
            backend: resolved.map(|(backend, _)| backend),
            port,
        });
    }
    drafts
}

/// The Backend, and the port that the reference has, if it may have one.
fn resolve(
    context: &Context<'_>,
    route: &ObjectRef,
    spec: &BackendSpec<'_>,
) -> Result<(ObjectRef, Option<Port>), Lost> {
    let BackendSpec {
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
        return Err(("BackendNotFound", "", format!("{backend} not found")));
    };
    let Some(port) = *port else {
        return Ok((backend, None));
    };
    // TLS that is passed on says which host it is for, but not the port.
    let takes_port = route.kind == Kind::TlsRoute && !matches!(known, Ok(Backend::Static(_)));
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

fn compile_filters(specs: &[FilterSpec<'_>], field: &str, faults: &mut Vec<Fault>) -> Filters {
    let mut filters = Filters::default();
    let (mut request, mut response) = (0, 0);
    for (index, spec) in specs.iter().enumerate() {
        let field = format!("{field}.filters[{index}]");
        match spec {
            Ok((name, Member::RequestHeaders(edits))) => {
                let field = format!("{field}.{name}");
                filters.request_headers = header_edit(edits, &field, faults);
                request += 1;
            }
            Ok((name, Member::ResponseHeaders(edits))) => {
                let field = format!("{field}.{name}");
                filters.response_headers = header_edit(edits, &field, faults);
                response += 1;
            }
            Ok((name, _)) => faults.push(Fault::unsupported(format!("{field}.{name}"))),
            Err(_) => faults.push(Fault::new(
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
            faults.push(Fault::new(
                format!("{field}.filters"),
                format!("{name} filter cannot be repeated"),
            ));
        }
    }
    filters
}
