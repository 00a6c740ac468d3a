//! Documents as people write them for the Gateway API and kgateway: each is accepted, or told what is wrong with it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use egret_config::compile::{CompileOptions, FileAccess, compile};
use egret_config::load::{ConfigFile, load};

/// What is expected of each document: a line with its name, and for each error a line with two blanks and a part of the
/// error. Without errors it is accepted.
const EXPECTED: &str = include_str!("corpus/expected.txt");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn expected() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in EXPECTED.lines() {
        match line.strip_prefix("  ") {
            Some(error) => expected.get_mut(name).unwrap().push(error),
            None => {
                name = line;
                expected.insert(name, Vec::new());
            }
        }
    }
    expected
}

/// The text of a document, with certificates in place of their names.
fn text(name: &str) -> String {
    let identity = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    let certificate = format!("{:?}", identity.cert.pem());
    let key = format!("{:?}", identity.signing_key.serialize_pem());
    let text = fs::read_to_string(folder().join(name)).unwrap();
    text.replace("$CERTIFICATE", &certificate)
        .replace("$AUTHORITY", &certificate)
        .replace("$KEY", &key)
}

fn errors(name: &str, options: &CompileOptions) -> Vec<String> {
    let text = text(name);
    let loaded = load([ConfigFile { name, text: &text }]);
    let report = compile(&loaded.resources, options).report;
    let findings = report.findings(&loaded.errors, &loaded.unread);
    findings.errors.iter().map(ToString::to_string).collect()
}

#[test]
fn every_document_is_taken_as_expected() {
    let files = fs::read_dir(folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = names.filter(|name| name.ends_with(".yaml")).collect();
    let expected = expected();
    let listed: BTreeSet<String> = expected.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(names, listed);
    for (name, expected) in expected {
        let options = CompileOptions {
            files: FileAccess::Partly,
            ..CompileOptions::default()
        };
        let told = errors(name, &options);
        let is_told = |part: &&str| told.iter().any(|error| error.contains(part));
        assert!(
            told.len() == expected.len() && expected.iter().all(is_told),
            "{name}: {told:#?}"
        );
    }
}

#[test]
fn a_class_of_another_controller_is_served_under_its_name() {
    let name = "gateway-class-own-controller.yaml";
    let text = text(name);
    let served = |controller: &str| {
        let options = CompileOptions {
            controller_name: controller.to_owned(),
            ..CompileOptions::default()
        };
        let loaded = load([ConfigFile { name, text: &text }]);
        compile(&loaded.resources, &options).snapshot.sockets.len()
    };
    assert_eq!(served("kgateway.dev/kgateway"), 1);
    assert_eq!(served("egret.dev/gateway"), 0);
}
