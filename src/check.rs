//! `egret check`: compile, print the report, serve nothing.

use std::process::ExitCode;

use egret_config::compile::{Options, compile};
use egret_config::report::Report;

use crate::args::{Check, Output};
use crate::files::Files;

/// Prints the report on stdout and what is wrong on stderr.
pub(crate) fn run(args: &Check) -> ExitCode {
    let files = Files::read(&args.sources.paths);
    let (loaded, unreadable) = files.load();
    for line in unreadable {
        eprintln!("{line}");
    }
    for problem in loaded.errors.iter().chain(&loaded.warnings) {
        eprintln!("{problem}");
    }
    let options = Options {
        controller_name: args.sources.controller_name.clone(),
    };
    let mut report = compile(&loaded.resources, &options).report;
    for problem in report.problems.iter().chain(&report.warnings) {
        eprintln!("{problem}");
    }
    // For those who only read the report.
    let refused = !loaded.errors.is_empty();
    report.problems.splice(0..0, loaded.errors);
    report.warnings.splice(0..0, loaded.warnings);
    match render(&report, args.output) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("the report cannot be printed: {error}"),
    }
    let fine = unreadable.is_empty() && !refused && report.accepted();
    if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn render(report: &Report, output: Output) -> Result<String, Box<dyn std::error::Error>> {
    Ok(match output {
        Output::Table => report.table().trim_end().to_owned(),
        Output::Json => serde_json::to_string_pretty(report)?,
        Output::Yaml => serde_saphyr::to_string(report)?.trim_end().to_owned(),
    })
}
