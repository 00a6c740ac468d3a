//! `egret learn`: writes the smallest EgressPolicy that allows what an access log says was served.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;

use egret_config::resources::ObjectRef;

use crate::args::LearnArgs;
use crate::{console, output};

mod log;
mod policy;

use log::{LogFinding, ServedRequest};
pub(crate) use policy::LearnDetail;

/// The name of stdin as a path.
const STDIN: &str = "-";

/// What the logs say.
#[derive(Debug, Default)]
struct LearnedLogs {
    served: BTreeSet<ServedRequest>,
    requests: usize,
    refused: usize,
    unreadable: usize,
}

/// Prints the policy on stdout, and what it was learned from on stderr.
pub(crate) fn run(args: &LearnArgs) -> ExitCode {
    let printed = learn(args).and_then(|text| {
        let printed = output::print(&text);
        printed.map_err(|error| format!("cannot print the policy: {error}"))
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            console::error(message);
            ExitCode::FAILURE
        }
    }
}

/// The policy as a YAML document.
fn learn(args: &LearnArgs) -> Result<String, String> {
    let mut logs = LearnedLogs::default();
    for path in &args.logs {
        read(path, &mut logs).map_err(|error| format!("{}: {error}", path.display()))?;
    }
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
    let policy = policy::smallest(&of_gateway, args.detail(), &gateway, &args.name);
    let yaml = serde_saphyr::to_string(&policy).map_err(|error| error.to_string())?;
    let source = format!(
        "# Learned from {requests} requests that were served; {refused} that were refused are left out.\n"
    );
    Ok(format!("{source}{}\n", yaml.trim_end()))
}

fn read(path: &Path, logs: &mut LearnedLogs) -> io::Result<()> {
    if path == Path::new(STDIN) {
        return read_lines(io::stdin().lock(), logs);
    }
    read_lines(BufReader::new(File::open(path)?), logs)
}

fn read_lines(mut lines: impl BufRead, logs: &mut LearnedLogs) -> io::Result<()> {
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        match log::read(line.trim_ascii()) {
            LogFinding::Served(request) => {
                logs.requests += 1;
                logs.served.insert(request);
            }
            LogFinding::Refused => logs.refused += 1,
            LogFinding::Unreadable => logs.unreadable += 1,
            LogFinding::Blank => {}
        }
        line.clear();
    }
    Ok(())
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
