//! ListenerSets: which are attached, which of their listeners are served, and what applies to these.

use super::gateway::sockets;
use super::policy::policy;
use super::{
    BASE, CompiledConfig, TO_DFP, answer, condition, kgateway_policy, problems, route_of, rule, run,
};
use crate::snapshot::{Listener, RuleAction};

mod attachment;
mod policies;

/// The Gateway of `BASE`, which allows ListenerSets as this says.
fn allowing(namespaces: &str) -> String {
    BASE.replace(
        "  listeners:\n",
        &format!("  allowedListeners: {{namespaces: {namespaces}}}\n  listeners:\n"),
    )
}

/// The same for all namespaces.
fn open() -> String {
    allowing("{from: All}")
}

/// A ListenerSet of the Gateway `infra/gw`, with these listeners.
fn set(namespace: &str, name: &str, listeners: &[&str]) -> String {
    let listeners = listeners.join("}\n  - {");
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  parentRef: {{name: gw, namespace: infra}}\n  \
         listeners:\n  - {{{listeners}}}\n"
    )
}

/// A route `apps/NAME` to the Backend, with this parent.
fn to_parent(name: &str, parent: &str) -> String {
    let spec = format!("  rules: [{{{TO_DFP}}}]\n");
    route_of("HTTPRoute", name, &spec).replace("{name: gw, namespace: infra}", parent)
}

const SET: &str = "{group: gateway.networking.k8s.io, kind: ListenerSet, name: s}";

fn listener<'a>(compiled: &'a CompiledConfig, name: &str) -> &'a Listener {
    let sockets = compiled.snapshot.sockets.values();
    let mut listeners = sockets.flat_map(|socket| &socket.listeners);
    listeners.find(|it| &*it.full_name == name).unwrap()
}

/// The status and the reason of a condition.
fn reason(compiled: &CompiledConfig, at: &str, kind: &str) -> String {
    let condition = condition(compiled, at, kind);
    condition.split(':').next().unwrap().to_owned()
}
