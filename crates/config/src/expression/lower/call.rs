//! Calls of functions: which there are, and what each is called with.

use egret_api::suggest::nearest;
use regex::RegexBuilder;

use super::{Lowered, Lowering, Value, full_name, wrong_type};
use crate::expression::FaultAt;
use crate::expression::attribute::{is_namespace, named};
use crate::expression::evaluate::{Condition, Number, SplitText, Text, TextTest};
use crate::expression::syntax::{Call, Node, NodeKind};

/// The most bytes that a regular expression may take when it is compiled.
const MAX_REGEX: usize = 1 << 20;

/// The functions, as they are listed for who names another one.
const FUNCTIONS: [&str; 10] = [
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "split",
    "size",
    "has",
    "int",
    "exists",
    "all",
];

impl Lowering {
    pub(super) fn call(&mut self, node: &Node, call: &Call) -> Lowered<Value> {
        let Call {
            target,
            name,
            arguments,
        } = call;
        if let Some(namespaced) = target.as_deref().and_then(full_name)
            && !self.is_value(&namespaced)
        {
            return Err(unknown_function(node.at, &format!("{namespaced}.{name}")));
        }
        let test = |test| move |both| Value::Condition(Condition::Test(test, both));
        match (&**name, target.as_deref(), &**arguments) {
            ("startsWith", Some(text), [part]) => {
                self.texts(text, part).map(test(TextTest::StartsWith))
            }
            ("endsWith", Some(text), [part]) => {
                self.texts(text, part).map(test(TextTest::EndsWith))
            }
            ("contains", Some(text), [part]) => {
                self.texts(text, part).map(test(TextTest::Contains))
            }
            ("matches", Some(text), [pattern]) | ("matches", None, [text, pattern]) => {
                self.matches(text, pattern).map(Value::Condition)
            }
            ("split", Some(text), [separator]) => self.split(text, separator).map(Value::Pieces),
            ("size", Some(counted), []) | ("size", None, [counted]) => {
                self.size(counted).map(Value::Number)
            }
            ("has", None, [field]) => self.has(field).map(Value::Condition),
            ("int", None, [text]) => match self.value(text)? {
                Value::Text(text) => Ok(Value::Number(Number::Parsed(Box::new(text)))),
                Value::Number(number) => Ok(Value::Number(number)),
                Value::Claim(_) => self.number(text).map(Value::Number),
                other => Err(wrong_type(text, &other, "a text or a number")),
            },
            ("exists" | "all", Some(names), [variable, condition]) => self
                .of_names(name == "exists", names, variable, condition)
                .map(Value::Condition),
            (known, ..) if FUNCTIONS.contains(&known) => Err(FaultAt::new(node.at, usage(known))),
            _ => Err(unknown_function(node.at, name)),
        }
    }

    /// Whether a full name is, or may be meant to be, a value, so that what is called on it is a function of that.
    fn is_value(&self, name: &str) -> bool {
        let root = name.split('.').next().unwrap_or(name);
        self.variable.as_deref() == Some(name)
            || is_namespace(root)
            || named(name, self.moment).is_ok()
    }

    fn texts(&mut self, text: &Node, part: &Node) -> Lowered<Box<[Text; 2]>> {
        Ok(Box::new([self.text(text)?, self.text(part)?]))
    }

    fn matches(&mut self, text: &Node, pattern: &Node) -> Lowered<Condition> {
        let text = self.text(text)?;
        let NodeKind::Text(regex) = &pattern.kind else {
            let message = "the pattern of matches is a text that is written out";
            return Err(FaultAt::new(pattern.at, message));
        };
        let regex = RegexBuilder::new(regex).size_limit(MAX_REGEX).build();
        let regex = regex.map_err(|error| {
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default();
            let what = last.strip_prefix("error: ").unwrap_or(last);
            FaultAt::new(pattern.at, format!("not a regular expression: {what}"))
        })?;
        Ok(Condition::Matches(text, regex))
    }

    /// `text.split(separator)`
    fn split(&mut self, text: &Node, separator: &Node) -> Lowered<SplitText> {
        let text = self.text(text)?;
        match &separator.kind {
            NodeKind::Text(separator) if !separator.is_empty() => Ok(SplitText {
                text,
                separator: separator.as_str().into(),
            }),
            _ => {
                let message = "the separator of split is a text that is written out and not empty";
                Err(FaultAt::new(separator.at, message))
            }
        }
    }

    fn size(&mut self, counted: &Node) -> Lowered<Number> {
        match self.value(counted)? {
            Value::Text(text) => Ok(Number::LengthOf(Box::new(text))),
            Value::Names => Ok(Number::CountOfNames),
            Value::Pieces(whole) => Ok(Number::CountOfPieces(Box::new(whole))),
            other => Err(wrong_type(
                counted,
                &other,
                "a text, its pieces or source.certificate",
            )),
        }
    }

    /// `has(request.headers.name)`, `has(request.path)`
    fn has(&mut self, field: &Node) -> Lowered<Condition> {
        if !matches!(field.kind, NodeKind::Member(..)) {
            let message = "has() is asked about a field, as in has(request.headers.name): for names \
                           with other characters write 'x-name' in request.headers";
            return Err(FaultAt::new(field.at, message));
        }
        let inputs = self.inputs;
        let condition = match self.value(field)? {
            Value::Text(Text::Header(name)) => Condition::HasHeader(name),
            Value::Text(Text::Attribute(attribute)) => Condition::HasText(attribute),
            Value::Claim(path) => Condition::HasClaim(path),
            _ => Condition::Constant(true),
        };
        // What is asked for need not be there.
        self.inputs = inputs;
        Ok(condition)
    }

    /// `source.certificate.exists(name, condition)`, and `all`.
    fn of_names(
        &mut self,
        is_one: bool,
        names: &Node,
        variable: &Node,
        condition: &Node,
    ) -> Lowered<Condition> {
        let NodeKind::Name(name) = &variable.kind else {
            let message = "the first argument is a name for each item, as in exists(name, ...)";
            return Err(FaultAt::new(variable.at, message));
        };
        let Value::Names = self.value(names)? else {
            let message = "exists and all are for source.certificate alone";
            return Err(FaultAt::new(names.at, message));
        };
        if self.variable.is_some() {
            let message = "exists and all are not allowed inside one another";
            return Err(FaultAt::new(names.at, message));
        }
        if is_namespace(name) {
            let message = format!("{name} is the name of attributes: choose another");
            return Err(FaultAt::new(variable.at, message));
        }
        self.variable = Some(name.clone());
        let condition = self.condition(condition).map(Box::new);
        self.variable = None;
        condition.map(if is_one {
            Condition::OneName
        } else {
            Condition::EveryName
        })
    }
}

fn unknown_function(at: usize, name: &str) -> FaultAt {
    let message = match nearest(name, FUNCTIONS) {
        Some(known) => format!("there is no function {name}: write {known}"),
        None => format!(
            "there is no function {name}: there are {}",
            FUNCTIONS.join(", ")
        ),
    };
    FaultAt::new(at, message)
}

/// How a function is called.
fn usage(name: &str) -> String {
    let usage = match name {
        "has" => "has(request.headers.name)",
        "int" => "int(text)",
        "size" => "size(text)",
        "exists" => "source.certificate.exists(name, condition)",
        "all" => "source.certificate.all(name, condition)",
        other => return format!("{other} has one argument: write text.{other}('part')"),
    };
    format!("{name} is called with other arguments: write {usage}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_its_usage() {
        for function in FUNCTIONS {
            assert!(usage(function).contains(function), "{function}");
        }
    }
}
