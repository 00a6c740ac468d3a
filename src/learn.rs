//! `egret learn`: writes the smallest EgressPolicy that allows what an access log says was served.

use std::collections::BTreeSet;
use std::process::ExitCode;

use egret_config::resources::ObjectRef;

use crate::args::LearnArgs;
use crate::output::Answer;
use crate::{access_log, console, output};

mod policy;
mod served;

pub(crate) use policy::LearnDetail;
use served::{LogFinding, ServedRequest};

/// What the logs say.
#[derive(Debug, Default)]
struct LearnedLogs {
    served: BTreeSet<ServedRequest>,
    requests: usize,
    refused: usize,
    unreadable: usize,
}

impl LearnedLogs {
    fn add(&mut self, line: &[u8]) {
        match served::read(line) {
            LogFinding::Served(requests) => {
                self.requests += 1;
                self.served.extend(requests);
            }
            LogFinding::Refused => self.refused += 1,
            LogFinding::Unreadable => self.unreadable += 1,
            LogFinding::Blank => {}
        }
    }
}

/// Prints the policy on stdout, and what it was learned from on stderr.
pub(crate) fn run(args: &LearnArgs) -> ExitCode {
    output::answer(learn(args).map(Answer::from))
}

/// The policy as a YAML document.
fn learn(args: &LearnArgs) -> Result<String, String> {
    let mut logs = LearnedLogs::default();
    access_log::read(&args.logs, |line| logs.add(line))?;
    let LearnedLogs {
        served,
        requests,
        refused,
        unreadable,
    } = logs;
    if unreadable > 0 {
        console::line(format_args!(
            "warning: {unreadable} lines are not of Egret's access log, and were passed over"
        ));
    }
    let gateway = match &args.gateway {
        Some(gateway) => gateway.clone(),
        None => the_gateway(&served)?,
    };
    let of_gateway: Vec<_> = served
        .into_iter()
        .filter(|request| request.gateway == gateway)
        .collect();
    if of_gateway.is_empty() {
        return Err(format!(
            "nothing of {gateway} was served: there is nothing to learn"
        ));
    }
    let spec = policy::smallest(&of_gateway, args.detail());
    let yaml = crate::policy::yaml(spec, &gateway, &args.name)?;
    let source = format!(
        "# Learned from {requests} requests that were served; {refused} that were refused are left out.\n"
    );
    Ok(source + &yaml)
}

/// The one Gateway of the requests.
fn the_gateway(served: &BTreeSet<ServedRequest>) -> Result<ObjectRef, String> {
    let gateways: BTreeSet<_> = served.iter().map(|request| &request.gateway).collect();
    let mut names = gateways.iter();
    match (names.next(), names.next()) {
        (Some(gateway), None) => Ok((**gateway).clone()),
        (None, _) => Err("nothing was served: there is nothing to learn".to_owned()),
        (Some(_), Some(_)) => {
            let names: Vec<_> = gateways
                .iter()
                .map(|gateway| format!("{}/{}", gateway.namespace, gateway.name))
                .collect();
            Err(format!(
                "requests of several Gateways were served; write one policy for each, with --gateway: {}",
                names.join(", ")
            ))
        }
    }
}
