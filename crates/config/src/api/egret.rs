//! Egret's own resources (`egret.dev/v1alpha1`).

mod egress;
mod resolver;
mod status;

pub use egress::{
    EgressAction, EgressAddresses, EgressClientSpec, EgressMode, EgressPolicy, EgressPolicySpec,
    EgressRuleSpec, EgressSni, EgressTunnels, PortText,
};
pub use resolver::{
    LookupFamily, ResolverHost, ResolverPolicy, ResolverPolicySpec, ResolverProtocol,
    ResolverServer,
};
pub use status::{AncestorRef, PolicyAncestorStatus, PolicyStatus};

#[cfg(test)]
mod tests {
    use kube::CustomResourceExt;

    use super::*;

    #[test]
    fn definitions_are_as_a_cluster_wants_them() {
        for (crd, kind, plural) in [
            (EgressPolicy::crd(), "EgressPolicy", "egresspolicies"),
            (ResolverPolicy::crd(), "ResolverPolicy", "resolverpolicies"),
        ] {
            let json = serde_json::to_value(&crd).unwrap();
            assert_eq!(json["metadata"]["name"], format!("{plural}.egret.dev"));
            assert_eq!(json["spec"]["names"]["kind"], kind);
            assert_eq!(json["spec"]["names"]["categories"][0], "egret");
            assert_eq!(json["spec"]["scope"], "Namespaced");
            let version = &json["spec"]["versions"][0];
            assert_eq!(version["name"], "v1alpha1");
            assert!(version["subresources"]["status"].is_object());
            let schema = &version["schema"]["openAPIV3Schema"];
            assert_eq!(schema["properties"]["spec"]["type"], "object");
            assert_eq!(schema["properties"]["spec"]["required"][0], "targetRefs");
            let text = json.to_string();
            // A structural schema has no references and no alternative types.
            assert!(
                !text.contains("\"$ref\"") && !text.contains("\"oneOf\""),
                "{text}"
            );
        }
        let json = serde_json::to_value(EgressPolicy::crd()).unwrap();
        let rules = &json["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
            ["properties"]["rules"];
        let ports = &rules["items"]["properties"]["ports"];
        assert_eq!(ports["items"]["x-kubernetes-int-or-string"], true);
        assert_eq!(ports["minItems"], 1);
        assert_eq!(rules["items"]["required"], serde_json::json!(["action"]));
    }
}
