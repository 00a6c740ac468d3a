//! `egret import`: turns the access rules of other proxies into an EgressPolicy, and lists what it could not turn.
//!
//! What cannot be said in a policy is never guessed: a rule that allows is left out, and a rule that denies is kept without
//! the condition that cannot be said, so that nothing is allowed that was not allowed before.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use egret_config::api::egret::EgressPolicySpec;

use crate::args::{ImportArgs, ImportSource};
use crate::output::Answer;
use crate::{console, output, policy};

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
    output::answer(import(args))
}

/// The policy, which is fine if it is complete.
fn import(args: &ImportArgs) -> Result<Answer, String> {
    let path = args.file.display();
    let text = fs::read_to_string(&args.file).map_err(|error| format!("{path}: {error}"))?;
    let source = args.from.unwrap_or_else(|| source(&args.file));
    let imported = match source {
        ImportSource::Squid => squid::import(&text, &args.file),
        ImportSource::Smokescreen => {
            smokescreen::import(&text).map_err(|error| format!("{path}: {error}"))?
        }
    };
    for LeftOut { line, message } in &imported.left {
        let at = match line {
            0 => String::new(),
            line => format!("{line}:"),
        };
        console::line(format_args!("warning: {path}:{at} {message}"));
    }
    Ok(Answer {
        is_fine: imported.left.is_empty(),
        text: yaml(imported, args)?,
    })
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
    let yaml = policy::yaml(imported.policy, &args.target, &args.name)?;
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
    Ok(text + &yaml)
}
