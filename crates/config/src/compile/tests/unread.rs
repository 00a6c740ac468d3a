//! Policies of an API server that could not be read.

use serde_json::json;

use super::{BASE, TO_DFP, condition, route, rule};
use crate::compile::{CompileOptions, compile};
use crate::load::{ConfigFile, load, object};
use crate::resources::Kind;

#[test]
fn what_a_policy_that_cannot_be_read_may_protect_is_closed() {
    let route = route(&format!("  rules: [{{{TO_DFP}}}]\n"));
    let text = format!("{BASE}---\n{route}");
    for (kind, namespace, target, listener_is_closed) in [
        ("Gateway", "infra", "gw", true),
        ("HTTPRoute", "apps", "r", false),
    ] {
        let mut resources = load([ConfigFile {
            name: "t.yaml",
            text: &text,
        }])
        .resources;
        let group = "gateway.networking.k8s.io";
        let policy = json!({
            "metadata": {"namespace": namespace, "name": "p"},
            "spec": {
                "targetRefs": [{"group": group, "kind": kind, "name": target}],
                "defaultAction": "Refuse",
            },
        });
        object(Kind::EgressPolicy, policy, &mut resources).unwrap_err();
        let compiled = compile(&resources, &CompileOptions::default());
        let sockets = compiled.snapshot.sockets.values();
        let listener = sockets.flat_map(|socket| &socket.listeners).next().unwrap();
        assert_eq!(listener.refuse.is_some(), listener_is_closed, "{kind}");
        let policy = format!("EgressPolicy {namespace}/p");
        let refused = listener.refuse.as_ref();
        let rule = rule(&compiled, 8080, "a.b", "/").unwrap();
        let refused = refused.map_or_else(|| format!("{:?}", rule.action), |by| format!("{by:?}"));
        assert!(refused.contains("\"p\""), "{refused}");
        let told = condition(&compiled, &format!("{policy}#{target}"), "Accepted");
        assert!(
            told.starts_with("false Invalid: spec.defaultAction"),
            "{told}"
        );
    }
}
