//! The objects of a fake API server, and the events by which they came about.

use std::collections::BTreeMap;

use egret_config::resources::Kind;
use http::StatusCode;
use serde_json::{Value, json};

use super::Words;
use super::query::Query;

/// Where an object is: its group, plural, namespace and name.
pub(super) type Key = (String, String, String, String);

#[derive(Clone, Debug)]
pub(super) struct ServerState {
    /// The number of the last change.
    pub(super) revision: u64,
    /// Events before this one are forgotten.
    pub(super) oldest: u64,
    pub(super) objects: BTreeMap<Key, Value>,
    pub(super) events: Vec<ServerEvent>,
    pub(super) absent: Words,
    pub(super) forbidden: Words,
    /// The answer to these writes.
    pub(super) refused: (StatusCode, Words),
    pub(super) requests: Vec<String>,
    /// `METHOD path` of every request that is not a GET.
    pub(super) writes: Vec<String>,
    pub(super) created: u64,
}

#[derive(Clone, Debug)]
pub(super) struct ServerEvent {
    pub(super) revision: u64,
    pub(super) kind: &'static str,
    pub(super) key: Key,
    pub(super) object: Value,
}

impl ServerState {
    pub(super) fn new(revision: u64) -> Self {
        Self {
            revision,
            oldest: 0,
            objects: BTreeMap::new(),
            events: Vec::new(),
            absent: Words::new(),
            forbidden: Words::new(),
            refused: (StatusCode::OK, Words::new()),
            requests: Vec::new(),
            writes: Vec::new(),
            created: 0,
        }
    }

    pub(super) fn put(&mut self, mut object: Value) {
        let api_version = object["apiVersion"].as_str().expect("an apiVersion");
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let kind = object["kind"].as_str().expect("a kind");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = text(&object["metadata"]["name"]);
        assert!(!name.is_empty(), "an object needs a name: {object}");
        let namespace = text(&object["metadata"]["namespace"]);
        let key = (group.to_owned(), plural(group, kind), namespace, name);
        self.revision += 1;
        let before = self.objects.get(&key);
        let known = |field: &str| before.map(|before| before["metadata"][field].clone());
        let uid = known("uid").unwrap_or_else(|| format!("uid-{}", self.created).into());
        // Ages are in the order of creation.
        let created = self.created;
        let time = known("creationTimestamp").unwrap_or_else(|| {
            let (minute, second) = (created / 60 % 60, created % 60);
            format!(
                "2026-01-01T{:02}:{minute:02}:{second:02}Z",
                created / 3600 % 24
            )
            .into()
        });
        let generation = match before {
            None => 1,
            Some(before) => {
                let generation = before["metadata"]["generation"].as_u64().unwrap_or(1);
                generation + u64::from(before["spec"] != object["spec"])
            }
        };
        let event = match before {
            None => {
                self.created += 1;
                "ADDED"
            }
            Some(_) => "MODIFIED",
        };
        let metadata = &mut object["metadata"];
        metadata["uid"] = uid;
        metadata["creationTimestamp"] = time;
        metadata["generation"] = generation.into();
        metadata["resourceVersion"] = self.revision.to_string().into();
        self.tell(event, key.clone(), object.clone());
        self.objects.insert(key, object);
    }

    pub(super) fn delete(&mut self, kind: &str, namespace: &str, name: &str) {
        let found = self
            .objects
            .iter()
            .find(|((_, _, in_namespace, named), object)| {
                object["kind"] == *kind && in_namespace == namespace && named == name
            });
        let Some(key) = found.map(|(key, _)| key.clone()) else {
            return;
        };
        self.remove(&key);
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.revision += 1;
        if let Some(mut object) = self.objects.remove(key) {
            object["metadata"]["resourceVersion"] = self.revision.to_string().into();
            self.tell("DELETED", key.clone(), object);
        }
    }

    /// The objects that a request asks for, from its token on, with the token for the rest.
    pub(super) fn list(&self, query: &Query) -> Value {
        let all = self
            .objects
            .iter()
            .filter(|(key, object)| query.wants(key, object));
        let all: Vec<&Value> = all.map(|(_, object)| object).collect();
        let from = query.from.min(all.len());
        let page = query.limit.unwrap_or(all.len());
        let to = from.saturating_add(page).min(all.len());
        let items: Vec<Value> = all[from..to]
            .iter()
            .map(|object| query.shown(object))
            .collect();
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if to < all.len() {
            metadata["continue"] = to.to_string().into();
        }
        json!({
            "kind": "List",
            "apiVersion": query.api_version(),
            "metadata": metadata,
            "items": items,
        })
    }

    /// The events after a version, for a watch.
    pub(super) fn events_after(&self, revision: u64, query: &Query) -> Vec<Value> {
        let events = self.events.iter();
        let events = events.filter(|event| event.revision > revision);
        let events = events.filter(|event| query.wants(&event.key, &event.object));
        events
            .map(
                |event| json!({"type": event.kind, "object": query.shown_with_type(&event.object)}),
            )
            .collect()
    }

    fn tell(&mut self, kind: &'static str, key: Key, object: Value) {
        let revision = self.revision;
        self.events.push(ServerEvent {
            revision,
            kind,
            key,
            object,
        });
    }
}

fn plural(group: &str, kind: &str) -> String {
    let known = Kind::find(group, kind);
    known.map_or_else(|| format!("{}s", kind.to_ascii_lowercase()), Kind::plural)
}
