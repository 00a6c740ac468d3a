//! `egret import`: turns the access rules of other proxies into an EgressPolicy, and lists what it could not turn.
//!
//! What cannot be said in a policy is never guessed: a rule that allows is left out, and a rule that denies is kept without
//! the condition that cannot be said, so that nothing is allowed that was not allowed before.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use egret_config::api::egret::{EgressPolicy, EgressPolicySpec};
use egret_config::api::target::TargetRef;
use egret_config::resources::GATEWAY_GROUP;

use crate::args::{ImportArgs, ImportSource};
use crate::{console, output};

mod condition;
mod smokescreen;
mod squid;

/// What was made of a file.
#[derive(Debug, Default)]
struct Imported {
    /// The policy, without its target.
    policy: EgressPolicySpec,
    /// What could not be turned, in the order of the file.
    left: Vec<LeftOut>,
    /// What has to be there beside the policy.
    notes: Vec<&'static str>,
}

/// Something that could not be turned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LeftOut {
    /// The line, counted from 1; 0 if it is not known.
    line: usize,
    /// What it is, and what to do.
    message: String,
}

impl LeftOut {
    fn new(line: usize, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { line, message }
    }
}

/// Prints the policy on stdout, and what is missing in it on stderr. The exit code says whether anything is.
pub(crate) fn run(args: &ImportArgs) -> ExitCode {
    match import(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            console::error(error);
            ExitCode::FAILURE
        }
    }
}

/// Prints the policy. Returns whether it is complete.
fn import(args: &ImportArgs) -> Result<bool, String> {
    let path = args.file.display();
    let text = fs::read_to_string(&args.file).map_err(|error| format!("{path}: {error}"))?;
    let source = args.from.unwrap_or_else(|| source(&args.file));
    let imported = match source {
        ImportSource::Squid => squid::import(&text, &args.file),
        ImportSource::Smokescreen => {
            smokescreen::import(&text).map_err(|error| format!("{path}: {error}"))?
        }
    };
    let is_complete = imported.left.is_empty();
    for LeftOut { line, message } in &imported.left {
        let at = match line {
            0 => String::new(),
            line => format!("{line}:"),
        };
        console::line(format_args!("warning: {path}:{at} {message}"));
    }
    let text = yaml(imported, args)?;
    output::print(&text).map_err(|error| format!("cannot print the policy: {error}"))?;
    Ok(is_complete)
}

/// What a file is by its name.
fn source(path: &Path) -> ImportSource {
    let ending = path.extension().and_then(|ending| ending.to_str());
    match ending {
        Some("yaml" | "yml" | "json") => ImportSource::Smokescreen,
        _ => ImportSource::Squid,
    }
}

/// The policy as a YAML document.
fn yaml(imported: Imported, args: &ImportArgs) -> Result<String, String> {
    let gateway = &args.gateway;
    let spec = EgressPolicySpec {
        target_refs: vec![TargetRef {
            group: GATEWAY_GROUP.to_owned(),
            kind: "Gateway".to_owned(),
            name: gateway.name.to_string(),
            section_name: None,
        }],
        ..imported.policy
    };
    let mut policy = EgressPolicy::new(&args.name, spec);
    policy.metadata.namespace = Some(gateway.namespace.to_string());
    let yaml = serde_saphyr::to_string(&policy).map_err(|error| error.to_string())?;
    let mut text = format!("# Imported from {}.\n", args.file.display());
    for note in imported.notes {
        text += &format!("# {note}\n");
    }
    for LeftOut { line, message } in &imported.left {
        text += &match line {
            0 => format!("# Left out: {message}\n"),
            line => format!("# Left out, line {line}: {message}\n"),
        };
    }
    Ok(format!("{text}{}\n", yaml.trim_end()))
}
