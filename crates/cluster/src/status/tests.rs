//! The writer against an API server in memory.

use std::time::Duration;

use egret_config::report::{
    AncestorStatus, GatewayStatus, ListenerStatus, ObjectReport, ObjectStatus, ParentReference,
    ParentStatus, PlainStatus, PolicyStatus, Report, ReportProblem, RouteKind, RouteStatus,
    StatusCondition,
};
use egret_config::resources::{Kind, ObjectRef};
use serde_json::{Value, json};

use super::gateways::{GatewayAddress, GatewayAddresses, GatewayState};
use super::writer::{StatusPass, StatusWriter};
use server::{ApiServer, ReadObjects};

mod entries;
mod mapped;
mod property;
mod server;
mod unreadable;

const OURS: &str = "egret.dev/gateway";

fn gateway() -> ObjectRef {
    ObjectRef::new(Kind::Gateway, "infra", "gw")
}

fn route() -> ObjectRef {
    ObjectRef::new(Kind::HttpRoute, "apps", "r")
}

fn accepted(message: &str) -> StatusCondition {
    StatusCondition::new("Accepted", true, "Accepted", message)
}

fn programmed(is_programmed: bool) -> StatusCondition {
    let reason = if is_programmed {
        "Programmed"
    } else {
        "Invalid"
    };
    StatusCondition::new("Programmed", is_programmed, reason, "m")
}

fn listener(name: &str) -> ListenerStatus {
    ListenerStatus {
        name: name.to_owned(),
        supported_kinds: vec![RouteKind(Kind::HttpRoute), RouteKind(Kind::GrpcRoute)],
        attached_routes: 2,
        conditions: vec![accepted("fine"), programmed(true)],
    }
}

fn of_gateway(listeners: &[&str]) -> ObjectStatus {
    ObjectStatus::Gateway(GatewayStatus {
        conditions: vec![accepted("fine"), programmed(true)],
        listeners: listeners.iter().map(|name| listener(name)).collect(),
        attached_listener_sets: None,
    })
}

fn reference(kind: Kind, namespace: &str, name: &str) -> ParentReference {
    ParentReference {
        group: Some(kind.group().to_owned()),
        kind: Some(kind.as_str().to_owned()),
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
        ..ParentReference::default()
    }
}

/// A parentRef as users write it.
fn parent(name: &str) -> ParentReference {
    ParentReference {
        name: name.to_owned(),
        ..ParentReference::default()
    }
}

fn of_route(parents: &[&str]) -> ObjectStatus {
    let parents = parents.iter().map(|name| ParentStatus {
        parent_ref: parent(name),
        conditions: vec![accepted("fine")],
    });
    ObjectStatus::Route(RouteStatus {
        parents: parents.collect(),
    })
}

fn entry(object: &ObjectRef, status: ObjectStatus) -> ObjectReport {
    ObjectReport {
        object: object.clone(),
        file: "".into(),
        line: 0,
        status,
    }
}

/// A writer, and the API server that it writes to.
struct Rig {
    server: ApiServer,
    writer: StatusWriter,
    gateways: GatewayAddresses,
    now: Duration,
}

impl Rig {
    fn new() -> Self {
        let server = ApiServer::default();
        Self {
            writer: StatusWriter::new(server.client(), OURS),
            server,
            gateways: GatewayAddresses::default(),
            now: Duration::ZERO,
        }
    }

    /// A pass over the objects as a reader has them that is up to date.
    async fn pass(&mut self, statuses: &[(&ObjectRef, ObjectStatus)]) -> StatusPass {
        let objects = self.server.read();
        self.pass_over(&objects, statuses).await
    }

    async fn pass_over(
        &mut self,
        objects: &ReadObjects,
        statuses: &[(&ObjectRef, ObjectStatus)],
    ) -> StatusPass {
        let entries = statuses
            .iter()
            .map(|(object, status)| entry(object, status.clone()));
        let entries: Vec<ObjectReport> = entries.collect();
        let report: Vec<&ObjectReport> = entries.iter().collect();
        let Self {
            writer,
            gateways,
            now,
            ..
        } = self;
        writer.write_all(objects, &report, gateways, *now).await
    }

    /// A pass that writes, and one that finds nothing to write.
    async fn settled(&mut self, object: &ObjectRef, status: ObjectStatus) -> Value {
        let pass = self.pass(&[(object, status.clone())]).await;
        assert_eq!((pass.written, pass.failed.as_slice()), (1, &[][..]));
        self.server.requests();
        let pass = self.pass(&[(object, status)]).await;
        assert_eq!(pass, StatusPass::default());
        assert_eq!(self.server.requests(), [""; 0]);
        self.server.status(object)
    }
}

/// The condition of a type.
fn find<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let conditions = status["conditions"].as_array().unwrap();
    let mut found = conditions.iter().filter(|it| it["type"] == kind);
    let condition = found.next().unwrap_or(&Value::Null);
    assert!(found.next().is_none(), "{kind} twice");
    condition
}

fn foreign(kind: &str) -> Value {
    json!({
        "type": kind, "status": "True", "reason": "Seeded", "message": "",
        "observedGeneration": 1, "lastTransitionTime": "2020-01-01T00:00:00.5+02:00",
    })
}

/// The conditions that the CRD fills in.
fn pending(kind: &str) -> Value {
    json!({
        "type": kind, "status": "Unknown", "reason": "Pending",
        "message": "Waiting for controller", "lastTransitionTime": "1970-01-01T00:00:00Z",
    })
}
