//! `egret check`: compiles the configuration and prints what is wrong with it, without serving anything.

use std::process::ExitCode;

use egret_config::compile::{CompileOptions, FileAccess, GatewayPlacement, compile};
use egret_config::report::{Findings, Report, ReportProblem};

use crate::args::{CheckArgs, ReportFormat};
use crate::console::{self, Severity};
use crate::files::{ConfigFiles, LocalFiles};
use crate::output;

/// What would become of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Some of it cannot be read, so that all of it is refused.
    Refused,
    /// No Gateway is served.
    NothingServed,
    /// Some objects are not served as they were written.
    PartlyRefused,
    Served,
}

/// Prints the report on stdout, and errors and warnings on stderr.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let files = ConfigFiles::read_once(&args.sources.paths);
    let (mut loaded, unreadable) = files.load();
    LocalFiles::found_for(&mut loaded.resources);
    let meaning = &args.sources.meaning;
    let options = CompileOptions {
        files: FileAccess::Partly,
        ..meaning.compile_options(GatewayPlacement::Shared, None)
    };
    let compiled = compile(&loaded.resources, &options);
    let is_refused = !unreadable.is_empty() || !loaded.errors.is_empty();
    let serves_nothing = compiled.snapshot.sockets.is_empty();
    let mut report = compiled.report;
    let passed_over = files.passed_over().iter().map(|one| ReportProblem {
        file: one.path.display().to_string().into(),
        message: one.why.to_owned(),
        ..no_place()
    });
    report
        .warnings
        .splice(0..0, loaded.warnings.into_iter().chain(passed_over));
    report.skipped = loaded.skipped;
    let mut findings = report.findings(&loaded.errors, &loaded.unread);
    // The printed report is complete without stderr.
    report.problems.splice(0..0, loaded.errors);
    if serves_nothing && !is_refused && findings.errors.is_empty() {
        findings.errors.push(nothing_served(args));
    }
    let errors = findings.errors.len() + unreadable.len();
    let verdict = match (is_refused, serves_nothing, errors) {
        (true, _, _) => Verdict::Refused,
        (false, true, _) => Verdict::NothingServed,
        (false, false, 0) => Verdict::Served,
        (false, false, _) => Verdict::PartlyRefused,
    };
    tell(unreadable, &findings);
    let summary = summary(errors, findings.warnings.len(), verdict);
    // What could not be read is missing everywhere else, so that the conditions say little.
    let table = match (args.verbose, is_refused) {
        (true, _) => Some(report.table()),
        (false, true) => None,
        (false, false) => report.table_of_faults(),
    };
    let text = table.map_or_else(String::new, |table| format!("{}\n", table.trim_end()));
    let printed = print(&report, args.output, &format!("{text}{summary}"));
    if let Err(error) = &printed {
        console::error(format_args!("cannot print the report: {error}"));
    }
    if printed.is_ok() && verdict == Verdict::Served {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints what was found on stderr.
fn tell(unreadable: &[String], findings: &Findings) {
    unreadable.iter().for_each(console::error);
    for error in &findings.errors {
        console::problem(Severity::Error, error);
    }
    for warning in &findings.warnings {
        console::problem(Severity::Warning, warning);
    }
}

fn nothing_served(args: &CheckArgs) -> ReportProblem {
    ReportProblem {
        message: format!(
            "no Gateway would be served; those of class egret or kgateway are, and those of a GatewayClass with \
             controllerName {} (see --controller-name)",
            args.sources.meaning.gateways.controller_name
        ),
        ..no_place()
    }
}

/// A problem of no object, without its message.
fn no_place() -> ReportProblem {
    ReportProblem {
        file: "".into(),
        line: 0,
        object: None,
        field: String::new(),
        message: String::new(),
    }
}

/// The last line: how many errors and warnings there are, and what would become of the configuration.
fn summary(errors: usize, warnings: usize, verdict: Verdict) -> String {
    let count = |number: usize, noun: &str| match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    };
    let verdict = match verdict {
        Verdict::Refused => "this would be refused",
        Verdict::NothingServed => "nothing would be served",
        Verdict::PartlyRefused => "what has an error would be refused",
        Verdict::Served => "this would be served",
    };
    format!(
        "{}, {}: {verdict}",
        count(errors, "error"),
        count(warnings, "warning")
    )
}

/// Prints the report on stdout.
fn print(
    report: &Report,
    output: ReportFormat,
    table: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let text = match output {
        ReportFormat::Table => table.to_owned(),
        ReportFormat::Json => serde_json::to_string_pretty(report)?,
        ReportFormat::Yaml => serde_saphyr::to_string(report)?.trim_end().to_owned(),
    };
    Ok(output::print(&format!("{text}\n"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts() {
        for (errors, warnings, verdict, expected) in [
            (
                0,
                0,
                Verdict::Served,
                "0 errors, 0 warnings: this would be served",
            ),
            (
                1,
                2,
                Verdict::Refused,
                "1 error, 2 warnings: this would be refused",
            ),
            (
                2,
                1,
                Verdict::PartlyRefused,
                "2 errors, 1 warning: what has an error would be refused",
            ),
            (
                1,
                0,
                Verdict::NothingServed,
                "1 error, 0 warnings: nothing would be served",
            ),
        ] {
            assert_eq!(summary(errors, warnings, verdict), expected);
        }
    }
}
