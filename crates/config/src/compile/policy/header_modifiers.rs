//! `headerModifiers` of a TrafficPolicy to [`HeaderModifiers`]. Messages name the place of what is wrong, and never the
//! content of a Secret.

use http::{HeaderName, HeaderValue};

use super::reader::{PolicyReader, ReadPolicy, Reading};
use crate::api::kgateway::{HeaderModifier, HeaderSecret, HeaderSource, TrafficHeaderModifiers};
use crate::compile::header::{HeaderPairs, MessageKind, header_name, header_value};
use crate::compile::secret::entry;
use crate::compile::value::SpecFields;
use crate::policy::header_modifiers::HeaderModifiers;
use crate::policy::headers::HeaderEdit;

/// How many entries each list may have.
const MOST_HEADERS: usize = 16;
/// The longest name of a header.
const LONGEST_NAME: usize = 256;
/// The longest value that a policy gives by itself.
const LONGEST_VALUE: usize = 4096;
/// The longest name of an entry of a Secret.
const LONGEST_KEY: usize = 253;

impl ReadPolicy for HeaderModifiers {
    type Spec = TrafficHeaderModifiers;

    fn read(
        spec: &TrafficHeaderModifiers,
        fields: &mut SpecFields<'_>,
        reader: PolicyReader<'_>,
    ) -> Reading<Self> {
        let TrafficHeaderModifiers { request, response } = spec;
        if request.is_none() && response.is_none() {
            fields.fault_of_all("at least one of the fields in [request response] must be set");
        }
        let mut edit = |name, kind, spec: &Option<HeaderModifier>| {
            let mut fields = fields.nested(name);
            let edit = spec.as_ref();
            edit.map_or_else(HeaderEdit::default, |spec| {
                header_edit(spec, kind, &mut fields, reader)
            })
        };
        Reading::Set(Self {
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
        fields.fault_of_all("at least one of the fields in [set add remove] must be set");
    }
    let lengths = [
        ("set", set.as_ref().map(Vec::len)),
        ("add", add.as_ref().map(Vec::len)),
        ("remove", remove.as_ref().map(Vec::len)),
    ];
    for (name, length) in lengths {
        if length.is_some_and(|length| length > MOST_HEADERS) {
            fields.fault(name, format!("at most {MOST_HEADERS} are allowed"));
        }
    }
    let mut pairs = |name: &str, specs: &Option<Vec<HeaderSource>>| {
        let mut pairs = HeaderPairs::default();
        for (index, spec) in specs.iter().flatten().enumerate() {
            let mut fields = fields.nested(&format!("{name}[{index}]"));
            if let Some((name, value)) = pair(spec, kind, &mut fields, reader) {
                pairs.push(name, value);
            }
        }
        pairs.into_list()
    };
    let (set, add) = (pairs("set", set), pairs("add", add));
    let mut names = Vec::new();
    for (index, name) in remove.iter().flatten().enumerate() {
        match header_name(name) {
            Ok(name) => names.push(name),
            Err(message) => fields.fault(&format!("remove[{index}]"), message),
        }
    }
    HeaderEdit {
        set,
        add,
        remove: names,
    }
}

/// A header to set or add; `None` goes with a fault.
fn pair(
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
                fields.fault_of_all("name is required when using an inline value");
            }
            let value = inline_value(value);
            let value = value.map_err(|message| fields.fault("value", message));
            (name.as_ref()?, value.ok())
        }
        (None, Some(secret)) => {
            let Some((name, key)) = name_and_key(name.as_ref(), secret) else {
                fields.fault_of_all("name or secretRef.key is needed");
                return None;
            };
            let value = secret_value(secret, key, reader);
            let value = value.map_err(|message| fields.fault("secretRef", message));
            (name, value.ok())
        }
        _ => {
            fields.fault_of_all("exactly one of the fields in [value secretRef] must be set");
            return None;
        }
    };
    let name = match name.len() {
        1..=LONGEST_NAME => kind.settable_name(name).map_err(str::to_owned),
        _ => Err(format!("1 to {LONGEST_NAME} characters are allowed")),
    };
    let name = name.map_err(|message| fields.fault("name", message));
    name.ok().zip(value)
}

/// The name of the header and the entry of the Secret: each is the other's default.
fn name_and_key<'a>(
    name: Option<&'a String>,
    secret: &'a HeaderSecret,
) -> Option<(&'a String, &'a String)> {
    let key = secret.key.as_ref();
    Some((name.or(key)?, key.or(name)?))
}

/// A value that stands in the policy: visible characters, with single blanks between them.
fn inline_value(text: &str) -> Result<HeaderValue, String> {
    if !(1..=LONGEST_VALUE).contains(&text.len()) {
        return Err(format!("1 to {LONGEST_VALUE} characters are allowed"));
    }
    let mut words = text.split([' ', '\t']);
    let is_plain = words.all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic()));
    let value = header_value(text.as_bytes()).ok().filter(|_| is_plain);
    value.ok_or_else(|| "not a value of a header".to_owned())
}

/// A value from a Secret, marked so that nothing prints it.
fn secret_value(
    secret: &HeaderSecret,
    key: &str,
    reader: PolicyReader<'_>,
) -> Result<HeaderValue, String> {
    let HeaderSecret {
        name,
        namespace,
        key: _,
    } = secret;
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if !(1..=LONGEST_KEY).contains(&key.len()) || !key.bytes().all(is_key) {
        return Err(format!("{key} is not a key of a Secret"));
    }
    let (reference, secret) = reader.secret(name, namespace.as_deref())?;
    let bytes = entry(secret, key).ok_or_else(|| format!("{reference} has no {key}"))?;
    // The newline at the end of a file cannot be sent in a header, and is not meant.
    let bytes = bytes.trim_ascii();
    let value = header_value(bytes).ok().filter(|_| !bytes.is_empty());
    let mut value =
        value.ok_or_else(|| format!("{key} of {reference} is not a value of a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
