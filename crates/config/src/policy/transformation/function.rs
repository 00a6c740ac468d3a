//! The functions of templates, which are kgateway's.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::context::TemplateContext;

/// The functions that read the body.
pub(crate) const BODY_FUNCTIONS: [&str; 2] = ["body", "context"];

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_function("header", |state: &State<'_, '_>, name: &str| {
        of(state, |context| context.header(name))
    });
    environment.add_function("request_header", |state: &State<'_, '_>, name: &str| {
        of(state, |context| context.request_header(name))
    });
    environment.add_function("get_cookie", |state: &State<'_, '_>, name: &str| {
        of(state, |context| context.cookie(|other| other == name))
    });
    environment.add_function("get_cookie_i", |state: &State<'_, '_>, name: &str| {
        let is_it = |other: &str| other.eq_ignore_ascii_case(name);
        of(state, |context| context.cookie(is_it))
    });
    environment.add_function("body", |state: &State<'_, '_>| {
        of(state, TemplateContext::text)
    });
    environment.add_function("context", |state: &State<'_, '_>| {
        of(state, TemplateContext::json)
    });
    environment.add_function("env", |state: &State<'_, '_>, name: &str| {
        of(state, |context| context.variable(name))
    });
    environment.add_function("base64_encode", |text: &str| STANDARD.encode(text));
    environment.add_function("base64url_encode", |text: &str| URL_SAFE.encode(text));
    environment.add_function("base64_decode", |text: &str| decode(&STANDARD, text));
    environment.add_function("base64url_decode", |text: &str| decode(&URL_SAFE, text));
    environment.add_function("raw_string", raw_string);
    environment.add_function("substring", substring);
    environment.add_function("replace_with_string", replace);
    environment.add_function("replace_with_random", replace_with_random);
}

fn of<T: Default>(state: &State<'_, '_>, read: impl FnOnce(&TemplateContext) -> T) -> T {
    TemplateContext::of(state).map_or_else(T::default, |context| read(&context))
}

/// The text that was encoded; empty if there is none.
fn decode(engine: &GeneralPurpose, text: &str) -> String {
    let bytes = engine.decode(text).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_default()
}

/// The text as it is written between the quotes of JSON.
fn raw_string(text: &str) -> String {
    let quoted = Value::from(text);
    let json = serde_json::to_string(&quoted).unwrap_or_default();
    let inner = json
        .strip_prefix('"')
        .and_then(|json| json.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}

/// The characters from `start`; so many, or all if there are not as many.
fn substring(text: &str, start: i64, length: Option<i64>) -> String {
    let count = text.chars().count();
    let Some(start) = usize::try_from(start).ok().filter(|start| *start < count) else {
        return String::new();
    };
    let rest = count - start;
    let length = length.and_then(|length| usize::try_from(length).ok());
    let length = length.filter(|length| (1..=rest).contains(length));
    text.chars()
        .skip(start)
        .take(length.unwrap_or(rest))
        .collect()
}

/// Replaces every occurrence.
fn replace(state: &State<'_, '_>, text: &str, old: &str, new: &str) -> Result<String, Error> {
    if old.is_empty() {
        return Ok(text.to_owned());
    }
    let added = text.matches(old).count().saturating_mul(new.len());
    // Before it is allocated: 64 bytes are one step.
    let cost = u64::try_from(added.saturating_add(text.len()) / 64).unwrap_or(u64::MAX);
    state.consume_fuel(cost)?;
    Ok(text.replace(old, new))
}

/// Replaces every occurrence by the same 22 random characters.
fn replace_with_random(state: &State<'_, '_>, text: &str, old: &str) -> Result<String, Error> {
    let mut random = [0; 16];
    rand::fill(&mut random)
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, "no random numbers"))?;
    replace(state, text, old, &STANDARD_NO_PAD.encode(random))
}
