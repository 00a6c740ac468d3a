//! The scripts and options of a DNS server, by name and type.

use std::collections::HashMap;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::answer::Answer;
use super::script::{AnswerOptions, AnswerScript};

/// Matches queries for a name, of one record type or of all types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMatch {
    name: String,
    record_type: Option<RecordType>,
}

#[derive(Debug)]
pub(super) struct ScriptedZone {
    scripts: HashMap<String, HashMap<Option<RecordType>, AnswerScript>>,
    options: HashMap<(String, Option<RecordType>), AnswerOptions>,
    pub(super) soa_minimum: Option<u32>,
}

impl QueryMatch {
    pub(super) fn covers(&self, name: &str, record_type: RecordType) -> bool {
        self.name == name && self.record_type.is_none_or(|of| of == record_type)
    }
}

impl From<&str> for QueryMatch {
    fn from(name: &str) -> Self {
        Self {
            name: canonical(name),
            record_type: None,
        }
    }
}

impl From<(&str, RecordType)> for QueryMatch {
    fn from((name, record_type): (&str, RecordType)) -> Self {
        Self {
            name: canonical(name),
            record_type: Some(record_type),
        }
    }
}

impl Default for ScriptedZone {
    fn default() -> Self {
        Self {
            scripts: HashMap::new(),
            options: HashMap::new(),
            soa_minimum: Some(60),
        }
    }
}

impl ScriptedZone {
    pub(super) fn script(&mut self, asked: QueryMatch, answers: Vec<Answer>) {
        let scripts = self.scripts.entry(asked.name).or_default();
        match asked.record_type {
            None => scripts.clear(),
            Some(_) => drop(scripts.remove(&None)),
        }
        scripts.insert(asked.record_type, AnswerScript::new(answers));
    }

    pub(super) fn options_mut(&mut self, asked: QueryMatch) -> &mut AnswerOptions {
        self.options
            .entry((asked.name, asked.record_type))
            .or_default()
    }

    /// The answer to the next query for `name`, which advances its script.
    pub(super) fn answer(&mut self, name: &str, record_type: RecordType) -> Answer {
        let Some(scripts) = self.scripts.get_mut(name) else {
            return Answer::Code(ResponseCode::NXDomain);
        };
        let key = Some(record_type).filter(|_| !scripts.contains_key(&None));
        scripts
            .get_mut(&key)
            .map_or(Answer::Code(ResponseCode::NoError), |script| {
                script.next(record_type)
            })
    }

    /// The options for a name and type: those for all types of the name combined with those for this type.
    pub(super) fn options_for(&self, name: &str, record_type: RecordType) -> AnswerOptions {
        let said = |of| self.options.get(&(name.to_owned(), of)).cloned();
        let all = said(None).unwrap_or_default();
        let one = said(Some(record_type)).unwrap_or_default();
        AnswerOptions {
            delay: all.delay.max(one.delay),
            hold: one.hold.or(all.hold),
            truncate: all.truncate || one.truncate,
        }
    }
}

/// The form in which names are compared and recorded.
pub(super) fn canonical(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.to_ascii_lowercase()
}
