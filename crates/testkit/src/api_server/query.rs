//! What a request to a fake API server asks for.

use http::Uri;
use serde_json::Value;

use super::state::Key;

/// A list or watch of a resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    group: String,
    version: String,
    pub(super) plural: String,
    namespace: Option<String>,
    name: Option<String>,
    labels: Vec<(String, String)>,
    /// The index of the first object.
    pub(super) from: usize,
    pub(super) limit: Option<usize>,
    pub(super) watch: bool,
    pub(super) revision: u64,
    pub(super) bookmarks: bool,
    /// The name of the one object, if the request is about one.
    object: Option<String>,
    is_status: bool,
}

impl Query {
    /// Reads a path such as `/apis/GROUP/VERSION/namespaces/NS/PLURAL`, and its parameters.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let mut parts = uri.path().split('/').skip(1);
        let mut query = Self::default();
        match parts.next()? {
            "api" => {}
            "apis" => query.group = parts.next()?.to_owned(),
            _ => return None,
        }
        query.version = parts.next()?.to_owned();
        let rest: Vec<&str> = parts.collect();
        let rest = match *rest.as_slice() {
            ["namespaces", namespace, _, ..] => {
                query.namespace = Some(namespace.to_owned());
                &rest[2..]
            }
            _ => rest.as_slice(),
        };
        query.plural = (*rest.first()?).to_owned();
        query.object = rest.get(1).map(|name| decoded(name));
        query.is_status = rest.get(2) == Some(&"status");
        for pair in uri.query().unwrap_or_default().split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value);
            match key {
                "fieldSelector" => {
                    query.name = value.strip_prefix("metadata.name=").map(str::to_owned)
                }
                "labelSelector" => {
                    let labels = value.split(',').filter_map(|label| label.split_once('='));
                    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
                    query.labels = labels.map(owned).collect();
                }
                "continue" => query.from = value.parse().unwrap_or_default(),
                "limit" => query.limit = value.parse().ok(),
                "watch" => query.watch = value == "true",
                "resourceVersion" => query.revision = value.parse().unwrap_or_default(),
                "allowWatchBookmarks" => query.bookmarks = value == "true",
                _ => {}
            }
        }
        Some(query)
    }

    pub(super) fn api_version(&self) -> String {
        let Self { group, version, .. } = self;
        match group.is_empty() {
            true => version.clone(),
            false => format!("{group}/{version}"),
        }
    }

    /// The name of the one object that the request is about.
    pub(super) fn object(&self) -> Option<&str> {
        self.object.as_deref()
    }

    /// Whether the request is about the status of an object.
    pub(super) fn is_status(&self) -> bool {
        self.is_status
    }

    /// Where an object of this name is.
    pub(super) fn key(&self, name: &str) -> Key {
        let namespace = self.namespace.clone().unwrap_or_default();
        let (group, plural) = (self.group.clone(), self.plural.clone());
        (group, plural, namespace, name.to_owned())
    }

    pub(super) fn wants(&self, (group, plural, namespace, name): &Key, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        *group == self.group
            && *plural == self.plural
            && self
                .namespace
                .as_ref()
                .is_none_or(|wanted| wanted == namespace)
            && self.name.as_ref().is_none_or(|wanted| wanted == name)
            && self
                .labels
                .iter()
                .all(|(key, value)| labels[key] == **value)
    }

    /// An object in a list: those of the core group have no type there.
    pub(super) fn shown(&self, object: &Value) -> Value {
        let mut shown = self.shown_with_type(object);
        if self.group.is_empty()
            && let Some(fields) = shown.as_object_mut()
        {
            fields.remove("apiVersion");
            fields.remove("kind");
        }
        shown
    }

    /// An object in an event, in the version that was asked for.
    pub(super) fn shown_with_type(&self, object: &Value) -> Value {
        let mut shown = object.clone();
        shown["apiVersion"] = self.api_version().into();
        shown
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits: Option<Vec<u8>> = (byte == b'%').then(|| rest.by_ref().take(2).collect());
        let byte = match digits {
            Some(digits) => std::str::from_utf8(&digits)
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                .unwrap_or_default(),
            None if byte == b'+' => b' ',
            None => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
