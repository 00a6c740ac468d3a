//! Compiles `transformation` of a TrafficPolicy to [`Transformation`].

use std::sync::Arc;

use egret_api::kgateway::{
    BodyParsing, BodyTemplateSpec, HeaderTemplateSpec, MessageTransformation, TrafficPolicySpec,
    TrafficTransformation,
};

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::header::{MessageKind, header_name};
use crate::compile::value::SpecFields;
use crate::policy::traffic::TrafficSettings;
use crate::policy::transformation::{
    BODY_FUNCTIONS, BodyReading, FieldName, MessageTemplates, PseudoField, Template, Transformation,
};

/// Maximum number of entries in each list.
const MAX_HEADERS: usize = 16;

impl ReadPolicy for Transformation {
    type Spec = TrafficTransformation;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficTransformation> {
        spec.transformation.as_ref()
    }

    fn read(
        spec: &TrafficTransformation,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficTransformation { request, response } = spec;
        let mut read = |name, kind, spec: Option<&MessageTransformation>| {
            let message = MessageReader {
                kind,
                fields: fields.nested(name),
                templates: MessageTemplates::default(),
            };
            spec.map(|spec| Arc::new(message.read(spec)))
        };
        FieldReading::Set(Self {
            request: read("request", MessageKind::Request, request.as_ref()),
            response: read("response", MessageKind::Response, response.as_ref()),
        })
    }
}

/// Reads the templates of one kind of message.
struct MessageReader<'a> {
    kind: MessageKind,
    fields: SpecFields<'a>,
    templates: MessageTemplates,
}

/// What an entry of `set` sets.
enum SetName {
    Field(FieldName),
    Pseudo(PseudoField),
}

impl MessageReader<'_> {
    fn read(mut self, spec: &MessageTransformation) -> MessageTemplates {
        let MessageTransformation {
            set,
            add,
            remove,
            body,
            dynamic_metadata: _,
        } = spec;
        let lengths = [
            ("set", set.as_ref().map(Vec::len)),
            ("add", add.as_ref().map(Vec::len)),
            ("remove", remove.as_ref().map(Vec::len)),
        ];
        for (name, length) in lengths {
            if length.is_some_and(|length| length > MAX_HEADERS) {
                let message = format!("at most {MAX_HEADERS} are allowed");
                self.fields.fault(name, message);
            }
        }
        for (index, spec) in set.iter().flatten().enumerate() {
            self.set(&format!("set[{index}]"), spec);
        }
        for (index, spec) in add.iter().flatten().enumerate() {
            self.add(&format!("add[{index}]"), spec);
        }
        for (index, name) in remove.iter().flatten().enumerate() {
            match header_name(name) {
                Ok(name) => self.templates.remove.push(name),
                Err(error) => self
                    .fields
                    .fault(&format!("remove[{index}]"), error.message()),
            }
        }
        self.body(body.as_ref());
        self.templates
    }

    fn set(&mut self, at: &str, spec: &HeaderTemplateSpec) {
        let template = self.template(&format!("{at}.value"), spec.value.as_deref());
        match self.set_name(&spec.name) {
            Ok(SetName::Field(name)) => self.templates.set.push((name, template)),
            Ok(SetName::Pseudo(field)) => {
                let template = template.map(|template| (field, template));
                self.templates.pseudo.extend(template);
            }
            Err(message) => self.fields.fault(&format!("{at}.name"), message),
        }
    }

    fn add(&mut self, at: &str, spec: &HeaderTemplateSpec) {
        let template = self.template(&format!("{at}.value"), spec.value.as_deref());
        let name = match spec.name.strip_prefix(':') {
            Some(_) => Err("a pseudo header has one value: use set".to_owned()),
            None => self.field_name(&spec.name),
        };
        match name {
            Ok(name) => {
                let template = template.map(|template| (name, template));
                self.templates.add.extend(template);
            }
            Err(message) => self.fields.fault(&format!("{at}.name"), message),
        }
    }

    /// The name of what is set.
    fn set_name(&self, name: &str) -> Result<SetName, String> {
        let pseudo = match (self.kind, name) {
            (MessageKind::Request, ":method") => PseudoField::Method,
            (MessageKind::Request, ":path") => PseudoField::Path,
            (MessageKind::Response, ":status") => PseudoField::Status,
            (MessageKind::Request, ":authority") => {
                return Err(
                    "templates do not decide where a request goes: use urlRewrite.hostname of a filter"
                        .to_owned(),
                );
            }
            (MessageKind::Request, _) if name.starts_with(':') => {
                return Err(":method and :path of pseudo headers can be set".to_owned());
            }
            (MessageKind::Response, _) if name.starts_with(':') => {
                return Err(":status of pseudo headers can be set".to_owned());
            }
            _ => return self.field_name(name).map(SetName::Field),
        };
        Ok(SetName::Pseudo(pseudo))
    }

    fn field_name(&self, name: &str) -> Result<FieldName, String> {
        let name = self.kind.settable_name(name);
        name.map(FieldName).map_err(str::to_owned)
    }

    /// Compiles a template; `None` if it is empty or has a fault.
    fn template(&mut self, at: &str, source: Option<&str>) -> Option<Template> {
        let source = source.filter(|source| !source.is_empty())?;
        match self.templates.environment.compile(source) {
            Ok(template) => Some(template),
            Err(fault) => {
                self.fields.fault(at, fault.to_string());
                None
            }
        }
    }

    /// Reads the template of the body, and whether templates need the body.
    fn body(&mut self, spec: Option<&BodyTemplateSpec>) {
        let parsing = spec.and_then(|spec| spec.parse_as).unwrap_or_default();
        if parsing == BodyParsing::None {
            return;
        }
        let source = spec.and_then(|spec| spec.value.as_deref());
        self.templates.body = self.template("body.value", source);
        let MessageTemplates {
            set,
            add,
            pseudo,
            body,
            ..
        } = &self.templates;
        let set = set.iter().filter_map(|(_, template)| template.as_ref());
        let add = add.iter().map(|(_, template)| template);
        let pseudo = pseudo.iter().map(|(_, template)| template);
        let mut all = set.chain(add).chain(pseudo);
        let reads_body = all.any(|it| BODY_FUNCTIONS.iter().any(|function| it.calls(function)));
        self.templates.reading = match parsing {
            BodyParsing::AsJson => BodyReading::Json,
            _ if reads_body || body.is_some() => BodyReading::Text,
            _ => BodyReading::Unread,
        };
    }
}

/// Warnings about templates that fail for every message, each with its field.
pub(super) fn warnings(settings: &TrafficSettings) -> Vec<(String, String)> {
    let Some(transformation) = settings.transformation.value() else {
        return Vec::new();
    };
    let Transformation { request, response } = &**transformation;
    let messages = [("request", request), ("response", response)];
    let warned = messages.into_iter().filter_map(|(name, templates)| {
        let templates = templates.as_ref()?;
        let (template, variable) = templates.first_variable()?;
        (templates.reading() != BodyReading::Json).then(|| {
            let message = format!(
                "the template of {template} reads {variable}, which only a JSON body can have: every {name} is \
                 refused; set body.parseAs to AsJson, or write a text in quotes"
            );
            (format!("spec.transformation.{name}"), message)
        })
    });
    warned.collect()
}
