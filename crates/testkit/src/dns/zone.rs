//! What is answered to whom: scripts and manners by name and type.

use std::collections::HashMap;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::answer::Answer;
use super::script::{Manner, Script};

/// A name, and one record type or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    name: String,
    record_type: Option<RecordType>,
}

#[derive(Debug)]
pub(super) struct Zone {
    scripts: HashMap<String, HashMap<Option<RecordType>, Script>>,
    manners: HashMap<(String, Option<RecordType>), Manner>,
    pub(super) soa_minimum: Option<u32>,
}

impl Asked {
    pub(super) fn covers(&self, name: &str, record_type: RecordType) -> bool {
        self.name == name && self.record_type.is_none_or(|of| of == record_type)
    }
}

impl From<&str> for Asked {
    fn from(name: &str) -> Self {
        Self {
            name: canonical(name),
            record_type: None,
        }
    }
}

impl From<(&str, RecordType)> for Asked {
    fn from((name, record_type): (&str, RecordType)) -> Self {
        Self {
            name: canonical(name),
            record_type: Some(record_type),
        }
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self {
            scripts: HashMap::new(),
            manners: HashMap::new(),
            soa_minimum: Some(60),
        }
    }
}

impl Zone {
    pub(super) fn script(&mut self, asked: Asked, answers: Vec<Answer>) {
        let scripts = self.scripts.entry(asked.name).or_default();
        match asked.record_type {
            None => scripts.clear(),
            Some(_) => drop(scripts.remove(&None)),
        }
        scripts.insert(asked.record_type, Script::new(answers));
    }

    pub(super) fn manner(&mut self, asked: Asked) -> &mut Manner {
        self.manners
            .entry((asked.name, asked.record_type))
            .or_default()
    }

    /// The answer to the next query for `name`.
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

    /// What was said of the name and of its type, together.
    pub(super) fn manner_of(&self, name: &str, record_type: RecordType) -> Manner {
        let said = |of| self.manners.get(&(name.to_owned(), of)).cloned();
        let all = said(None).unwrap_or_default();
        let one = said(Some(record_type)).unwrap_or_default();
        Manner {
            delay: all.delay.max(one.delay),
            hold: one.hold.or(all.hold),
            truncate: all.truncate || one.truncate,
        }
    }
}

/// The form names are compared and recorded in.
pub(super) fn canonical(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.to_ascii_lowercase()
}
