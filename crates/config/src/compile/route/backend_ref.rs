//! `backendRefs`: whether each leads somewhere, and its share.

use crate::api::gateway::{BackendFilter, BackendFilterType, BackendRef};
use crate::compile::log::{Fault, misconfiguration};
use crate::compile::{Context, grant};
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{Filters, Misconfiguration};

use super::header::{Edits, header_edit};
use super::rule::RuleFaults;

/// Highest weight (Gateway API, BackendRef).
const MAX_WEIGHT: u32 = 1_000_000;

/// A backendRef while its rule is compiled.
#[derive(Debug)]
pub(super) struct BackendDraft {
    pub(super) weight: u32,
    pub(super) filters: Filters,
    /// The Backend, or why its share is refused.
    pub(super) backend: Result<ObjectRef, Misconfiguration>,
}

/// The last argument takes what is wrong with the rule, and the references that lead nowhere.
pub(super) fn compile(
    context: &Context<'_>,
    route: &ObjectRef,
    specs: &[BackendRef],
    field: &str,
    (wrong, unresolved): &mut (&mut RuleFaults, &mut Vec<(&'static str, Fault)>),
) -> Vec<BackendDraft> {
    let mut drafts = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let field = format!("{field}.backendRefs[{index}]");
        let backend = resolve(context, route, spec).map_err(|(reason, name, message)| {
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
        let filters = spec.filters.as_deref().unwrap_or_default();
        drafts.push(BackendDraft {
            weight: weight.unwrap_or(1),
            filters: compile_filters(filters, &field, &mut wrong.unsupported),
            backend,
        });
    }
    drafts
}

/// The Backend, or the reason, the field and the message.
fn resolve(
    context: &Context<'_>,
    route: &ObjectRef,
    spec: &BackendRef,
) -> Result<ObjectRef, (&'static str, &'static str, String)> {
    let BackendRef {
        filters: _,
        group,
        kind,
        name,
        namespace,
        port,
        weight: _,
    } = spec;
    let group = group.as_deref().unwrap_or_default();
    let kind = kind.as_deref().unwrap_or("Service");
    if Kind::find(group, kind) != Some(Kind::Backend) {
        let message = match Kind::find(group, kind) {
            Some(Kind::Service) => "unknown backend kind: Service is not supported yet".to_owned(),
            _ => format!("unknown backend kind: {group}/{kind}"),
        };
        return Err(("InvalidKind", "kind", message));
    }
    let namespace = namespace.as_deref().unwrap_or(&route.namespace);
    let backend = ObjectRef::new(Kind::Backend, namespace, name);
    if !grant::allows(context.resources, route, &backend) {
        let message = format!("missing reference grant for {backend}");
        return Err(("RefNotPermitted", "", message));
    }
    if !context.backends.contains_key(&backend) {
        return Err(("BackendNotFound", "", format!("{backend} not found")));
    }
    if port.is_some() {
        let message = format!(
            "BackendRef to \"{name}\" includes a port. Do not specify a port when referencing a Backend resource, as \
             it defines its own port configuration"
        );
        return Err(("BackendNotFound", "port", message));
    }
    Ok(backend)
}

fn compile_filters(specs: &[BackendFilter], field: &str, faults: &mut Vec<Fault>) -> Filters {
    let mut filters = Filters::default();
    let (mut request, mut response) = (0, 0);
    for (index, spec) in specs.iter().enumerate() {
        let BackendFilter {
            cors,
            extension_ref,
            external_auth,
            request_header_modifier,
            request_mirror,
            request_redirect,
            response_header_modifier,
            r#type,
            url_rewrite,
        } = spec;
        let field = format!("{field}.filters[{index}]");
        let others = [
            ("cors", cors.is_some()),
            ("extensionRef", extension_ref.is_some()),
            ("externalAuth", external_auth.is_some()),
            ("requestMirror", request_mirror.is_some()),
            ("requestRedirect", request_redirect.is_some()),
            ("urlRewrite", url_rewrite.is_some()),
        ];
        if let Some((name, _)) = others.iter().find(|(_, is_set)| *is_set) {
            faults.push(Fault::unsupported(format!("{field}.{name}")));
            continue;
        }
        match (r#type, request_header_modifier, response_header_modifier) {
            (BackendFilterType::RequestHeaderModifier, Some(spec), None) => {
                let edits = Edits::from(spec);
                filters.request_headers =
                    header_edit(&edits, &format!("{field}.requestHeaderModifier"), faults);
                request += 1;
            }
            (BackendFilterType::ResponseHeaderModifier, None, Some(spec)) => {
                let edits = Edits::from(spec);
                filters.response_headers =
                    header_edit(&edits, &format!("{field}.responseHeaderModifier"), faults);
                response += 1;
            }
            _ => faults.push(Fault::new(
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
