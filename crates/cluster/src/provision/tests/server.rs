//! An API server in memory, as far as objects of Gateways go: versions, server-side apply with its owners, conflicts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use http::Method;
use kube::Client;
use serde_json::{Value, json};

use crate::provision::{ChildKey, ChildKind, LiveObjects};
use crate::test_client::{self, failure};

#[derive(Clone, Default)]
pub(super) struct ApiServer(Arc<Mutex<ServerState>>);

pub(super) struct ServerState {
    /// The uid of every Gateway.
    pub(super) gateway: Option<&'static str>,
    /// The objects, by the path of their URL.
    pub(super) objects: BTreeMap<String, Value>,
    version: u64,
    /// Answers to the next writes of objects whose path ends so.
    pub(super) answers: VecDeque<(&'static str, u16, &'static str)>,
    /// `METHOD path manager` of every request that changed something, and the number of all.
    pub(super) writes: Vec<String>,
    pub(super) requests: usize,
    /// The number of pods after each write to a Deployment.
    pub(super) replicas: Vec<i64>,
}

impl Default for ServerState {
    fn default() -> Self {
        Self {
            gateway: Some("u-1"),
            objects: BTreeMap::new(),
            version: 0,
            answers: VecDeque::new(),
            writes: Vec::new(),
            requests: 0,
            replicas: Vec::new(),
        }
    }
}

impl ApiServer {
    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        test_client::client(move |request, body| {
            let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
            server.with(|state| state.answer(&request.method, path, query, body))
        })
    }

    pub(super) fn with<T>(&self, action: impl FnOnce(&mut ServerState) -> T) -> T {
        action(&mut self.0.lock().unwrap())
    }

    /// Changes an object, as other clients do. The path is the end of its URL.
    pub(super) fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        self.with(|state| {
            let (path, mut object) = state
                .objects
                .iter()
                .find(|(known, _)| known.ends_with(path))
                .map(|(path, object)| (path.clone(), object.clone()))
                .unwrap();
            change(&mut object);
            state.store(&path, object);
        });
    }

    pub(super) fn object(&self, path: &str) -> Value {
        self.with(|state| {
            let mut objects = state.objects.iter();
            objects
                .find(|(known, _)| known.ends_with(path))
                .unwrap()
                .1
                .clone()
        })
    }

    /// The objects as watches have told them.
    pub(super) fn live(&self) -> LiveObjects {
        self.with(|state| {
            let objects = state.objects.values().map(|object| {
                let kind = object["kind"].as_str().unwrap();
                let kind = ChildKind::ALL
                    .into_iter()
                    .find(|it| format!("{it:?}") == kind);
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
                let key = ChildKey {
                    kind: kind.unwrap(),
                    namespace: text("namespace").into(),
                    name: text("name").into(),
                };
                (
                    key,
                    Arc::new(serde_json::from_value(object.clone()).unwrap()),
                )
            });
            objects.collect()
        })
    }

    /// The writes since the last call.
    pub(super) fn writes(&self) -> Vec<String> {
        self.with(|state| std::mem::take(&mut state.writes))
    }
}

impl ServerState {
    fn answer(&mut self, method: &Method, path: &str, query: &str, body: &Value) -> (u16, Value) {
        self.requests += 1;
        if *method != Method::GET
            && let Some((end, ..)) = self.answers.front()
            && path.ends_with(end)
        {
            let (_, code, message) = self.answers.pop_front().unwrap();
            return failure(code, message);
        }
        if path.contains("/gateways/") {
            return match self.gateway {
                Some(uid) => (200, json!({"metadata": {"name": "gw", "uid": uid}})),
                None => failure(404, "not found"),
            };
        }
        let before = self.objects.get(path).cloned();
        let manager = query
            .split('&')
            .find_map(|it| it.strip_prefix("fieldManager="));
        let manager = manager.unwrap_or_default();
        let after = match (method.as_str(), &before) {
            ("GET", Some(live)) => return (200, live.clone()),
            ("PATCH", _) => applied(before.as_ref(), body, manager),
            ("PUT", Some(live)) => {
                if body["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"] {
                    return failure(409, "the object has been modified");
                }
                let mut object = body.clone();
                object["metadata"]["managedFields"] = live["metadata"]["managedFields"].clone();
                object
            }
            ("DELETE", Some(live)) => {
                let uid = &body["preconditions"]["uid"];
                assert_eq!(*uid, live["metadata"]["uid"]);
                self.writes.push(format!("DELETE {}", short(path)));
                self.objects.remove(path);
                return (
                    200,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
                );
            }
            _ => return failure(404, "not found"),
        };
        if before.as_ref() != Some(&after) {
            self.writes
                .push(format!("{method} {} {manager}", short(path)));
            self.store(path, after);
        }
        (200, self.objects[path].clone())
    }

    fn store(&mut self, path: &str, mut object: Value) {
        self.version += 1;
        let version = self.version;
        object["metadata"]["resourceVersion"] = version.to_string().into();
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = format!("u-{version}").into();
        }
        if let Some(replicas) = object.pointer("/spec/replicas").and_then(Value::as_i64) {
            self.replicas.push(replicas);
        }
        self.objects.insert(path.to_owned(), object);
    }
}

fn short(path: &str) -> String {
    let parts: Vec<&str> = path.rsplit('/').take(2).collect();
    format!("{}/{}", parts[1], parts[0])
}

/// Server-side apply: what is sent is laid over what is there, and a number of pods that nobody sends any more is one.
fn applied(live: Option<&Value>, sent: &Value, manager: &str) -> Value {
    let mut object = live.cloned().unwrap_or_else(|| json!({}));
    let owners: Vec<Value> = object["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let is_owner = |owner: &Value| {
        owner["manager"] != *manager && owner["fieldsV1"].pointer("/f:spec/f:replicas").is_some()
    };
    let is_owned = owners.iter().any(is_owner);
    lay(&mut object, sent);
    let mut fields = json!({});
    if sent.pointer("/spec/replicas").is_some() {
        fields = json!({"f:spec": {"f:replicas": {}}});
    } else if sent["kind"] == "Deployment" && !is_owned && !has_other_setter(&object) {
        object["spec"]["replicas"] = 1.into();
    }
    let mut owners = owners;
    owners.retain(|owner| owner["manager"] != *manager);
    owners.push(json!({"manager": manager, "operation": "Apply", "fieldsV1": fields}));
    owners.sort_by_key(|owner| owner["manager"].to_string());
    object["metadata"]["managedFields"] = owners.into();
    object
}

fn has_other_setter(object: &Value) -> bool {
    object["metadata"]["annotations"]["test/scaled"].is_string()
}

fn lay(live: &mut Value, sent: &Value) {
    match (live, sent) {
        (Value::Object(live), Value::Object(sent)) => {
            for (field, value) in sent {
                lay(live.entry(field).or_insert(Value::Null), value);
            }
        }
        (Value::Array(live), Value::Array(sent)) if sent.iter().all(|it| key(it).is_some()) => {
            for item in sent {
                match live.iter_mut().find(|it| key(it) == key(item)) {
                    Some(at) => lay(at, item),
                    None => live.push(item.clone()),
                }
            }
        }
        (live, sent) => *live = sent.clone(),
    }
}

/// The key of an item of a list that is a map.
fn key(item: &Value) -> Option<&Value> {
    ["containerPort", "port", "name"]
        .iter()
        .find_map(|key| item.get(key))
}
