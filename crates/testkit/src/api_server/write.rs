//! Writes to a fake API server: enough of server-side apply, versions and conflicts for controllers.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::query::Query;
use super::state::{Key, ServerState};

/// What a request to one object, or to create one, comes to.
pub(super) type Outcome = Result<Value, (StatusCode, &'static str)>;

const NOT_FOUND: (StatusCode, &str) = (StatusCode::NOT_FOUND, "NotFound");
const CONFLICT: (StatusCode, &str) = (StatusCode::CONFLICT, "Conflict");

impl ServerState {
    /// Answers a request about one object. Nothing changes, and no watch is told anything, if it is as it was.
    pub(super) fn of_object(&mut self, method: &Method, query: &Query, sent: Value) -> Outcome {
        let name = match query.object() {
            Some(name) => name.to_owned(),
            None => {
                let name = sent["metadata"]["name"].as_str();
                name.unwrap_or_default().to_owned()
            }
        };
        let key = query.key(&name);
        let live = self.objects.get(&key).cloned();
        match (method.as_str(), live) {
            ("GET", Some(live)) => Ok(live),
            ("POST", None) => Ok(self.keep(&key, query, sent)),
            ("POST", Some(_)) => Err((StatusCode::CONFLICT, "AlreadyExists")),
            ("PATCH", None) if !query.is_status() => Ok(self.keep(&key, query, sent)),
            ("PUT" | "PATCH", Some(live)) => self.update(method, query, (&key, live), sent),
            ("DELETE", Some(live)) => {
                let uid = &sent["preconditions"]["uid"];
                if !uid.is_null() && *uid != live["metadata"]["uid"] {
                    return Err(CONFLICT);
                }
                self.remove(&key);
                Ok(json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
            }
            _ => Err(NOT_FOUND),
        }
    }

    fn update(
        &mut self,
        method: &Method,
        query: &Query,
        (key, live): (&Key, Value),
        sent: Value,
    ) -> Outcome {
        let version = &sent["metadata"]["resourceVersion"];
        if !version.is_null() && *version != live["metadata"]["resourceVersion"] {
            return Err(CONFLICT);
        }
        let is_patch = *method == Method::PATCH;
        let mut object = live.clone();
        match (query.is_status(), is_patch) {
            (true, true) => lay("status", &mut object["status"], &sent["status"]),
            (true, false) => object["status"] = sent["status"].clone(),
            (false, true) => lay("", &mut object, &sent),
            (false, false) => object = sent,
        }
        object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
        if object == live {
            return Ok(live);
        }
        Ok(self.keep(key, query, object))
    }

    fn keep(&mut self, key: &Key, query: &Query, mut object: Value) -> Value {
        let (_, _, namespace, name) = key;
        object["metadata"]["name"] = name.as_str().into();
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = namespace.as_str().into();
        }
        if object["apiVersion"].is_null() {
            object["apiVersion"] = query.api_version().into();
        }
        self.put(object);
        self.objects.get(key).cloned().unwrap_or_default()
    }
}

/// Lays what is applied over what is there.
fn lay(field: &str, live: &mut Value, sent: &Value) {
    match (live, sent) {
        (Value::Object(live), Value::Object(sent)) => {
            for (field, value) in sent {
                lay(field, live.entry(field).or_insert(Value::Null), value);
            }
        }
        (Value::Array(live), Value::Array(sent)) if key_of(field).is_some() => {
            let key = key_of(field).unwrap_or_default();
            for item in sent {
                match live.iter_mut().find(|it| it[key] == item[key]) {
                    Some(at) => lay("", at, item),
                    None => live.push(item.clone()),
                }
            }
        }
        (live, sent) => *live = sent.clone(),
    }
}

/// The key of a list that is a map.
fn key_of(field: &str) -> Option<&'static str> {
    match field {
        "conditions" => Some("type"),
        "containers" | "env" | "listeners" | "supportedFeatures" | "volumes" => Some("name"),
        _ => None,
    }
}
