//! What is deployed: the manifests fit the program, and the definitions are those that it prints.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod rbac;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The manifests with a controller.
const INSTALLATIONS: [&str; 2] = ["egret.yaml", "takeover.yaml"];

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(path)
}

/// The objects of a YAML text.
fn objects(text: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    objects
        .into_iter()
        .filter(|object| !object.is_null())
        .collect()
}

/// The objects of a manifest.
fn manifest(name: &str) -> Vec<Value> {
    let path = deploy("manifests").join(name);
    objects(&fs::read_to_string(path).unwrap())
}

/// The one object of a kind and name.
fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects
        .iter()
        .filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    let one = found.next();
    assert!(found.next().is_none(), "{kind} {name} is there twice");
    one.unwrap_or_else(|| panic!("{kind} {name} is missing"))
}

/// The same with every number as a double, as those of a schema are, however they are written.
fn with_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(items) => items.into_iter().map(with_doubles).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields
                .map(|(name, value)| (name, with_doubles(value)))
                .collect()
        }
        other => other,
    }
}

fn printed_definitions(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_egret"))
        .arg("crds")
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_chart_has_the_definitions_that_the_program_prints() {
    let printed = printed_definitions(&["--kgateway"]);
    let file = deploy("helm/egret/files/crds.yaml");
    assert!(
        fs::read_to_string(file).unwrap() == printed,
        "stale: run deploy/render"
    );
    assert!(printed.starts_with(&printed_definitions(&[])));
}

/// What is read of the text is what was meant, by readers of YAML 1.1 too: what they take for another type is quoted.
#[test]
fn printed_definitions_are_unambiguous() {
    let ambiguous = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    for line in printed_definitions(&["--kgateway"]).lines() {
        let value = line.trim_start().trim_start_matches("- ");
        let value = value.split_once(": ").map_or(value, |(_, value)| value);
        let lower = value.to_lowercase();
        let is_word = ambiguous.contains(&lower.as_str()) && value != "true" && value != "false";
        assert!(!is_word, "{line}");
        assert!(!value.starts_with('\t'), "{line}");
    }
    for definition in objects(&printed_definitions(&["--kgateway"])) {
        assert_eq!(definition["kind"], "CustomResourceDefinition");
        let name = definition["metadata"]["name"].as_str().unwrap();
        let shown = definition.to_string();
        let version = shown.find("\"1.2\"").is_some();
        assert_eq!(
            version,
            name == "backendconfigpolicies.gateway.kgateway.dev",
            "{name}"
        );
    }
}

#[test]
fn manifests_have_the_definitions_of_their_owners() {
    let definitions = |name: &str| {
        let all = manifest(name);
        let all = all
            .iter()
            .filter(|object| object["kind"] == "CustomResourceDefinition");
        let specs = all.map(|object| with_doubles(object["spec"].clone()));
        specs.collect::<Vec<_>>()
    };
    let ours: Vec<Value> = objects(&printed_definitions(&[]))
        .into_iter()
        .map(|object| with_doubles(object["spec"].clone()))
        .collect();
    for name in INSTALLATIONS {
        assert!(
            definitions(name) == ours,
            "{name} is stale: run deploy/render"
        );
    }
    let both = objects(&printed_definitions(&["--kgateway"]));
    let theirs: Vec<Value> = both[ours.len()..]
        .iter()
        .map(|object| with_doubles(object["spec"].clone()))
        .collect();
    assert!(
        definitions("kgateway-crds.yaml") == theirs,
        "stale: run deploy/render"
    );
}

#[test]
fn manifests_are_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = fs::read_to_string(deploy("helm/egret/Chart.yaml")).unwrap();
    let chart = &objects(&chart)[0];
    assert_eq!(chart["version"], version);
    assert_eq!(chart["appVersion"], version);
    let image = format!("ghcr.io/egret-proxy/egret:{version}");
    for name in INSTALLATIONS {
        let objects = manifest(name);
        let controller = object(&objects, "Deployment", "egret-controller");
        let container = &controller["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], *image, "{name}");
        let arguments = container["args"].as_array().unwrap();
        assert!(
            arguments.contains(&format!("--image={image}").into()),
            "{name}"
        );
    }
}

#[test]
fn the_namespace_is_created_before_what_is_in_it() {
    for name in INSTALLATIONS {
        let objects = manifest(name);
        assert_eq!(objects[0]["kind"], "Namespace", "{name}");
        for object in &objects {
            let namespace = object["metadata"]["namespace"].as_str();
            assert!(
                [None, Some("egret-system")].contains(&namespace),
                "{object}"
            );
        }
    }
}

#[test]
fn classes_are_those_of_the_controller() {
    for (name, class, controller_name) in [
        ("egret.yaml", "egret", "egret.dev/gateway"),
        ("takeover.yaml", "kgateway", "kgateway.dev/kgateway"),
    ] {
        let objects = manifest(name);
        let class = object(&objects, "GatewayClass", class);
        assert_eq!(class["spec"]["controllerName"], controller_name);
        let controller = object(&objects, "Deployment", "egret-controller");
        let arguments = &controller["spec"]["template"]["spec"]["containers"][0]["args"];
        let argument = format!("--controller-name={controller_name}");
        assert!(arguments.as_array().unwrap().contains(&argument.into()));
    }
}

/// What Kubernetes' Pod Security Standard `restricted` asks of a pod, and a root that cannot be written to.
#[test]
fn the_controller_is_restricted() {
    for name in INSTALLATIONS {
        let objects = manifest(name);
        let pod = &object(&objects, "Deployment", "egret-controller")["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        let container = &pod["containers"][0]["securityContext"];
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(container["capabilities"]["drop"][0], "ALL");
        let budget = object(&objects, "PodDisruptionBudget", "egret-controller");
        let deployment = object(&objects, "Deployment", "egret-controller");
        assert_eq!(
            budget["spec"]["selector"], deployment["spec"]["selector"],
            "{name}"
        );
    }
}

/// The image is built by the version of Rust that the project asks for.
#[test]
fn the_image_is_built_by_the_right_compiler() {
    let file = fs::read_to_string(deploy("Dockerfile")).unwrap();
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(
        file.contains(&format!("/rust:{version}-")),
        "FROM is not of Rust {version}"
    );
    assert!(
        file.contains(&format!("egret:{} ", env!("CARGO_PKG_VERSION"))),
        "the command is not of this version"
    );
}
