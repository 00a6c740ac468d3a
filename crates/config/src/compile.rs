//! Resources to a [`Snapshot`] and a [`Report`]: what is served and what is told are made in one pass, so that they
//! cannot differ.

use std::collections::BTreeMap;

use crate::report::Report;
use crate::resources::Resources;
use crate::snapshot::Snapshot;

mod authorities;
mod backend;
mod class;
mod context;
mod direct_response;
mod gateway;
mod grant;
mod header;
mod keepalive;
mod log;
mod namespace;
mod passthrough;
mod policy;
mod retry;
mod route;
mod secret;
mod target;
mod tunnel;
mod unsupported;
mod upgrade;
mod value;

pub use class::{CONTROLLER_NAME, Options};

use class::Classes;
use context::Context;
use log::Log;
use target::Targets;

/// The outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compiled {
    /// To serve.
    pub snapshot: Snapshot,
    /// To tell.
    pub report: Report,
}

/// Compiles everything. Never fails: what is wrong with an object is in the report, and what that object would have
/// served is refused.
#[must_use]
pub fn compile(resources: &Resources, options: &Options) -> Compiled {
    let mut log = Log::default();
    let classes = Classes::compile(resources, options, &mut log);
    let targets = Targets {
        resources,
        classes: &classes,
    };
    let policies = policy::compile(targets, &mut log);
    let mut gateways = gateway::compile(resources, &classes, &policies, &mut log);
    let mut context = Context {
        resources,
        backends: backend::compile(resources, &mut log),
        responses: direct_response::compile(resources, &mut log),
        classes,
        policies,
        uses: BTreeMap::new(),
    };
    route::compile(&mut context, &mut gateways, &mut log);
    direct_response::report(resources, &context.responses, &mut log);
    context.policies.report(resources, &context.uses, &mut log);
    unsupported::report(resources, &mut log);
    passthrough::report(resources, &gateways, &mut log);
    tunnel::report(resources, &gateways, &mut log);
    let mut sockets = BTreeMap::new();
    for gateway in gateways {
        gateway.finish(&context.policies, &mut sockets, &mut log);
    }
    Compiled {
        snapshot: Snapshot {
            sockets,
            resolvers: context.policies.resolvers(),
        },
        report: log.finish(),
    }
}

#[cfg(test)]
mod tests;
