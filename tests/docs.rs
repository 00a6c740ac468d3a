//! Tests that the configurations in the documentation are accepted as they are written.

use egret_config::compile::{CompileOptions, compile};
use egret_config::load::{ConfigFile, load};
use egret_testkit::Ca;

const FORMS: &str = include_str!("../docs/forms.md");

#[test]
fn the_configurations_of_the_forms_are_accepted() {
    let blocks = FORMS.split("```yaml\n").skip(1);
    let blocks: Vec<&str> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() > 1, "there is YAML in it");
    let (ca, documents) = (Ca::new(), blocks.join("---\n"));
    let identity = ca.issue(["proxy.example"]);
    let beside = format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: proxy-certificate, namespace: default}}
stringData: {{tls.crt: {:?}, tls.key: {:?}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: clients, namespace: default}}
data: {{ca.crt: {:?}}}
",
        identity.certificate_pem(),
        identity.key_pem(),
        ca.pem()
    );
    let files = [("docs/forms.md", &*documents), ("beside.yaml", &*beside)];
    let loaded = load(files.map(|(name, text)| ConfigFile { name, text }));
    assert!(loaded.errors.is_empty(), "{:#?}", loaded.errors);
    let report = compile(&loaded.resources, &CompileOptions::default()).report;
    assert!(report.accepted(), "{}", report.table());
}
