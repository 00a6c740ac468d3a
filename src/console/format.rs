//! How lines on stderr are written: as text, or each as one JSON object.

use std::fmt::{self, Debug};

use clap::ValueEnum;
use egret_config::report::ReportProblem;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The format of lines on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text, for people
    #[default]
    Text,
    /// One JSON object for each line
    Json,
}

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Warning,
}

impl Severity {
    /// The word in front of a text.
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }

    fn level(self) -> Level {
        match self {
            Self::Error => Level::ERROR,
            Self::Warning => Level::WARN,
        }
    }
}

impl LogFormat {
    /// A line without further facts.
    pub(super) fn line(self, severity: Severity, text: &str) -> String {
        match self {
            Self::Text => text.to_owned(),
            Self::Json => json(severity.level(), text, Map::new()),
        }
    }

    /// A line with its severity in front.
    pub(super) fn judged(self, severity: Severity, text: &str) -> String {
        match self {
            Self::Text => format!("{}: {text}", severity.as_str()),
            Self::Json => self.line(severity, text),
        }
    }

    /// A mistake in the configuration, with its severity in front.
    pub(super) fn problem(self, severity: Severity, problem: &ReportProblem) -> String {
        match self {
            Self::Text => self.judged(severity, &problem.to_string()),
            Self::Json => {
                let ReportProblem {
                    file,
                    line,
                    object,
                    field,
                    message,
                } = problem;
                let mut facts = Map::new();
                if !file.is_empty() {
                    facts.insert("file".to_owned(), Value::from(&**file));
                }
                if *line > 0 {
                    facts.insert("line".to_owned(), Value::from(*line));
                }
                if let Some(object) = object {
                    facts.insert("object".to_owned(), Value::from(object.to_string()));
                }
                if !field.is_empty() {
                    facts.insert("field".to_owned(), Value::from(field.as_str()));
                }
                json(severity.level(), message, facts)
            }
        }
    }
}

/// The line of an event with these facts; `time`, `level` and `message` come first.
fn json(level: Level, message: &str, facts: Map<String, Value>) -> String {
    let mut time = String::new();
    // Writing to a text cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    let text = |text: &str| Value::from(text).to_string();
    let mut line = format!(
        "{{\"time\":{},\"level\":\"{level}\",\"message\":{}",
        text(&time),
        text(message)
    );
    for (name, value) in facts {
        line += &format!(",{}:{value}", text(&name));
    }
    line.push('}');
    line
}

/// Writes each event of `tracing` as one JSON object.
pub(crate) struct JsonEvents;

impl<S, N> FormatEvent<S, N> for JsonEvents
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = EventFields::default();
        event.record(&mut fields);
        let EventFields { message, facts } = fields;
        writeln!(
            writer,
            "{}",
            json(*event.metadata().level(), &message, facts)
        )
    }
}

#[derive(Default)]
struct EventFields {
    message: String,
    facts: Map<String, Value>,
}

impl EventFields {
    fn add(&mut self, field: &Field, value: Value) {
        self.facts.insert(field.name().to_owned(), value);
    }
}

impl Visit for EventFields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.add(field, format!("{value:?}").into());
        }
    }
}

#[cfg(test)]
mod tests {
    use egret_config::resources::{Kind, ObjectRef};

    use super::*;

    fn problem() -> ReportProblem {
        ReportProblem {
            file: "a.yaml".into(),
            line: 7,
            object: Some(ObjectRef::new(Kind::Backend, "ns", "b")),
            field: "spec".to_owned(),
            message: "has a \"fault\"".to_owned(),
        }
    }

    #[test]
    fn a_problem_is_a_line_of_text_or_an_object() {
        let text = LogFormat::Text.problem(Severity::Warning, &problem());
        assert_eq!(
            text,
            "warning: a.yaml:7: Backend ns/b: spec: has a \"fault\""
        );
        let line = LogFormat::Json.problem(Severity::Error, &problem());
        let mut json: Value = serde_json::from_str(&line).unwrap();
        assert!(json["time"].take().is_string());
        assert_eq!(
            json,
            serde_json::json!({
                "time": null, "level": "ERROR", "message": "has a \"fault\"", "file": "a.yaml", "line": 7,
                "object": "Backend ns/b", "field": "spec"
            })
        );
        let line = LogFormat::Json.line(Severity::Warning, "a\nb");
        let json: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&json["level"], &json["message"]),
            (&"WARN".into(), &"a\nb".into())
        );
        assert_eq!(LogFormat::Text.line(Severity::Error, "x"), "x");
    }

    #[test]
    fn an_event_is_an_object() {
        use std::io::Write;
        use std::sync::{Arc, Mutex};

        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);

        impl Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        let lines = Lines::default();
        let to = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(JsonEvents)
            .with_writer(move || to.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(generation = 3_u64, name = "n", debug = ?Some(1), "it is {}", "so");
        });
        let line = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let mut json: Value = serde_json::from_str(line.trim_end()).unwrap();
        assert!(line.ends_with("}\n") && json["time"].take().is_string());
        assert_eq!(
            json,
            serde_json::json!({
                "time": null, "level": "WARN", "message": "it is so", "generation": 3, "name": "n", "debug": "Some(1)"
            })
        );
    }
}
