//! An API server in memory, as far as statuses go: versions, conflicts, and server-side apply with its maps by key.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use egret_config::resources::ObjectRef;
use kube::Client;
use kube::core::DynamicObject;
use serde_json::{Map, Value, json};

use super::super::writer::LiveObjects;
use crate::test_client::{self, failure};

/// A change that another client makes right before a write arrives.
type Interference = Box<dyn FnOnce(&mut ServerState) + Send>;

#[derive(Clone, Default)]
pub(super) struct ApiServer(Arc<Mutex<ServerState>>);

#[derive(Default)]
pub(super) struct ServerState {
    /// The objects, by the path of their URL.
    objects: BTreeMap<String, Value>,
    /// What the writer has applied, by path.
    applied: BTreeMap<String, Value>,
    version: u64,
    /// The fields of a status that the schema does not have.
    pub(super) undeclared: Vec<&'static str>,
    /// Answers to the next writes.
    pub(super) answers: VecDeque<(u16, String)>,
    pub(super) interference: VecDeque<Interference>,
    /// `VERB name` of every request.
    requests: Vec<String>,
}

/// Objects as a reader has them.
#[derive(Default)]
pub(super) struct ReadObjects(pub(super) BTreeMap<ObjectRef, Arc<DynamicObject>>);

impl LiveObjects for ReadObjects {
    fn live(&self, object: &ObjectRef) -> Option<&Arc<DynamicObject>> {
        self.0.get(object)
    }

    fn all(&self) -> impl Iterator<Item = (&ObjectRef, &Arc<DynamicObject>)> {
        self.0.iter()
    }
}

fn path_of(object: &ObjectRef) -> String {
    let version = object.kind.versions()[0];
    let plural = object.kind.plural();
    let namespace = match &*object.namespace {
        "" => String::new(),
        name => format!("namespaces/{name}/"),
    };
    format!(
        "/apis/{}/{version}/{namespace}{plural}/{}",
        object.kind.group(),
        object.name
    )
}

impl ApiServer {
    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        test_client::client(move |request, body| {
            let query = request.uri.query().unwrap_or_default();
            let content = request.headers.get("content-type");
            let verb = match content.map(|it| it.to_str().unwrap()) {
                Some("application/apply-patch+yaml") => "APPLY",
                Some("application/merge-patch+json") => "MERGE",
                _ => request.method.as_str(),
            };
            server.answer(verb, request.uri.path(), query, body)
        })
    }

    pub(super) fn with<T>(&self, action: impl FnOnce(&mut ServerState) -> T) -> T {
        action(&mut self.0.lock().unwrap())
    }

    /// Creates or changes an object, as other clients do.
    pub(super) fn put(&self, object: &ObjectRef, change: impl FnOnce(&mut Value)) {
        self.with(|state| state.put(object, change));
    }

    pub(super) fn status(&self, object: &ObjectRef) -> Value {
        self.with(|state| state.objects[&path_of(object)]["status"].clone())
    }

    /// The objects as a reader has them that is up to date.
    pub(super) fn read(&self) -> ReadObjects {
        self.with(|state| {
            let objects = state.objects.values().map(|object| {
                let reference = reference_of(object);
                let object = serde_json::from_value(object.clone()).unwrap();
                (reference, Arc::new(object))
            });
            ReadObjects(objects.collect())
        })
    }

    /// The requests since the last call.
    pub(super) fn requests(&self) -> Vec<String> {
        self.with(|state| std::mem::take(&mut state.requests))
    }

    fn answer(&self, verb: &str, path: &str, query: &str, body: &Value) -> (u16, Value) {
        let mut state = self.0.lock().unwrap();
        let path = path
            .strip_suffix("/status")
            .expect("only statuses are written")
            .to_owned();
        let name = path.rsplit('/').next().unwrap().to_owned();
        state.requests.push(format!("{verb} {name}"));
        if verb == "GET" {
            return state.found(&path);
        }
        assert!(query.contains("fieldManager=egret"), "{query}");
        if let Some(interference) = state.interference.pop_front() {
            interference(&mut state);
        }
        if let Some((code, message)) = state.answers.pop_front() {
            return failure(code, &message);
        }
        state.write(&path, verb, body)
    }
}

impl ServerState {
    pub(super) fn put(&mut self, object: &ObjectRef, change: impl FnOnce(&mut Value)) {
        self.version += 1;
        let version = self.version;
        let at = self.objects.entry(path_of(object)).or_insert_with(|| {
            let group = object.kind.group();
            let mut metadata =
                json!({"name": object.name, "uid": format!("u{version}"), "generation": 1});
            if object.kind.is_namespaced() {
                metadata["namespace"] = (*object.namespace).into();
            }
            json!({
                "apiVersion": format!("{group}/{}", object.kind.versions()[0]),
                "kind": object.kind.as_str(),
                "metadata": metadata,
            })
        });
        change(at);
        at["metadata"]["resourceVersion"] = version.to_string().into();
    }

    pub(super) fn delete(&mut self, object: &ObjectRef) {
        self.objects.remove(&path_of(object));
        self.applied.remove(&path_of(object));
    }

    fn found(&self, path: &str) -> (u16, Value) {
        match self.objects.get(path) {
            Some(object) => (200, object.clone()),
            None => failure(404, "not found"),
        }
    }

    fn write(&mut self, path: &str, verb: &str, body: &Value) -> (u16, Value) {
        let Some(live) = self.objects.get(path) else {
            return failure(404, "not found");
        };
        let version = &body["metadata"]["resourceVersion"];
        assert!(version.is_string(), "a write without a version");
        if *version != live["metadata"]["resourceVersion"] {
            return failure(409, "the object has been modified");
        }
        let before = live["status"].clone();
        let mut status = body["status"].clone();
        assert!(matches!(verb, "APPLY" | "MERGE"), "{verb}");
        if verb == "APPLY" {
            let declared = |field: &&&str| status.get(**field).is_some();
            let unknown: Vec<String> = self
                .undeclared
                .iter()
                .filter(declared)
                .map(|field| format!(".status.{field}: field not declared in schema"))
                .collect();
            if !unknown.is_empty() {
                let unknown = unknown.join("\n  ");
                return failure(
                    500,
                    &format!("failed to create typed patch object (x): {unknown}"),
                );
            }
            if has_duplicates(&status) {
                return failure(
                    500,
                    "failed to create typed patch object (x): duplicate entries for key",
                );
            }
            let former = self.applied.get(path).cloned().unwrap_or(Value::Null);
            let applied = status;
            status = merged(&before, &former, &applied);
            if status["conditions"]
                .as_array()
                .is_some_and(|all| all.len() > 8)
            {
                return failure(
                    422,
                    "status.conditions: Too many: 9: must have at most 8 items",
                );
            }
            self.applied.insert(path.to_owned(), applied);
        }
        if status != before {
            self.version += 1;
            let version = self.version.to_string();
            let live = self.objects.get_mut(path).unwrap();
            live["status"] = status;
            live["metadata"]["resourceVersion"] = version.into();
        }
        self.found(path)
    }
}

fn reference_of(object: &Value) -> ObjectRef {
    let (group, _) = object["apiVersion"]
        .as_str()
        .unwrap()
        .split_once('/')
        .unwrap();
    let kind =
        egret_config::resources::Kind::find(group, object["kind"].as_str().unwrap()).unwrap();
    let meta = &object["metadata"];
    let namespace = meta["namespace"].as_str().unwrap_or_default();
    ObjectRef::new(kind, namespace, meta["name"].as_str().unwrap())
}

/// The key of a list that is a map.
fn key_of(field: &str) -> Option<&'static str> {
    match field {
        "conditions" => Some("type"),
        "listeners" | "supportedFeatures" => Some("name"),
        _ => None,
    }
}

fn has_duplicates(status: &Value) -> bool {
    let fields = status.as_object().into_iter().flatten();
    fields
        .filter_map(|(field, list)| Some((key_of(field)?, list.as_array()?)))
        .any(|(key, list)| {
            let mut keys: Vec<String> = list.iter().map(|item| item[key].to_string()).collect();
            keys.sort();
            let all = keys.len();
            keys.dedup();
            keys.len() < all || list.iter().any(has_duplicates)
        })
}

/// What server-side apply makes of a live value: the fields that were applied before and are not now go, the others stay.
pub(super) fn merged(live: &Value, former: &Value, applied: &Value) -> Value {
    let empty = Map::new();
    let (former, applied) = (
        former.as_object().unwrap_or(&empty),
        applied.as_object().unwrap_or(&empty),
    );
    let mut result = live.as_object().cloned().unwrap_or_default();
    result.retain(|field, _| applied.contains_key(field) || !former.contains_key(field));
    for (field, value) in applied {
        let merged = match key_of(field) {
            None => value.clone(),
            Some(key) => {
                let none = Value::Array(Vec::new());
                let former = former.get(field).unwrap_or(&none);
                merged_list(result.get(field).unwrap_or(&none), former, value, key)
            }
        };
        result.insert(field.clone(), merged);
    }
    result.into()
}

fn merged_list(live: &Value, former: &Value, applied: &Value, key: &str) -> Value {
    let items = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let (former, applied) = (items(former), items(applied));
    let find = |list: &[Value], item: &Value| list.iter().find(|it| it[key] == item[key]).cloned();
    let mut result = items(live);
    result.retain(|item| find(&applied, item).is_some() || find(&former, item).is_none());
    for item in &applied {
        let before = find(&former, item).unwrap_or(Value::Null);
        match result.iter_mut().find(|it| it[key] == item[key]) {
            Some(at) => *at = merged(at, &before, item),
            None => result.push(item.clone()),
        }
    }
    result.into()
}
