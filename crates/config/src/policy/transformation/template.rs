//! Templates of MiniJinja: compiled when they are loaded, and rendered within limits.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use minijinja::{Environment, Error, ErrorKind, Value};
use serde::{Serialize, Serializer};

use super::{function, print};

/// What one rendering may use: so many steps, or 64 times as many bytes.
const FUEL: u64 = 500_000;

/// The environment of all templates: the language without templates.
static LANGUAGE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_debug(false);
    // It would print every header.
    environment.remove_global("debug");
    environment.set_formatter(print::value);
    function::add(&mut environment);
    environment
});

/// The names that templates know without a body.
static GLOBALS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    LANGUAGE
        .globals()
        .map(|(name, _)| name.to_owned())
        .collect()
});

/// The compiled templates of one kind of message. They are compared by what they were compiled from, with each [`Template`].
#[derive(Clone)]
pub(crate) struct TemplateEnvironment(Environment<'static>);

/// One template of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// Its name in the environment.
    key: Box<str>,
    source: Box<str>,
    /// A variable that only a JSON body can have.
    variable: Option<Box<str>>,
}

/// Why a template cannot be compiled or rendered. What it was rendered for is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TemplateFault {
    message: String,
}

/// Whether a name is known without a body.
pub(super) fn is_global(name: &str) -> bool {
    GLOBALS.contains(name)
}

impl TemplateEnvironment {
    /// Compiles a template.
    ///
    /// # Errors
    /// If it is not a template, or calls what does not exist.
    pub(crate) fn compile(&mut self, source: &str) -> Result<Template, TemplateFault> {
        let Self(environment) = self;
        let key = environment.templates().count().to_string();
        environment
            .add_template_owned(key.clone(), source.to_owned())
            .map_err(|error| TemplateFault::at(&error, source))?;
        let compiled = environment
            .get_template(&key)
            .map_err(|error| TemplateFault::at(&error, source))?;
        let variables = compiled.undeclared_variables(false);
        let variable = variables.into_iter().filter(|name| !is_global(name)).min();
        // Without variables what it calls is known to be missing or wrong.
        if let Err(error) = compiled.render(super::context::nothing())
            && is_wrong_in_itself(&error)
            && (variable.is_none() || error.kind() != ErrorKind::UnknownFunction)
        {
            return Err(TemplateFault::at(&error, source));
        }
        Ok(Template {
            key: key.into(),
            source: source.into(),
            variable: variable.map(Into::into),
        })
    }

    /// Renders a template.
    pub(super) fn render(
        &self,
        template: &Template,
        context: &Value,
    ) -> Result<String, TemplateFault> {
        let Self(environment) = self;
        let compiled = environment.get_template(&template.key);
        let rendered = compiled.and_then(|compiled| compiled.render(context.clone()));
        rendered.map_err(|error| TemplateFault::without_values(&error))
    }
}

/// Whether a template fails with this error whatever it is rendered for.
fn is_wrong_in_itself(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
            | ErrorKind::MissingArgument
            | ErrorKind::TooManyArguments
    )
}

impl Template {
    /// A variable that it reads and that only a JSON body can have.
    pub(super) fn variable(&self) -> Option<&str> {
        self.variable.as_deref()
    }

    /// Whether it calls the function of this name.
    pub(crate) fn calls(&self, function: &str) -> bool {
        let mut rest = &*self.source;
        while let Some((_, after)) = rest.split_once(function) {
            if after.trim_start().starts_with('(') {
                return true;
            }
            rest = after;
        }
        false
    }
}

impl TemplateFault {
    /// An error of the template itself, with its position.
    fn at(error: &Error, source: &str) -> Self {
        let what = error.detail().map_or_else(
            || error.kind().to_string(),
            |detail| format!("{}: {detail}", error.kind()),
        );
        let at = error.range().map(|range| range.start);
        let before = at.and_then(|at| source.get(..at));
        let place = before.map(|before| {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default();
            format!("line {line}, column {}: ", column.chars().count() + 1)
        });
        let line = || error.line().map(|line| format!("line {line}: "));
        let place = place.or_else(line).unwrap_or_default();
        Self {
            message: format!("{place}{what}"),
        }
    }

    /// An error of a rendering: its details could have values in them.
    fn without_values(error: &Error) -> Self {
        let line = error.line().unwrap_or(1);
        Self {
            message: format!("line {line}: {}", error.kind()),
        }
    }
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Default for TemplateEnvironment {
    fn default() -> Self {
        Self(LANGUAGE.clone())
    }
}

impl fmt::Debug for TemplateEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplateEnvironment")
            .finish_non_exhaustive()
    }
}

impl PartialEq for TemplateEnvironment {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for TemplateEnvironment {}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}
