//! Header modifiers: eight generated types of the Gateway API in one form.

use http::{HeaderName, HeaderValue};

use crate::api::gateway::{
    BackendRequestHeaderModifier, BackendResponseHeaderModifier, GrpcBackendRequestHeaderModifier,
    GrpcBackendResponseHeaderModifier, GrpcRequestHeaderModifier, GrpcResponseHeaderModifier,
    RequestHeaderModifier, ResponseHeaderModifier,
};
use crate::compile::header::{HeaderPairs, MessageKind, header_name, header_value};
use crate::compile::log::FieldFault;
use crate::policy::headers::HeaderEdit;

/// A header modifier of any of the generated types.
pub(super) struct HeaderModifierSpec<'a> {
    kind: MessageKind,
    set: Vec<(&'a str, &'a str)>,
    add: Vec<(&'a str, &'a str)>,
    remove: Vec<&'a str>,
}

macro_rules! edits_from {
    ($($type:ident: $kind:ident),*) => {$(
        impl<'a> From<&'a $type> for HeaderModifierSpec<'a> {
            fn from($type { add, remove, set }: &'a $type) -> Self {
                Self {
                    kind: MessageKind::$kind,
                    set: set.iter().flatten().map(|h| (h.name.as_str(), h.value.as_str())).collect(),
                    add: add.iter().flatten().map(|h| (h.name.as_str(), h.value.as_str())).collect(),
                    remove: remove.iter().flatten().map(String::as_str).collect(),
                }
            }
        }
    )*};
}

edits_from!(
    RequestHeaderModifier: Request,
    ResponseHeaderModifier: Response,
    BackendRequestHeaderModifier: Request,
    BackendResponseHeaderModifier: Response,
    GrpcRequestHeaderModifier: Request,
    GrpcResponseHeaderModifier: Response,
    GrpcBackendRequestHeaderModifier: Request,
    GrpcBackendResponseHeaderModifier: Response
);

pub(super) fn header_edit(
    edits: &HeaderModifierSpec<'_>,
    field: &str,
    faults: &mut Vec<FieldFault>,
) -> HeaderEdit {
    let mut pairs = |list: &str, pairs: &[(&str, &str)]| {
        let mut parsed = HeaderPairs::default();
        for (index, pair) in pairs.iter().enumerate() {
            let field = format!("{field}.{list}[{index}]");
            if let Some((name, value)) = edits.pair(*pair, &field, faults) {
                parsed.push(name, value);
            }
        }
        parsed.into_list()
    };
    let mut edit = HeaderEdit {
        set: pairs("set", &edits.set),
        add: pairs("add", &edits.add),
        remove: Vec::new(),
    };
    for (index, name) in edits.remove.iter().enumerate() {
        match header_name(name) {
            Ok(name) => edit.remove.push(name),
            Err(message) => {
                faults.push(FieldFault::new(format!("{field}.remove[{index}]"), message))
            }
        }
    }
    edit
}

impl HeaderModifierSpec<'_> {
    /// A header to set or add; `None` if its name or value has a fault.
    fn pair(
        &self,
        (name, value): (&str, &str),
        field: &str,
        faults: &mut Vec<FieldFault>,
    ) -> Option<(HeaderName, HeaderValue)> {
        let name = self
            .kind
            .settable_name(name)
            .map_err(|message| faults.push(FieldFault::new(format!("{field}.name"), message)))
            .ok();
        let value = header_value(value.as_bytes())
            .map_err(|message| faults.push(FieldFault::new(format!("{field}.value"), message)))
            .ok();
        name.zip(value)
    }
}
