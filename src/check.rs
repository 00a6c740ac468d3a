//! `egret check`: compiles the configuration and prints the report, without serving anything.

use std::io::{self, Write as _};
use std::process::ExitCode;

use egret_config::compile::compile;
use egret_config::report::Report;

use crate::args::{CheckArgs, ReportFormat};
use crate::console;
use crate::files::{ConfigFiles, PASSED_OVER};
use crate::reload::NOTHING_TO_SERVE;

/// Prints the report on stdout, and errors and warnings on stderr.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let files = ConfigFiles::read(&args.sources.paths);
    for path in files.passed_over() {
        console::line(format_args!("{}: {PASSED_OVER}", path.display()));
    }
    let (loaded, unreadable) = files.load();
    for line in unreadable {
        console::line(line);
    }
    for problem in loaded.errors.iter().chain(&loaded.warnings) {
        console::line(problem);
    }
    let compiled = compile(&loaded.resources, &args.sources.compile_options());
    let serves = !compiled.snapshot.sockets.is_empty();
    let mut report = compiled.report;
    for problem in report.problems.iter().chain(&report.warnings) {
        console::line(problem);
    }
    // The printed report is complete without stderr.
    let refused = !loaded.errors.is_empty();
    report.problems.splice(0..0, loaded.errors);
    report.warnings.splice(0..0, loaded.warnings);
    report.skipped = loaded.skipped;
    let printed = print(&report, args.output);
    if let Err(error) = &printed {
        console::line(format_args!("cannot print the report: {error}"));
    }
    if !serves {
        console::line(NOTHING_TO_SERVE);
    }
    let served = serves && unreadable.is_empty() && !refused && report.accepted();
    let fine = printed.is_ok() && served;
    if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints the report on stdout. A reader that has gone has read enough.
fn print(report: &Report, output: ReportFormat) -> Result<(), Box<dyn std::error::Error>> {
    let text = render(report, output)?;
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn render(report: &Report, output: ReportFormat) -> Result<String, Box<dyn std::error::Error>> {
    Ok(match output {
        ReportFormat::Table => report.table().trim_end().to_owned(),
        ReportFormat::Json => serde_json::to_string_pretty(report)?,
        ReportFormat::Yaml => serde_saphyr::to_string(report)?.trim_end().to_owned(),
    })
}
