//! Header modifiers: the Gateway API has one shape under eight names.

use http::{HeaderName, HeaderValue};

use crate::api::gateway::{
    BackendRequestHeaderModifier, BackendResponseHeaderModifier, GrpcBackendRequestHeaderModifier,
    GrpcBackendResponseHeaderModifier, GrpcRequestHeaderModifier, GrpcResponseHeaderModifier,
    RequestHeaderModifier, ResponseHeaderModifier,
};
use crate::compile::log::Fault;
use crate::policy::headers::HeaderEdit;

/// Fields that say where a message goes or where it ends; whoever changes them changes what was checked.
const PROTECTED: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Set on a request it would never be sent: it is for this proxy, and ends here (RFC 9110 11.7.2). Removing it is true.
const NEVER_SENT: &str = "proxy-authorization";

/// A modifier, under whichever name.
pub(super) struct Edits<'a> {
    of_request: bool,
    set: Vec<(&'a str, &'a str)>,
    add: Vec<(&'a str, &'a str)>,
    remove: Vec<&'a str>,
}

macro_rules! edits_from {
    ($($type:ident: $of_request:literal),*) => {$(
        impl<'a> From<&'a $type> for Edits<'a> {
            fn from($type { add, remove, set }: &'a $type) -> Self {
                Self {
                    of_request: $of_request,
                    set: set.iter().flatten().map(|h| (h.name.as_str(), h.value.as_str())).collect(),
                    add: add.iter().flatten().map(|h| (h.name.as_str(), h.value.as_str())).collect(),
                    remove: remove.iter().flatten().map(String::as_str).collect(),
                }
            }
        }
    )*};
}

edits_from!(
    RequestHeaderModifier: true,
    ResponseHeaderModifier: false,
    BackendRequestHeaderModifier: true,
    BackendResponseHeaderModifier: false,
    GrpcRequestHeaderModifier: true,
    GrpcResponseHeaderModifier: false,
    GrpcBackendRequestHeaderModifier: true,
    GrpcBackendResponseHeaderModifier: false
);

pub(super) fn header_edit(edits: &Edits<'_>, field: &str, faults: &mut Vec<Fault>) -> HeaderEdit {
    let mut edit = HeaderEdit::default();
    for (list, pairs, parsed) in [
        ("set", &edits.set, &mut edit.set),
        ("add", &edits.add, &mut edit.add),
    ] {
        for (index, pair) in pairs.iter().enumerate() {
            let field = format!("{field}.{list}[{index}]");
            let Some((name, value)) = edits.pair(*pair, &field, faults) else {
                continue;
            };
            // Of several entries of one name, the first counts (Gateway API, HTTPHeader).
            if !parsed.iter().any(|(other, _)| *other == name) {
                parsed.push((name, value));
            }
        }
    }
    for (index, name) in edits.remove.iter().enumerate() {
        match header_name(name) {
            Ok(name) => edit.remove.push(name),
            Err(message) => faults.push(Fault::new(format!("{field}.remove[{index}]"), message)),
        }
    }
    edit
}

impl Edits<'_> {
    /// A field to set or add; `None` if something is wrong with its name or value.
    fn pair(
        &self,
        (name, value): (&str, &str),
        field: &str,
        faults: &mut Vec<Fault>,
    ) -> Option<(HeaderName, HeaderValue)> {
        let name = match header_name(name) {
            Ok(name) if self.of_request && name.as_str() == NEVER_SENT => {
                Err("this header is for the proxy itself and is never sent on")
            }
            name => name,
        };
        let name = name
            .map_err(|message| faults.push(Fault::new(format!("{field}.name"), message)))
            .ok();
        let value = HeaderValue::from_str(value).map_err(|_| {
            faults.push(Fault::new(
                format!("{field}.value"),
                "not a value of a header",
            ));
        });
        name.zip(value.ok())
    }
}

/// A name of a field that may be changed.
pub(in crate::compile) fn header_name(text: &str) -> Result<HeaderName, &'static str> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| "not a name of a header")?;
    if PROTECTED.contains(&name.as_str()) {
        return Err("this header cannot be modified: it decides where the message goes or ends");
    }
    Ok(name)
}
