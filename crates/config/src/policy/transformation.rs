//! `transformation` of a TrafficPolicy: templates that make the headers and bodies of requests and responses.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::headers::as_names;

mod context;
mod function;
mod print;
mod template;

pub use context::{MessageInput, TemplateFields};
pub(crate) use function::BODY_FUNCTIONS;
pub(crate) use template::{Template, TemplateEnvironment};

use context::TemplateContext;

/// `transformation` of a TrafficPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Transformation {
    /// Of requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Arc<MessageTemplates>>,
    /// Of responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Arc<MessageTemplates>>,
}

/// How the body of a message is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum BodyReading {
    /// It is not read.
    #[default]
    Unread,
    /// As text.
    Text,
    /// As JSON.
    Json,
}

/// The templates of one kind of message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MessageTemplates {
    /// Fields that are replaced; those that become empty are removed. Without a template a field is removed.
    pub(crate) set: Vec<(FieldName, Option<Template>)>,
    /// Fields that are added, unless they become empty.
    pub(crate) add: Vec<(FieldName, Template)>,
    /// Fields that are removed after that.
    #[serde(serialize_with = "as_names")]
    pub(crate) remove: Vec<HeaderName>,
    /// The method and the path of a request, or the status of a response.
    pub(crate) pseudo: Vec<(PseudoField, Template)>,
    /// How the body is read.
    pub(crate) reading: BodyReading,
    /// The new body.
    pub(crate) body: Option<Template>,
    #[serde(skip)]
    pub(crate) environment: TemplateEnvironment,
}

/// The name of a field, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FieldName(#[serde(serialize_with = "as_name")] pub(crate) HeaderName);

/// A pseudo header that may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum PseudoField {
    /// `:method`
    Method,
    /// `:path`
    Path,
    /// `:status`
    Status,
}

/// What the templates make of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderedMessage {
    /// The changes to the fields.
    pub fields: FieldChanges,
    /// Pseudo headers that are set; none is empty.
    pub pseudo: Vec<(PseudoField, String)>,
    /// The new body.
    pub body: Option<String>,
}

/// Changes to the fields of a message. They are made in the order: set, add, remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldChanges {
    set: Vec<(HeaderName, Option<HeaderValue>)>,
    add: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

/// Why the templates make nothing of a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderFault {
    /// The body is to be read as JSON, and is none.
    #[error("the body is not JSON")]
    NotJson,
    /// A template reads a field of a JSON body, and there is none.
    #[error("{field} reads {variable}, and there is no JSON body")]
    NoJson {
        /// The template.
        field: String,
        /// What it reads.
        variable: String,
    },
    /// The template of the body fails.
    #[error("body: {0}")]
    Body(String),
}

impl MessageTemplates {
    /// How the body is read.
    #[must_use]
    pub const fn reading(&self) -> BodyReading {
        self.reading
    }

    /// Whether the body is made anew.
    #[must_use]
    pub const fn makes_body(&self) -> bool {
        self.body.is_some()
    }

    /// Whether the method or the path of a request is made anew.
    #[must_use]
    pub fn makes_target(&self) -> bool {
        !self.pseudo.is_empty()
    }

    /// Renders the templates for a message. A field whose template fails counts as empty.
    ///
    /// # Errors
    /// If the body is not what the templates need, and if the template of the body fails.
    pub fn render(&self, input: MessageInput<'_>) -> Result<RenderedMessage, RenderFault> {
        let context = TemplateContext::new(input, self.reading)?;
        if !context.has_json()
            && let Some((field, variable)) = self.first_variable()
        {
            return Err(RenderFault::NoJson { field, variable });
        }
        let context = context.into_value();
        let text = |template: &Template| self.environment.render(template, &context);
        let value = |template: &Template| {
            let text = text(template).ok()?;
            let text = text.trim_matches([' ', '\t']);
            HeaderValue::from_str(text)
                .ok()
                .filter(|value| !value.is_empty())
        };
        let body = self.body.as_ref().map(text).transpose();
        let set = self.set.iter();
        let set = set.map(|(name, template)| (name.0.clone(), template.as_ref().and_then(value)));
        let add = self.add.iter();
        let add = add.filter_map(|(name, template)| Some((name.0.clone(), value(template)?)));
        let pseudo = self.pseudo.iter().filter_map(|(field, template)| {
            let text = text(template).ok().filter(|text| !text.is_empty())?;
            Some((*field, text))
        });
        Ok(RenderedMessage {
            fields: FieldChanges {
                set: set.collect(),
                add: add.collect(),
                remove: self.remove.clone(),
            },
            pseudo: pseudo.collect(),
            body: body.map_err(|fault| RenderFault::Body(fault.to_string()))?,
        })
    }

    /// The first template that reads a field of a JSON body, and what it reads.
    #[must_use]
    pub fn first_variable(&self) -> Option<(String, String)> {
        self.templates().find_map(|(field, template)| {
            let variable = template.variable()?;
            Some((field, variable.to_owned()))
        })
    }

    /// All templates, each with its name in the resource.
    fn templates(&self) -> impl Iterator<Item = (String, &Template)> {
        let set = self.set.iter();
        let set = set.filter_map(|(name, it)| Some((format!("set of {}", name.0), it.as_ref()?)));
        let add = self.add.iter();
        let add = add.map(|(name, it)| (format!("add of {}", name.0), it));
        let pseudo = self.pseudo.iter();
        let pseudo = pseudo.map(|(field, it)| (format!("set of {}", field.as_str()), it));
        let body = self.body.iter().map(|it| ("body".to_owned(), it));
        set.chain(add).chain(pseudo).chain(body)
    }
}

impl PseudoField {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Method => ":method",
            Self::Path => ":path",
            Self::Status => ":status",
        }
    }
}

impl FieldChanges {
    /// Makes the changes.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.set {
            match value {
                Some(value) => drop(headers.insert(name, value.clone())),
                None => drop(headers.remove(name)),
            }
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
        for name in &self.remove {
            headers.remove(name);
        }
    }
}

fn as_name<S: serde::Serializer>(name: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

#[cfg(test)]
mod tests;
