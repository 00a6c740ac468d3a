//! Header modifiers: eight generated types of the Gateway API in one form.

use egret_api::gateway::{
    BackendRequestHeaderModifier, BackendResponseHeaderModifier, GrpcBackendRequestHeaderModifier,
    GrpcBackendResponseHeaderModifier, GrpcRequestHeaderModifier, GrpcResponseHeaderModifier,
    RequestHeaderModifier, ResponseHeaderModifier,
};
use http::{HeaderName, HeaderValue};

use super::status::RuleFaults;
use crate::compile::header::{
    HeaderNameError, HeaderPairs, MessageKind, header_name, header_value,
};
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

/// Compiles a header modifier. A change of a header that decides where the message goes or ends is left out with a
/// warning, as other implementations do.
pub(super) fn header_edit(
    edits: &HeaderModifierSpec<'_>,
    field: &str,
    wrong: &mut RuleFaults,
) -> HeaderEdit {
    let mut pairs = |list: &str, pairs: &[(&str, &str)]| {
        let mut parsed = HeaderPairs::default();
        for (index, pair) in pairs.iter().enumerate() {
            let field = format!("{field}.{list}[{index}]");
            if let Some((name, value)) = edits.pair(*pair, &field, wrong) {
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
        let name = name_of(name, &format!("{field}.remove[{index}]"), wrong);
        edit.remove.extend(name);
    }
    edit
}

impl HeaderModifierSpec<'_> {
    /// A header to set or add; `None` if its name or value has a fault.
    fn pair(
        &self,
        (name, value): (&str, &str),
        field: &str,
        wrong: &mut RuleFaults,
    ) -> Option<(HeaderName, HeaderValue)> {
        let field_of_name = format!("{field}.name");
        let mut name = name_of(name, &field_of_name, wrong);
        let faults = &mut wrong.unsupported;
        if let Some(Err(message)) = name.as_ref().map(|name| self.kind.check_settable(name)) {
            faults.push(FieldFault::new(field_of_name, message));
            name = None;
        }
        let value = header_value(value.as_bytes())
            .map_err(|message| faults.push(FieldFault::new(format!("{field}.value"), message)))
            .ok();
        name.zip(value)
    }
}

/// The name of a header that is changed; `None` if it has a fault, or the header is left alone.
fn name_of(text: &str, field: &str, wrong: &mut RuleFaults) -> Option<HeaderName> {
    match header_name(text) {
        Ok(name) => Some(name),
        Err(HeaderNameError::Protected) => {
            let message = "left alone: this header decides where the message goes or ends, and is not changed";
            wrong.warnings.push(FieldFault::new(field, message));
            None
        }
        Err(error @ HeaderNameError::Invalid) => {
            let fault = FieldFault::new(field, error.message());
            wrong.unsupported.push(fault);
            None
        }
    }
}
