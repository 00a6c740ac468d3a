//! `RequestMirror` filters of a rule: resolves their backends, and reads which share of the requests they take.

use egret_api::gateway::{
    BackendMirrorBackendRef, BackendMirrorFraction, BackendRequestMirror,
    GrpcBackendMirrorBackendRef, GrpcBackendMirrorFraction, GrpcBackendRequestMirror,
    GrpcMirrorBackendRef, GrpcMirrorFraction, GrpcRequestMirror, MirrorBackendRef, MirrorFraction,
    RequestMirror,
};

use super::backend_ref::{self, UnresolvedRefs};
use super::spec::{BackendRefSpec, FilterMember, FilterSpec};
use super::status::RuleFaults;
use crate::compile::context::RouteContext;
use crate::compile::log::FieldFault;
use crate::name::Port;
use crate::resources::ObjectRef;
use crate::snapshot::MirrorShare;

/// The denominator of a fraction that has none, and of a percentage.
const HUNDRED: i32 = 100;

/// `requestMirror` of a filter.
pub(super) struct MirrorSpec<'a> {
    pub(super) backend: BackendRefSpec<'a>,
    pub(super) percent: Option<i32>,
    pub(super) fraction: Option<FractionSpec>,
}

/// `requestMirror.fraction` of a filter.
pub(super) struct FractionSpec {
    pub(super) numerator: i32,
    pub(super) denominator: Option<i32>,
}

/// Reads the same fields of several generated types.
macro_rules! specs_from {
    ($($type:ident { $backend:ident, $fraction:ident })*) => {$(
        impl<'a> From<&'a $type> for MirrorSpec<'a> {
            fn from(spec: &'a $type) -> Self {
                let $type { backend_ref, fraction, percent } = spec;
                let $backend { group, kind, name, namespace, port } = backend_ref;
                let fraction = fraction.as_ref();
                Self {
                    backend: BackendRefSpec {
                        group: group.as_deref(),
                        kind: kind.as_deref(),
                        name,
                        namespace: namespace.as_deref(),
                        port: *port,
                        weight: None,
                        filters: Vec::new(),
                    },
                    percent: *percent,
                    fraction: fraction.map(|&$fraction { numerator, denominator }| FractionSpec {
                        numerator,
                        denominator,
                    }),
                }
            }
        }
    )*};
}

specs_from! {
    RequestMirror { MirrorBackendRef, MirrorFraction }
    BackendRequestMirror { BackendMirrorBackendRef, BackendMirrorFraction }
    GrpcRequestMirror { GrpcMirrorBackendRef, GrpcMirrorFraction }
    GrpcBackendRequestMirror { GrpcBackendMirrorBackendRef, GrpcBackendMirrorFraction }
}

/// A mirror while its rule is compiled.
#[derive(Debug)]
pub(super) struct MirrorDraft {
    pub(super) share: MirrorShare,
    pub(super) backend: ObjectRef,
    pub(super) port: Option<Port>,
}

/// Compiles the mirrors among the filters of a rule or of a backend reference. One whose backend cannot be resolved is left
/// out, and the rule is served without it.
pub(super) fn compile(
    context: &RouteContext<'_>,
    route: &ObjectRef,
    filters: &[FilterSpec<'_>],
    field: &str,
    (wrong, unresolved): &mut (&mut RuleFaults, &mut UnresolvedRefs),
) -> Vec<MirrorDraft> {
    let mut drafts = Vec::new();
    for (index, filter) in filters.iter().enumerate() {
        let Ok((name, FilterMember::Mirror(spec))) = filter else {
            continue;
        };
        let field = format!("{field}.filters[{index}].{name}");
        let share = share(spec, &field, &mut wrong.unsupported);
        let at = format!("{field}.backendRef");
        match backend_ref::resolve_at(context, route, &spec.backend, &at) {
            Ok((backend, port)) => drafts.extend(share.map(|share| MirrorDraft {
                share,
                backend,
                port,
            })),
            Err(fault) => unresolved.push(fault),
        }
    }
    drafts
}

/// The share of the requests; `None` if it is none, or there is a fault.
fn share(spec: &MirrorSpec<'_>, field: &str, faults: &mut Vec<FieldFault>) -> Option<MirrorShare> {
    let mut fault = |name: &str, message: &str| {
        let field = match name {
            "" => field.to_owned(),
            name => format!("{field}.{name}"),
        };
        faults.push(FieldFault::new(field, message));
    };
    let (numerator, denominator) = match (spec.percent, &spec.fraction) {
        (Some(_), Some(_)) => {
            let message =
                "Only one of percent or fraction may be specified in HTTPRequestMirrorFilter";
            fault("", message);
            return None;
        }
        (None, None) => (HUNDRED, HUNDRED),
        (Some(percent @ 0..=HUNDRED), None) => (percent, HUNDRED),
        (Some(_), None) => {
            fault("percent", "0 to 100 is allowed");
            return None;
        }
        (None, Some(fraction)) => {
            let denominator = fraction.denominator.unwrap_or(HUNDRED);
            if denominator < 1 {
                fault("fraction.denominator", "1 or more is allowed");
                return None;
            }
            if !(0..=denominator).contains(&fraction.numerator) {
                fault(
                    "fraction",
                    "numerator must be less than or equal to denominator",
                );
                return None;
            }
            (fraction.numerator, denominator)
        }
    };
    MirrorShare::new(numerator.unsigned_abs(), denominator.unsigned_abs())
}
