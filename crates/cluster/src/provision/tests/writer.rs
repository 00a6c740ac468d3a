//! What is sent to an API server, pass by pass.

use std::time::Duration;

use egret_config::resources::{Kind, ObjectRef};
use serde_json::{Value, json};

use super::server::ApiServer;
use super::{gateway, objects, parameters, settings};
use crate::provision::{GatewayObjects, ProvisionFault, ProvisionWriter, SecretAccess};

/// A writer, its server, and the time.
struct Cluster {
    server: ApiServer,
    writer: ProvisionWriter,
    now: Duration,
}

impl Cluster {
    fn new() -> Self {
        let server = ApiServer::default();
        Self {
            writer: ProvisionWriter::new(server.client(), "egret.dev/gateway"),
            server,
            now: Duration::from_secs(1000),
        }
    }

    /// Another process in the place of the writer.
    fn restarted(&mut self) {
        self.writer = ProvisionWriter::new(self.server.client(), "egret.dev/gateway");
    }

    /// A pass over these Gateways, with the objects as watches have told them. Returns what was written.
    async fn pass(&mut self, gateways: &[GatewayObjects]) -> Vec<String> {
        let live = self.server.live();
        self.now += Duration::from_secs(1);
        self.writer.write(gateways, &live, self.now).await;
        self.server.writes()
    }
}

/// The objects of the Gateway `infra/gw` with these parameters.
fn made(kube: Value) -> Vec<GatewayObjects> {
    made_as("gw", kube, &SecretAccess::default())
}

fn made_as(name: &str, kube: Value, access: &SecretAccess) -> Vec<GatewayObjects> {
    let gateway = gateway(name, &json!({}));
    let parameters = parameters(json!({ "kube": kube }));
    vec![GatewayObjects {
        gateway: ObjectRef::new(Kind::Gateway, "infra", name),
        uid: gateway.metadata.uid.clone(),
        objects: objects(&gateway, &parameters, access, &settings()),
    }]
}

#[tokio::test]
async fn a_steady_cluster_sees_no_write_and_no_request() {
    let mut cluster = Cluster::new();
    let plan = made(json!({"deployment": {"replicas": 2}}));
    let first = cluster.pass(&plan).await;
    assert_eq!(
        first,
        [
            "PATCH serviceaccounts/gw egret",
            "PATCH clusterrolebindings/egret-proxy:infra:gw egret",
            "PATCH configmaps/gw egret",
            "PATCH services/gw egret",
            "PATCH deployments/gw egret",
            "PATCH poddisruptionbudgets/gw egret",
        ]
    );
    let requests = cluster.server.with(|state| state.requests);
    for _ in 0..600 {
        assert_eq!(cluster.pass(&plan).await, [""; 0]);
    }
    // A status is no drift.
    cluster.server.change("deployments/gw", |object| {
        object["status"] = json!({"readyReplicas": 2})
    });
    cluster.server.change("services/gw", |object| {
        object["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    });
    assert_eq!(cluster.pass(&plan).await, [""; 0]);
    assert_eq!(cluster.server.with(|state| state.requests), requests);
    // Another process sends everything once, and nothing comes of it.
    cluster.restarted();
    assert_eq!(cluster.pass(&plan).await, [""; 0]);
    // Only who makes objects asks for their Gateway.
    let again = requests - 1;
    assert_eq!(
        cluster.server.with(|state| state.requests),
        requests + again
    );
}

#[tokio::test]
async fn drift_is_corrected_object_by_object() {
    let mut cluster = Cluster::new();
    let plan = made(json!({}));
    cluster.pass(&plan).await;
    cluster.pass(&plan).await;
    cluster.server.change("services/gw", |object| {
        object["spec"]["type"] = json!("NodePort")
    });
    assert_eq!(cluster.pass(&plan).await, ["PATCH services/gw egret"]);
    assert_eq!(
        cluster.server.object("services/gw")["spec"]["type"],
        "LoadBalancer"
    );
    cluster.pass(&plan).await;
    cluster.server.with(|state| {
        state
            .objects
            .retain(|path, _| !path.ends_with("serviceaccounts/gw"))
    });
    assert_eq!(
        cluster.pass(&plan).await,
        ["PATCH serviceaccounts/gw egret"]
    );
    // What others add to the pods is taken away.
    cluster.pass(&plan).await;
    cluster.server.change("deployments/gw", |object| {
        let containers = object
            .pointer_mut("/spec/template/spec/containers")
            .unwrap();
        containers
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "sidecar", "image": "i"}));
        containers[0]["env"] = json!([{"name": "Z", "value": "z"}]);
    });
    assert_eq!(cluster.pass(&plan).await, ["PUT deployments/gw egret"]);
    let deployment = cluster.server.object("deployments/gw");
    let containers = deployment
        .pointer("/spec/template/spec/containers")
        .unwrap();
    assert_eq!(containers.as_array().unwrap().len(), 1);
    assert_eq!(containers[0].get("env"), None);
    assert_eq!(cluster.writer.counts().stripped, 1);
    assert_eq!(cluster.pass(&plan).await, [""; 0]);
}

#[tokio::test]
async fn a_failed_write_costs_only_itself_and_is_tried_again() {
    let mut cluster = Cluster::new();
    let plan = made(json!({}));
    cluster.server.with(|state| {
        state.answers.push_back(("services/gw", 503, "away"));
        state
            .answers
            .push_back(("deployments/gw", 422, "spec.replicas: invalid"));
    });
    let first = cluster.pass(&plan).await;
    assert!(
        !first
            .iter()
            .any(|write| write.contains("services") || write.contains("deployments"))
    );
    assert!(first.contains(&"PATCH poddisruptionbudgets/gw egret".to_owned()));
    let all = plan[0].objects.as_ref().unwrap();
    let fault = cluster.writer.fault(all).unwrap();
    assert!(fault.is_refusal());
    assert_eq!(fault.to_string(), "spec.replicas: invalid");
    let again = ["PATCH services/gw egret", "PATCH deployments/gw egret"];
    assert_eq!(cluster.pass(&plan).await, again);
    assert_eq!(cluster.writer.fault(all), None);
    assert_eq!(cluster.writer.counts().failed, 2);
}

#[tokio::test]
async fn a_deletion_that_failed_is_tried_again() {
    let mut cluster = Cluster::new();
    cluster.pass(&made(json!({}))).await;
    let path = "clusterrolebindings/egret-proxy:infra:gw";
    for code in [403, 404, 409, 429, 500] {
        cluster
            .server
            .with(|state| state.answers.push_back((path, code, "no")));
    }
    for wait in [1, 2, 4, 8, 16] {
        let live = cluster.server.live();
        let pass = cluster.writer.write(&[], &live, cluster.now).await;
        assert_eq!(pass.retry_in, Some(Duration::from_secs(wait)));
        // Before that, nothing is asked.
        let requests = cluster.server.with(|state| state.requests);
        let soon = cluster.now + Duration::from_millis(wait * 1000 - 1);
        cluster.writer.write(&[], &live, soon).await;
        assert_eq!(cluster.server.with(|state| state.requests), requests);
        cluster.now += Duration::from_secs(wait);
    }
    let live = cluster.server.live();
    let pass = cluster.writer.write(&[], &live, cluster.now).await;
    assert_eq!(pass.retry_in, None);
    let writes = cluster.server.writes();
    assert_eq!(writes.last(), Some(&format!("DELETE {path}")));
    assert_eq!(cluster.writer.counts().deleted, 1);
}

#[tokio::test]
async fn what_has_failed_is_tried_at_once_when_the_reason_may_be_gone() {
    let mut cluster = Cluster::new();
    let plan = made(json!({}));
    let away = ("services/gw", 503, "away");
    cluster.server.with(|state| state.answers.push_back(away));
    cluster.pass(&plan).await;
    let live = cluster.server.live();
    cluster.server.writes();
    cluster.writer.write(&plan, &live, cluster.now).await;
    assert_eq!(cluster.server.writes(), [""; 0]);
    cluster.writer.begin_anew();
    cluster.writer.write(&plan, &live, cluster.now).await;
    assert_eq!(cluster.server.writes(), ["PATCH services/gw egret"]);
}

#[tokio::test]
async fn the_number_of_pods_is_handed_over_to_an_autoscaler() {
    let mut cluster = Cluster::new();
    cluster
        .pass(&made(json!({"deployment": {"replicas": 3}})))
        .await;
    let scaled = made(json!({
        "deployment": {"replicas": 3},
        "horizontalPodAutoscaler": {"spec": {"maxReplicas": 9}},
    }));
    let writes = cluster.pass(&scaled).await;
    assert!(
        writes.contains(&"PATCH deployments/gw egret-handover".to_owned()),
        "{writes:?}"
    );
    assert!(writes.contains(&"PATCH horizontalpodautoscalers/gw egret".to_owned()));
    assert_eq!(
        cluster.server.object("deployments/gw")["spec"]["replicas"],
        3
    );
    cluster
        .server
        .with(|state| assert!(state.replicas.iter().all(|number| *number == 3)));
    // From then on it is the autoscaler's.
    cluster.pass(&scaled).await;
    cluster.server.change("deployments/gw", |object| {
        object["spec"]["replicas"] = json!(7);
        object["metadata"]["annotations"]["test/scaled"] = json!("yes");
    });
    cluster.pass(&scaled).await;
    assert_eq!(
        cluster.server.object("deployments/gw")["spec"]["replicas"],
        7
    );
    // Without an autoscaler it is what is set, and the autoscaler goes.
    let writes = cluster
        .pass(&made(json!({"deployment": {"replicas": 2}})))
        .await;
    assert_eq!(
        writes,
        [
            "PATCH deployments/gw egret",
            "DELETE horizontalpodautoscalers/gw"
        ]
    );
    assert_eq!(
        cluster.server.object("deployments/gw")["spec"]["replicas"],
        2
    );
}

#[tokio::test]
async fn what_has_no_owner_goes_with_its_gateway() {
    let mut cluster = Cluster::new();
    let mut access = SecretAccess::default();
    access
        .named
        .insert(ObjectRef::new(Kind::Secret, "apps", "s"));
    let plan = made_as("gw", json!({}), &access);
    let first = cluster.pass(&plan).await;
    assert!(first.contains(&"PATCH roles/egret-proxy:infra:gw egret".to_owned()));
    // A Secret is needed no more.
    let without = made(json!({}));
    assert_eq!(
        cluster.pass(&without).await,
        [
            "DELETE roles/egret-proxy:infra:gw",
            "DELETE rolebindings/egret-proxy:infra:gw"
        ]
    );
    cluster.pass(&plan).await;
    // While its objects cannot be made, nothing is deleted.
    let mut refused = plan.clone();
    refused[0].objects = Err(ProvisionFault::NotAccepted);
    assert_eq!(cluster.pass(&refused).await, [""; 0]);
    refused[0].objects = Ok(Vec::new());
    assert_eq!(cluster.pass(&refused).await, [""; 0]);
    // Those of another controller stay, whatever their labels say.
    let path = "clusterrolebindings/egret-proxy:infra:gw";
    let name = "egret.dev/controller-name";
    cluster.server.change(path, |object| {
        object["metadata"]["annotations"][name] = json!("other")
    });
    assert_eq!(
        cluster.pass(&[]).await,
        [
            "DELETE roles/egret-proxy:infra:gw",
            "DELETE rolebindings/egret-proxy:infra:gw"
        ]
    );
    cluster.server.change(path, |object| {
        object["metadata"]["annotations"][name] = json!("egret.dev/gateway")
    });
    assert_eq!(cluster.pass(&[]).await, [format!("DELETE {path}")]);
    // What has an owner is Kubernetes' to delete.
    assert_eq!(cluster.pass(&[]).await, [""; 0]);
    assert_eq!(cluster.server.object("services/gw")["kind"], "Service");
}

/// The objects of the Gateway `infra/gw` of this uid.
fn made_for(uid: &str) -> Vec<GatewayObjects> {
    let mut gateway = gateway("gw", &json!({}));
    gateway.metadata.uid = Some(uid.to_owned());
    vec![GatewayObjects {
        gateway: ObjectRef::new(Kind::Gateway, "infra", "gw"),
        uid: gateway.metadata.uid.clone(),
        objects: objects(
            &gateway,
            &parameters(json!({})),
            &SecretAccess::default(),
            &settings(),
        ),
    }]
}

#[tokio::test]
async fn nothing_is_made_for_a_gateway_that_is_gone() {
    for now in [None, Some("u-2")] {
        let mut cluster = Cluster::new();
        cluster.server.with(|state| state.gateway = now);
        // The watch has not told yet.
        assert_eq!(cluster.pass(&made_for("u-1")).await, [""; 0]);
        let all = made_for("u-1").remove(0).objects.unwrap();
        assert!(!cluster.writer.fault(&all).unwrap().is_refusal());
        // Now it has.
        let writes = cluster.pass(&made_for("u-2")).await;
        assert_eq!(writes.len(), now.map_or(0, |_| 6), "{writes:?}");
    }
}

#[tokio::test]
async fn what_is_of_an_earlier_gateway_is_not_taken_over() {
    let mut cluster = Cluster::new();
    cluster.pass(&made_for("u-1")).await;
    // What has been seen and is gone is missing.
    cluster.pass(&made_for("u-1")).await;
    let owner = |cluster: &Cluster, path: &str| {
        cluster.server.object(path)["metadata"]["ownerReferences"][0]["uid"].clone()
    };
    // Whoever has not heard of the new Gateway yet leaves alone what is there, and what another has made.
    cluster.server.with(|state| {
        state.gateway = Some("u-2");
        state
            .objects
            .retain(|path, _| !path.ends_with("configmaps/gw"));
    });
    cluster.server.change("services/gw", |object| {
        object["metadata"]["ownerReferences"][0]["uid"] = json!("u-2");
    });
    assert_eq!(cluster.pass(&made_for("u-1")).await, [""; 0]);
    // Then the old objects are deleted, and made anew.
    let writes = cluster.pass(&made_for("u-2")).await;
    let deleted: Vec<_> = writes
        .iter()
        .filter_map(|write| write.strip_prefix("DELETE "))
        .collect();
    assert_eq!(
        deleted,
        [
            "serviceaccounts/gw",
            "deployments/gw",
            "poddisruptionbudgets/gw"
        ]
    );
    cluster.pass(&made_for("u-2")).await;
    for path in [
        "serviceaccounts/gw",
        "configmaps/gw",
        "services/gw",
        "deployments/gw",
        "poddisruptionbudgets/gw",
    ] {
        assert_eq!(owner(&cluster, path), "u-2", "{path}");
    }
    assert_eq!(cluster.pass(&made_for("u-2")).await, [""; 0]);
}
