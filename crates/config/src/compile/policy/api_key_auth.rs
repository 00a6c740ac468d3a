//! Compiles `apiKeyAuth` of a TrafficPolicy to [`ApiKeyAuth`]. Messages name the place of a fault, and never a key.

use std::collections::BTreeMap;
use std::sync::Arc;

use egret_api::kgateway::{
    ApiKeySource, KeysSecret, SecretSelector, TrafficApiKeyAuth, TrafficPolicySpec,
};
use http::HeaderName;

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::header::{HeaderNameError, header_name};
use crate::compile::review::{FaultCause, ReferentFault};
use crate::compile::secret::entry;
use crate::compile::value::SpecFields;
use crate::policy::api_key_auth::{ApiKeyAuth, KeySource};
use crate::policy::digest::KeyDigest;
use crate::resources::{EXPRESSION_NEEDS, LabelExpression, LabelSelector, ObjectRef, Secret};

const DEFAULT_HEADER: HeaderName = HeaderName::from_static("api-key");
const MAX_KEY_SOURCES: usize = 16;
const MAX_NAME_LENGTH: usize = 256;
/// Headers that the proxy writes itself or never forwards.
const PROXY_HEADERS: [&str; 2] = ["proxy-authorization", "via"];

/// Clients by their keys, so that a key that two clients share is found.
type ClientsByKey<'a> = BTreeMap<&'a [u8], &'a str>;

impl ReadPolicy for ApiKeyAuth {
    type Spec = TrafficApiKeyAuth;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficApiKeyAuth> {
        spec.api_key_auth.as_ref()
    }

    fn read(
        spec: &TrafficApiKeyAuth,
        fields: &mut SpecFields<'_>,
        reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficApiKeyAuth {
            key_sources,
            secret_ref,
            secret_selector,
            forward_credential,
            client_id_header,
            disable,
        } = spec;
        let mut clients = ClientsByKey::new();
        match (secret_ref, secret_selector, disable) {
            (Some(spec), None, None) => read_secret(reader, spec, &mut clients, fields),
            (None, Some(spec), None) => read_selected(reader, spec, &mut clients, fields),
            (None, None, Some(_)) => {}
            _ => {
                let message =
                    "exactly one of the fields in [secretRef secretSelector disable] must be set";
                fields.struct_fault(message);
            }
        }
        let sources = sources(key_sources, fields);
        let client_id_header = client_id_header
            .as_ref()
            .and_then(|name| client_id_header_name(name, fields));
        if disable.is_some() {
            return FieldReading::Disabled;
        }
        let clients = clients.into_iter();
        let clients = clients.map(|(key, client)| (Arc::from(client), KeyDigest::of(key)));
        let mut keys = Self::new(sources, clients);
        keys.in_every_form = !key_sources.is_empty();
        keys.forwards = forward_credential.unwrap_or_default();
        keys.client_id_header = client_id_header;
        FieldReading::Set(keys)
    }
}

fn read_secret<'a>(
    reader: PolicyReader<'a>,
    spec: &KeysSecret,
    clients: &mut ClientsByKey<'a>,
    fields: &mut SpecFields<'_>,
) {
    let KeysSecret {
        group,
        kind,
        name,
        namespace,
    } = spec;
    let mut inner = fields.nested("secretRef");
    if group.as_ref().is_some_and(|group| !group.is_empty()) {
        inner.fault(
            "group",
            "only the group of Secret is supported, which is empty",
        );
    }
    if kind.as_ref().is_some_and(|kind| kind != "Secret") {
        inner.fault("kind", "only Secret is supported");
    }
    let added = reader
        .secret(name, namespace.as_deref())
        .and_then(|(reference, secret)| add_clients(&reference, secret, clients));
    if let Err(fault) = added {
        fields.referent_fault("secretRef", fault);
    }
}

fn read_selected<'a>(
    reader: PolicyReader<'a>,
    spec: &SecretSelector,
    clients: &mut ClientsByKey<'a>,
    fields: &mut SpecFields<'_>,
) {
    let SecretSelector {
        match_labels,
        match_expressions,
    } = spec;
    let mut fields = fields.nested("secretSelector");
    let expressions = match_expressions.iter().map(|expression| LabelExpression {
        key: &expression.key,
        operator: &expression.operator,
        values: &expression.values,
    });
    let selector = match LabelSelector::read(match_labels, expressions) {
        Ok(selector) if selector.is_empty() => {
            // An empty selector would take every Secret for a list of keys.
            return fields.fault("matchLabels", "at least one label is needed");
        }
        Ok(selector) => selector,
        Err(index) => {
            return fields.fault(&format!("matchExpressions[{index}]"), EXPRESSION_NEEDS);
        }
    };
    let place = match match_labels.is_empty() {
        true => "matchExpressions",
        false => "matchLabels",
    };
    let resources = reader.resources;
    let selected = resources.selected_secrets(&reader.policy.namespace, &selector);
    let secrets = selected.iter().filter_map(|reference| {
        let secret = resources.secrets.get(reference)?;
        Some((reference, &secret.value))
    });
    let mut found = false;
    for (reference, secret) in secrets {
        found = true;
        if let Err(fault) = add_clients(reference, secret, clients) {
            fields.referent_fault(place, fault);
        }
    }
    if !found {
        let fault = ReferentFault {
            message: "no Secret of the namespace has these labels".to_owned(),
            cause: FaultCause::NoneSelected {
                namespace: reader.policy.namespace.clone(),
                selector,
            },
        };
        fields.referent_fault(place, fault);
    }
}

/// Adds the clients of a Secret. Each entry has the name of a client, and its key.
fn add_clients<'a>(
    reference: &ObjectRef,
    secret: &'a Secret,
    clients: &mut ClientsByKey<'a>,
) -> Result<(), ReferentFault> {
    let wrong = |message: String| ReferentFault::content(reference, message);
    let mut is_empty = true;
    for client in entry_names(secret) {
        is_empty = false;
        // The newline at the end of a file is not part of the key: a header cannot hold it.
        let key = entry(secret, client).unwrap_or_default().trim_ascii();
        if key.is_empty() {
            return Err(wrong(format!("{reference}: the key of {client} is empty")));
        }
        let other = clients.insert(key, client);
        if let Some(other) = other.filter(|other| *other != client) {
            let message = format!("{reference}: {client} has the same key as {other}");
            return Err(wrong(message));
        }
    }
    match is_empty {
        true => Err(wrong(format!("{reference} has no keys"))),
        false => Ok(()),
    }
}

/// The names of the entries of a Secret.
fn entry_names(secret: &Secret) -> impl Iterator<Item = &str> {
    let text = secret.string_data.iter().flat_map(|map| map.keys());
    let data = secret.data.iter().flat_map(|map| map.keys());
    let mut entry_names: Vec<_> = text.chain(data).map(String::as_str).collect();
    entry_names.sort_unstable();
    entry_names.dedup();
    entry_names.into_iter()
}

fn sources(specs: &[ApiKeySource], fields: &mut SpecFields<'_>) -> Vec<KeySource> {
    if specs.is_empty() {
        return vec![KeySource::Header(DEFAULT_HEADER)];
    }
    if specs.len() > MAX_KEY_SOURCES {
        let message = format!("at most {MAX_KEY_SOURCES} are allowed");
        fields.fault("keySources", message);
    }
    let mut sources = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let at = format!("keySources[{index}]");
        let before = sources.len();
        let ApiKeySource {
            header,
            query,
            cookie,
        } = spec;
        // The order within an entry is kgateway's.
        if let Some(name) = header {
            let name = header_name(name).unwrap_or_else(|error| {
                fields.fault(&format!("{at}.header"), error.message());
                DEFAULT_HEADER
            });
            sources.push(KeySource::Header(name));
        }
        let mut named = |part: &str, name: &String| {
            if !(1..=MAX_NAME_LENGTH).contains(&name.len()) {
                let message = format!("1 to {MAX_NAME_LENGTH} characters are allowed");
                fields.fault(&format!("{at}.{part}"), message);
            }
            name.clone()
        };
        if let Some(name) = query {
            sources.push(KeySource::Query(named("query", name)));
        }
        if let Some(name) = cookie {
            sources.push(KeySource::Cookie(named("cookie", name)));
        }
        if sources.len() == before {
            let message = "at least one of the fields in [header query cookie] must be set";
            fields.fault(&at, message);
        }
    }
    sources
}

fn client_id_header_name(name: &str, fields: &mut SpecFields<'_>) -> Option<HeaderName> {
    let name = header_name(name).map_err(HeaderNameError::message);
    let name = name.and_then(|name| match PROXY_HEADERS.contains(&name.as_str()) {
        true => Err("this header is the proxy's own"),
        false => Ok(name),
    });
    name.map_err(|message| fields.fault("clientIdHeader", message))
        .ok()
}
