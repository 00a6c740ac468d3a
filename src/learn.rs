//! `egret learn`: writes the smallest EgressPolicy that allows what an access log says was served.

use std::collections::BTreeSet;
use std::process::ExitCode;

use egret_config::resources::{Kind, ObjectRef};

use crate::args::LearnArgs;
use crate::output::Answer;
use crate::policy::PolicyTarget;
use crate::{access_log, console, output};

mod policy;
mod served;

pub(crate) use policy::LearnDetail;
use served::{LogFinding, ServedRequest};

/// What the logs say.
#[derive(Debug)]
struct LearnedLogs<'t> {
    /// What the policy is for; of nothing else is learned. Unless it is named, it is the one Gateway of the logs.
    target: Option<&'t PolicyTarget>,
    /// The Gateways that served what was learned.
    gateways: BTreeSet<ObjectRef>,
    served: BTreeSet<ServedRequest>,
    requests: usize,
    refused: usize,
    elsewhere: usize,
    unreadable: usize,
}

impl<'t> LearnedLogs<'t> {
    fn new(target: Option<&'t PolicyTarget>) -> Self {
        Self {
            target,
            gateways: BTreeSet::new(),
            served: BTreeSet::new(),
            requests: 0,
            refused: 0,
            elsewhere: 0,
            unreadable: 0,
        }
    }

    fn add(&mut self, line: &[u8]) {
        match served::read(line, self.target) {
            LogFinding::Served { gateway, requests } => {
                self.requests += 1;
                self.gateways.insert(gateway);
                self.served.extend(requests);
            }
            LogFinding::Refused => self.refused += 1,
            LogFinding::Elsewhere => self.elsewhere += 1,
            LogFinding::Unreadable => self.unreadable += 1,
            LogFinding::Blank => {}
        }
    }

    /// What the policy is for.
    fn target(&self) -> Result<PolicyTarget, String> {
        let mut gateways = self.gateways.iter();
        match (self.target, gateways.next(), gateways.next()) {
            (Some(target), Some(_), _) => Ok(target.clone()),
            (None, Some(gateway), None) => Ok(PolicyTarget::all_of(gateway.clone())),
            (Some(target), None, _) => {
                let others = match self.elsewhere {
                    0 => String::new(),
                    number => format!("; there are {}", requests(number, "for others")),
                };
                Err(format!(
                    "nothing of {target} was served: there is nothing to learn{others}"
                ))
            }
            (None, None, _) => Err("nothing was served: there is nothing to learn".to_owned()),
            (None, Some(_), Some(_)) => {
                let gateways = self.gateways.iter().cloned().map(PolicyTarget::all_of);
                let targets: Vec<_> = gateways.map(|target| target.to_string()).collect();
                Err(format!(
                    "requests of several Gateways were served; write one policy for each, with --target: {}",
                    targets.join(", ")
                ))
            }
        }
    }

    /// The comment over the policy.
    fn source(&self) -> String {
        let mut text = format!("# Learned from {}.", requests(self.requests, "served"));
        let left_out = [(self.refused, "refused"), (self.elsewhere, "for others")];
        let left_out: Vec<_> = left_out
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| requests(number, what))
            .collect();
        if !left_out.is_empty() {
            text += &format!(" Left out: {}.", left_out.join(", "));
        }
        text + "\n"
    }
}

/// Some requests of a kind, in words.
fn requests(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 request {what}"),
        _ => format!("{number} requests {what}"),
    }
}

/// Prints the policy on stdout, and what it was learned from on stderr.
pub(crate) fn run(args: &LearnArgs) -> ExitCode {
    output::answer(learn(args).map(Answer::from))
}

/// The policy as a YAML document.
fn learn(args: &LearnArgs) -> Result<String, String> {
    let target = args.target.as_ref();
    if target.is_some_and(|target| target.object.kind == Kind::Backend) {
        return Err(
            "--target: the log does not tell to which Backend a request went; name the Gateway or the route".to_owned(),
        );
    }
    let mut logs = LearnedLogs::new(target);
    access_log::read(&args.logs, |line| logs.add(line))?;
    access_log::check_read(
        logs.requests + logs.refused + logs.elsewhere,
        logs.unreadable,
    )?;
    if logs.unreadable > 0 {
        let unreadable = logs.unreadable;
        console::line(format_args!(
            "warning: lines that are not of Egret's access log were passed over: {unreadable}"
        ));
    }
    let target = logs.target()?;
    let served: Vec<_> = logs.served.iter().cloned().collect();
    let spec = policy::smallest(&served, args.detail());
    let yaml = crate::policy::yaml(spec, &target, &args.name)?;
    Ok(logs.source() + &yaml)
}
