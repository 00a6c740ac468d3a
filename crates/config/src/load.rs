//! Reads text to [`Resources`]: YAML with one or more documents, JSON, and `List`s of either.
//!
//! Every error names file, line and field. After an error, the caller should keep the configuration it has: the object
//! that could not be read may be the one that denies something.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use egret_api::decode::DecodeFault;
use egret_api::object::ApiType;
use egret_api::suggest::did_you_mean;
use serde_json::Value;

use crate::report::ReportProblem;
use crate::resources::{
    Kind, LocatedObject, Namespace, ObjectMap, ObjectRef, Resources, SourceLocation,
};

mod document;
mod kinds;
mod memory;
mod object;
mod service;
mod strict;
mod syntax;
mod tree;

pub use memory::ConfigLoader;
pub use object::{ReadObject, UnreadObject, object};

use document::DocumentPlace;
use kinds::UnknownKind;
use memory::KnownObject;
use tree::YamlNode;

/// The fields of a `List`.
const LIST_FIELDS: [&str; 4] = ["apiVersion", "kind", "metadata", "items"];

/// A configuration file that the caller has read.
#[derive(Clone, Copy, Debug)]
pub struct ConfigFile<'a> {
    /// The path of the file, for messages.
    pub name: &'a str,
    /// The content of the file.
    pub text: &'a str,
}

/// The content of all files.
#[derive(Clone, Debug, Default)]
pub struct LoadedConfig {
    /// The objects that could be read.
    pub resources: Resources,
    /// Objects that could not be read, and fields that could not.
    pub errors: Vec<ReportProblem>,
    /// Objects that were skipped.
    pub warnings: Vec<ReportProblem>,
    /// The number of objects that were skipped because their kinds are not for Egret.
    pub skipped: usize,
    /// The objects with errors, as far as it is known which objects they were meant to be.
    pub unread: BTreeSet<ObjectRef>,
}

/// Reads the objects of all files.
pub fn load<'a>(files: impl IntoIterator<Item = ConfigFile<'a>>) -> LoadedConfig {
    ConfigLoader::default().load(files)
}

/// What has been read of a configuration so far.
#[derive(Debug, Default)]
struct PartialConfig {
    loaded: LoadedConfig,
    seen: BTreeMap<ObjectRef, (Arc<str>, usize)>,
    /// The objects of the document that is being read.
    document: Vec<KnownObject>,
}

impl PartialConfig {
    /// Reads the text of a document.
    fn text(&mut self, place: &DocumentPlace, text: &str) {
        match tree::parse(text) {
            Ok(documents) => {
                for document in documents {
                    self.document(place, document);
                }
            }
            Err(error) => {
                let line = match error.line {
                    0 => 0,
                    line => place.line(line),
                };
                let problem = place.problem(0, "", error.message);
                self.loaded.errors.push(ReportProblem { line, ..problem });
            }
        }
    }

    fn document(&mut self, place: &DocumentPlace, document: YamlNode) {
        if document.is_null() {
            return;
        }
        if document.text("apiVersion") == Some("v1") && document.text("kind") == Some("List") {
            return self.list(place, document);
        }
        self.object(place, document);
    }

    /// Reads a list. A list that cannot be read is an error, as an object is: an object in it may deny something.
    fn list(&mut self, place: &DocumentPlace, list: YamlNode) {
        for (field, line) in list.fields() {
            if !LIST_FIELDS.contains(&field) {
                let message = format!("unknown field{}", did_you_mean(field, LIST_FIELDS));
                let problem = place.problem(line, field, message);
                self.loaded.errors.push(problem);
            }
        }
        let line = list.line_of("items");
        let Some(items) = list.into_items("items") else {
            let message = "a List needs a list of objects here".to_owned();
            let problem = place.problem(line, "items", message);
            return self.loaded.errors.push(problem);
        };
        for item in items {
            self.document(place, item);
        }
    }

    fn object(&mut self, place: &DocumentPlace, node: YamlNode) {
        let problem_at =
            |field: &str, message: String| place.problem(node.line_of(field), field, message);
        let (Some(api_version), Some(kind)) = (node.text("apiVersion"), node.text("kind")) else {
            let problem = problem_at(
                "",
                "not an object: apiVersion and kind are needed".to_owned(),
            );
            return self.loaded.errors.push(problem);
        };
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let Some(known) = Kind::find(group, kind) else {
            return self.unknown_kind(place, &node, (api_version, group), kind);
        };
        let versions = known.versions();
        if !versions.is_empty() && !versions.contains(&version) {
            let message = format!("{known} is read in {}, not {version}", versions.join(", "));
            let problem = problem_at("apiVersion", message);
            self.loaded.unread.extend(node.reference(known));
            return self.loaded.errors.push(problem);
        }
        let without_hostnames = known == Kind::TlsRoute && version == "v1alpha2";
        let Some(object) = node.reference(known) else {
            let message = format!("a {known} needs a name");
            let problem = place.problem(node.line_of("metadata"), "metadata.name", message);
            return self.loaded.errors.push(problem);
        };
        let (mut value, source) = node.into_object(&object, place);
        if let Some((other, line)) = self.seen.get(&object) {
            let message = format!("defined twice; the other definition is at {other}:{line}");
            self.loaded.unread.insert(object.clone());
            return self
                .loaded
                .errors
                .push(ReportProblem::new(&object, &source, "", message));
        }
        self.seen
            .insert(object.clone(), (source.file.clone(), source.line));
        self.document.push(KnownObject {
            object: object.clone(),
            line: source.line - place.lines_before,
        });
        let mut faults = strict::faults(known, &value, without_hostnames);
        if without_hostnames {
            allow_no_hostnames(&mut value);
        }
        let read = ParsedObject {
            object: object.clone(),
            value,
            source: source.clone(),
        };
        faults.extend(read.put(&mut self.loaded.resources));
        if !faults.is_empty() {
            self.loaded.unread.insert(object.clone());
        }
        let problems = faults
            .into_iter()
            .map(|fault| ReportProblem::new(&object, &source, &fault.field, fault.message));
        self.loaded.errors.extend(problems);
    }

    /// Tells an object of a kind that is not in the table. If it is a mistake, it may be a policy that denies
    /// something, and to skip it might allow everything.
    fn unknown_kind(
        &mut self,
        place: &DocumentPlace,
        node: &YamlNode,
        (api_version, group): (&str, &str),
        kind: &str,
    ) {
        let problem =
            |field: &str, message: String| place.problem(node.line_of(field), field, message);
        match UnknownKind::of(group, kind) {
            UnknownKind::Mistake(meant) => {
                let (field, message) = kinds::message(api_version, group, kind, meant);
                self.loaded.errors.push(problem(field, message));
                let meant = meant.and_then(|meant| node.reference(meant));
                self.loaded.unread.extend(meant);
            }
            UnknownKind::Foreign => {
                let message =
                    format!("{api_version} {kind} is not a kind that Egret reads; skipped");
                self.loaded.warnings.push(problem("kind", message));
                self.loaded.skipped += 1;
            }
        }
    }
}

/// Adds the list of hostnames to a TLSRoute of a version in which it may be left out.
fn allow_no_hostnames(route: &mut Value) {
    if let Some(spec) = route["spec"].as_object_mut() {
        let hostnames = spec.entry("hostnames").or_insert(Value::Null);
        if hostnames.is_null() {
            *hostnames = Value::Array(Vec::new());
        }
    }
}

/// An object that has been parsed, but not decoded to its type.
struct ParsedObject {
    object: ObjectRef,
    value: Value,
    source: SourceLocation,
}

impl ParsedObject {
    /// Decodes the object and puts it among the others, if it can be; tells its faults.
    fn put(self, resources: &mut Resources) -> Vec<DecodeFault> {
        let item = self;
        match item.object.kind {
            Kind::GatewayClass => item.into(&mut resources.gateway_classes),
            Kind::Gateway => item.into(&mut resources.gateways),
            Kind::ListenerSet => item.into(&mut resources.listener_sets),
            Kind::HttpRoute => item.into(&mut resources.http_routes),
            Kind::GrpcRoute => item.into(&mut resources.grpc_routes),
            Kind::TlsRoute => item.into(&mut resources.tls_routes),
            Kind::BackendTlsPolicy => item.into(&mut resources.backend_tls_policies),
            Kind::XBackendTrafficPolicy => item.into(&mut resources.backend_traffic_policies),
            Kind::ReferenceGrant => item.into(&mut resources.reference_grants),
            Kind::Backend => item.into(&mut resources.backends),
            Kind::BackendConfigPolicy => item.into(&mut resources.backend_config_policies),
            Kind::TrafficPolicy => item.into(&mut resources.traffic_policies),
            Kind::DirectResponse => item.into(&mut resources.direct_responses),
            Kind::GatewayExtension => item.into(&mut resources.gateway_extensions),
            Kind::GatewayParameters => item.into(&mut resources.gateway_parameters),
            Kind::ListenerPolicy => item.into(&mut resources.listener_policies),
            Kind::HttpListenerPolicy => item.into(&mut resources.http_listener_policies),
            Kind::EgressPolicy => item.into(&mut resources.egress_policies),
            Kind::ResolverPolicy => item.into(&mut resources.resolver_policies),
            Kind::Service => item.read(&mut resources.services, service::service),
            Kind::EndpointSlice => {
                item.read(&mut resources.endpoint_slices, service::endpoint_slice)
            }
            Kind::Namespace => item.into::<Namespace>(&mut resources.namespaces),
            Kind::Secret => item.into(&mut resources.secrets),
            Kind::ConfigMap => item.into(&mut resources.config_maps),
            Kind::TcpRoute | Kind::UdpRoute | Kind::XListenerSet | Kind::XMesh => {
                item.raw(&mut resources.unsupported)
            }
            // It is no kind of what is written.
            Kind::File => Vec::new(),
        }
    }

    fn into<T: ApiType>(self, objects: &mut ObjectMap<T>) -> Vec<DecodeFault> {
        self.read(objects, |value, _| value)
    }

    /// Decodes the object, and keeps what `keep` makes of it. The second argument of `keep` takes further faults.
    fn read<W: ApiType, T>(
        self,
        objects: &mut ObjectMap<T>,
        keep: impl FnOnce(W, &mut Vec<DecodeFault>) -> T,
    ) -> Vec<DecodeFault> {
        let Self {
            object,
            value,
            source,
        } = self;
        let (value, mut faults) = W::decode(value);
        let value = value.map(|value| Arc::new(keep(value, &mut faults)));
        if let Some(value) = value {
            objects.insert(object, LocatedObject { value, source });
        }
        faults
    }

    fn raw(self, objects: &mut ObjectMap<Value>) -> Vec<DecodeFault> {
        let Self {
            object,
            value,
            source,
        } = self;
        let value = Arc::new(value);
        objects.insert(object, LocatedObject { value, source });
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
