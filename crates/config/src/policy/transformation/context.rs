//! What templates are rendered for.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use minijinja::Value;
use minijinja::value::Object;

use super::template::is_global;
use super::{BodyReading, RenderFault};

/// The variable by which functions find the context. No template can name it.
const CONTEXT: &str = "\u{0}context";

/// The fields of a message, with its pseudo headers.
#[derive(Clone, Default)]
pub struct TemplateFields {
    /// `:method`, `:path`, `:authority` and `:scheme`, or `:status`.
    pub pseudo: Vec<(&'static str, String)>,
    /// The other fields.
    pub headers: HeaderMap,
}

/// A message as templates see it.
pub struct MessageInput<'a> {
    /// The fields of the message.
    pub fields: Arc<TemplateFields>,
    /// The fields of the request, which are the same for a request.
    pub request: Arc<TemplateFields>,
    /// The body, if it was read.
    pub body: Option<&'a [u8]>,
    /// A variable of the environment of the process.
    pub variable: fn(&str) -> Option<String>,
}

/// The variables of a template.
pub(super) struct TemplateContext {
    fields: Arc<TemplateFields>,
    request: Arc<TemplateFields>,
    text: Value,
    json: Option<Value>,
    variable: fn(&str) -> Option<String>,
}

/// The context of a message without fields and body.
pub(super) fn nothing() -> Value {
    let context = TemplateContext {
        fields: Arc::default(),
        request: Arc::default(),
        text: Value::from(""),
        json: None,
        variable: |_| None,
    };
    context.into_value()
}

impl TemplateFields {
    /// The values of a field, joined by commas.
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        if name.starts_with(':') {
            let mut pseudo = self.pseudo.iter();
            let (_, value) = pseudo.find(|(other, _)| other.eq_ignore_ascii_case(name))?;
            return Some(Cow::Borrowed(value));
        }
        let mut values = self.headers.get_all(name).iter();
        let first = String::from_utf8_lossy(values.next()?.as_bytes());
        Some(values.fold(first, |all, value| {
            let value = String::from_utf8_lossy(value.as_bytes());
            Cow::Owned(format!("{all},{value}"))
        }))
    }

    /// The value of a cookie.
    fn cookie(&self, is_it: impl Fn(&str) -> bool) -> Option<String> {
        let fields = self.headers.get_all("cookie").iter();
        let mut cookies = fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(';'))
            .filter_map(|cookie| cookie.split_once('='));
        let (_, value) = cookies.find(|(name, _)| is_it(name.trim()))?;
        Some(value.trim().to_owned())
    }
}

impl TemplateContext {
    /// Reads the body.
    pub(super) fn new(
        MessageInput {
            fields,
            request,
            body,
            variable,
        }: MessageInput<'_>,
        reading: BodyReading,
    ) -> Result<Self, RenderFault> {
        let body = body.unwrap_or_default();
        let json = match reading {
            BodyReading::Json if !body.is_empty() => {
                let json = serde_json::from_slice(body);
                let json: Value = json.map_err(|_| RenderFault::NotJson)?;
                Some(json).filter(|json| !json.is_none())
            }
            _ => None,
        };
        Ok(Self {
            fields,
            request,
            text: Value::from(String::from_utf8_lossy(body)),
            json,
            variable,
        })
    }

    pub(super) const fn has_json(&self) -> bool {
        self.json.is_some()
    }

    pub(super) fn into_value(self) -> Value {
        Value::from_object(self)
    }

    /// The context that a template is rendered for.
    pub(super) fn of(state: &minijinja::State<'_, '_>) -> Option<Arc<Self>> {
        state.lookup(CONTEXT)?.downcast_object()
    }

    pub(super) fn header(&self, name: &str) -> String {
        let value = self.fields.get(name);
        value.unwrap_or_default().into_owned()
    }

    pub(super) fn request_header(&self, name: &str) -> String {
        let value = self.request.get(name);
        value.unwrap_or_default().into_owned()
    }

    pub(super) fn cookie(&self, is_it: impl Fn(&str) -> bool) -> String {
        self.request.cookie(is_it).unwrap_or_default()
    }

    pub(super) fn text(&self) -> Value {
        self.text.clone()
    }

    pub(super) fn json(&self) -> Value {
        self.json.clone().unwrap_or_default()
    }

    pub(super) fn variable(&self, name: &str) -> String {
        (self.variable)(name).unwrap_or_default()
    }
}

impl Object for TemplateContext {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        if name == CONTEXT {
            return Some(Value::from_dyn_object(Arc::clone(self)));
        }
        // Whoever sends the body cannot take a function away.
        let json = self.json.as_ref().filter(|_| !is_global(name))?;
        json.get_attr(name)
            .ok()
            .filter(|value| !value.is_undefined())
    }
}

/// The values of fields and bodies are not shown.
impl fmt::Debug for TemplateContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplateContext").finish_non_exhaustive()
    }
}

impl fmt::Debug for TemplateFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplateFields").finish_non_exhaustive()
    }
}
