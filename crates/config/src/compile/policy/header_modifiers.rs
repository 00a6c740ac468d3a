//! Compiles `headerModifiers` of a TrafficPolicy to [`HeaderModifiers`]. Messages name the place of a fault, and never
//! the content of a Secret.

use egret_api::kgateway::{
    HeaderModifier, HeaderSecret, HeaderSource, TrafficHeaderModifiers, TrafficPolicySpec,
};
use http::{HeaderName, HeaderValue};

use super::edit_lists::EditLists;
use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::header::{MessageKind, header_value};
use crate::compile::review::ReferentFault;
use crate::compile::secret::entry;
use crate::compile::value::SpecFields;
use crate::policy::header_modifiers::HeaderModifiers;
use crate::policy::headers::HeaderEdit;

/// Maximum number of entries in each list.
pub(super) const MAX_HEADERS: usize = 16;
/// Maximum length of a header name.
const MAX_NAME_LENGTH: usize = 256;
/// Maximum length of an inline value.
const MAX_VALUE_LENGTH: usize = 4096;
/// Maximum length of the name of a Secret's entry.
const MAX_KEY_LENGTH: usize = 253;

impl ReadPolicy for HeaderModifiers {
    type Spec = TrafficHeaderModifiers;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficHeaderModifiers> {
        spec.header_modifiers.as_ref()
    }

    fn read(
        spec: &TrafficHeaderModifiers,
        fields: &mut SpecFields<'_>,
        reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficHeaderModifiers { request, response } = spec;
        if request.is_none() && response.is_none() {
            fields.struct_fault("at least one of the fields in [request response] must be set");
        }
        let mut edit = |name, kind, spec: &Option<HeaderModifier>| {
            let mut fields = fields.nested(name);
            let edit = spec.as_ref();
            edit.map_or_else(HeaderEdit::default, |spec| {
                header_edit(spec, kind, &mut fields, reader)
            })
        };
        FieldReading::Set(Self {
            request: edit("request", MessageKind::Request, request),
            response: edit("response", MessageKind::Response, response),
        })
    }
}

fn header_edit(
    spec: &HeaderModifier,
    kind: MessageKind,
    fields: &mut SpecFields<'_>,
    reader: PolicyReader<'_>,
) -> HeaderEdit {
    let HeaderModifier { set, add, remove } = spec;
    if set.is_none() && add.is_none() && remove.is_none() {
        fields.struct_fault("at least one of the fields in [set add remove] must be set");
    }
    let lengths = [
        ("set", set.as_ref().map(Vec::len)),
        ("add", add.as_ref().map(Vec::len)),
        ("remove", remove.as_ref().map(Vec::len)),
    ];
    for (name, length) in lengths {
        if length.is_some_and(|length| length > MAX_HEADERS) {
            fields.fault(name, format!("at most {MAX_HEADERS} are allowed"));
        }
    }
    let lists = EditLists { set, add, remove };
    lists.read(fields, |spec, fields| pair(spec, kind, fields, reader))
}

/// A header to set or add; `None` if there are faults.
pub(super) fn pair(
    spec: &HeaderSource,
    kind: MessageKind,
    fields: &mut SpecFields<'_>,
    reader: PolicyReader<'_>,
) -> Option<(HeaderName, HeaderValue)> {
    let HeaderSource {
        name,
        value,
        secret_ref,
    } = spec;
    let (name, value) = match (value, secret_ref) {
        (Some(value), None) => {
            if name.is_none() {
                fields.struct_fault("name is required when using an inline value");
            }
            let value = inline_value(value);
            let value = value.map_err(|message| fields.fault("value", message));
            (name.as_ref()?, value.ok())
        }
        (None, Some(secret)) => {
            let Some((name, key)) = name_and_key(name.as_ref(), secret) else {
                fields.struct_fault("name or secretRef.key is needed");
                return None;
            };
            let value = secret_value(secret, key, reader);
            let value = value.map_err(|fault| fields.referent_fault("secretRef", fault));
            (name, value.ok())
        }
        _ => {
            fields.struct_fault("exactly one of the fields in [value secretRef] must be set");
            return None;
        }
    };
    let name = match name.len() {
        1..=MAX_NAME_LENGTH => kind.settable_name(name).map_err(str::to_owned),
        _ => Err(format!("1 to {MAX_NAME_LENGTH} characters are allowed")),
    };
    let name = name.map_err(|message| fields.fault("name", message));
    name.ok().zip(value)
}

/// The name of the header and the entry of the Secret; each is the default of the other.
fn name_and_key<'a>(
    name: Option<&'a String>,
    secret: &'a HeaderSecret,
) -> Option<(&'a String, &'a String)> {
    let key = secret.key.as_ref();
    Some((name.or(key)?, key.or(name)?))
}

/// Parses an inline value: visible characters, with single blanks between them.
pub(super) fn inline_value(text: &str) -> Result<HeaderValue, String> {
    if !(1..=MAX_VALUE_LENGTH).contains(&text.len()) {
        return Err(format!("1 to {MAX_VALUE_LENGTH} characters are allowed"));
    }
    let mut words = text.split([' ', '\t']);
    let is_plain = words.all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic()));
    let value = header_value(text.as_bytes()).ok().filter(|_| is_plain);
    value.ok_or_else(|| "not a header value".to_owned())
}

/// Reads a value from a Secret, and marks it as sensitive, so that it is never printed.
fn secret_value(
    secret: &HeaderSecret,
    key: &str,
    reader: PolicyReader<'_>,
) -> Result<HeaderValue, ReferentFault> {
    let HeaderSecret {
        name,
        namespace,
        key: _,
    } = secret;
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !(1..=MAX_KEY_LENGTH).contains(&key.len()) || !key.bytes().all(is_key) {
        return Err(format!("{key} is not a key of a Secret").into());
    }
    let (reference, secret) = reader.secret(name, namespace.as_deref())?;
    let wrong = |message: String| ReferentFault::content(&reference, message);
    let bytes = entry(secret, key).ok_or_else(|| wrong(format!("{reference} has no {key}")))?;
    // The newline at the end of a file is not part of the value: a header cannot hold it.
    let bytes = bytes.trim_ascii();
    let value = header_value(bytes).ok().filter(|_| !bytes.is_empty());
    let mut value =
        value.ok_or_else(|| wrong(format!("{key} of {reference} is not a header value")))?;
    value.set_sensitive(true);
    Ok(value)
}
