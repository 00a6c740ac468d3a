//! What others have added.

use serde_json::{Value, json};

use super::{made, of};
use crate::provision::ChildKind;
use crate::provision::strip::stripped;

const POD: &str = "/spec/template/spec";

/// The Deployment as it is sent, and as it comes back.
fn deployment() -> (Value, Value) {
    let kube = json!({
        "envoyContainer": {"env": [{"name": "A", "value": ""}], "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}]},
        "podTemplate": {"extraVolumes": [{"name": "v", "emptyDir": {}}]},
    });
    let sent = of(&made(&json!({}), kube), ChildKind::Deployment).clone();
    let mut live = sent.clone();
    live["status"] = json!({"replicas": 1});
    let pod = live.pointer_mut(POD).unwrap();
    // What the API server makes of it.
    pod["dnsPolicy"] = json!("ClusterFirst");
    pod["containers"][0]["env"] = json!([{"name": "A"}]);
    pod["containers"][0]["terminationMessagePath"] = json!("/dev/termination-log");
    (sent, live)
}

#[test]
fn what_the_api_server_fills_in_is_no_addition() {
    let (sent, live) = deployment();
    assert_eq!(stripped(ChildKind::Deployment, &sent, &live), None);
}

#[test]
fn additions_to_pods_are_taken_away() {
    let (sent, live) = deployment();
    let additions: [(&str, Value); 8] = [
        ("/containers/-", json!({"name": "sidecar", "image": "i"})),
        ("/initContainers", json!([{"name": "before", "image": "i"}])),
        ("/volumes/-", json!({"name": "w", "emptyDir": {}})),
        ("/containers/0/env/-", json!({"name": "Z", "value": "z"})),
        (
            "/containers/0/envFrom",
            json!([{"configMapRef": {"name": "m"}}]),
        ),
        (
            "/containers/0/volumeMounts/-",
            json!({"name": "v", "mountPath": "/w"}),
        ),
        ("/containers/0/command", json!(["sh"])),
        (
            "/containers/0/lifecycle",
            json!({"preStop": {"sleep": {"seconds": 1}}}),
        ),
    ];
    for (path, addition) in additions {
        let mut changed = live.clone();
        let pod = changed.pointer_mut(POD).unwrap();
        match path.strip_suffix("/-") {
            Some(list) => pod
                .pointer_mut(list)
                .unwrap()
                .as_array_mut()
                .unwrap()
                .push(addition),
            None => {
                let (parent, field) = path.rsplit_once('/').unwrap();
                pod.pointer_mut(parent).unwrap()[field] = addition;
            }
        }
        assert_eq!(
            stripped(ChildKind::Deployment, &sent, &changed),
            Some(live.clone()),
            "{path}"
        );
    }
    // A restart by hand is an annotation, and stays.
    let mut restarted = live;
    restarted["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] =
        json!("now");
    assert_eq!(stripped(ChildKind::Deployment, &sent, &restarted), None);
}

#[test]
fn a_service_leads_to_the_pods_and_has_their_ports() {
    let sent = of(&made(&json!({}), json!({})), ChildKind::Service).clone();
    let mut live = sent.clone();
    live["spec"]["clusterIP"] = json!("10.0.0.1");
    live["spec"]["ports"][0]["nodePort"] = json!(30000);
    assert_eq!(stripped(ChildKind::Service, &sent, &live), None);
    let mut changed = live.clone();
    changed["spec"]["selector"]["app"] = json!("other");
    let port = json!({"name": "x", "port": 9, "protocol": "TCP", "targetPort": 9});
    changed["spec"]["ports"].as_array_mut().unwrap().push(port);
    assert_eq!(stripped(ChildKind::Service, &sent, &changed), Some(live));
}
