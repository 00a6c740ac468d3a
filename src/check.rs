//! `egret check`: compiles the configuration and prints the report, without serving anything.

use std::process::ExitCode;

use egret_config::compile::{CompileOptions, compile};
use egret_config::report::Report;

use crate::args::{CheckArgs, ReportFormat};
use crate::files::ConfigFiles;

/// Prints the report on stdout, and errors and warnings on stderr.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let files = ConfigFiles::read(&args.sources.paths);
    let (loaded, unreadable) = files.load();
    for line in unreadable {
        eprintln!("{line}");
    }
    for problem in loaded.errors.iter().chain(&loaded.warnings) {
        eprintln!("{problem}");
    }
    let options = CompileOptions {
        controller_name: args.sources.controller_name.clone(),
    };
    let mut report = compile(&loaded.resources, &options).report;
    for problem in report.problems.iter().chain(&report.warnings) {
        eprintln!("{problem}");
    }
    // The printed report is complete without stderr.
    let refused = !loaded.errors.is_empty();
    report.problems.splice(0..0, loaded.errors);
    report.warnings.splice(0..0, loaded.warnings);
    match render(&report, args.output) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("cannot print the report: {error}"),
    }
    let fine = unreadable.is_empty() && !refused && report.accepted();
    if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn render(report: &Report, output: ReportFormat) -> Result<String, Box<dyn std::error::Error>> {
    Ok(match output {
        ReportFormat::Table => report.table().trim_end().to_owned(),
        ReportFormat::Json => serde_json::to_string_pretty(report)?,
        ReportFormat::Yaml => serde_saphyr::to_string(report)?.trim_end().to_owned(),
    })
}
