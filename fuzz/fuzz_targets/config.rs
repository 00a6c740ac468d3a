//! Fuzzes the configuration compiler: any text is accepted or rejected with a message, and the report can be printed.

#![no_main]

use egret_config::compile::{CompileOptions, compile};
use egret_config::load::{ConfigFile, load};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(text) = str::from_utf8(data) else {
        return Corpus::Reject;
    };
    let name = "fuzz.yaml";
    let loaded = load([ConfigFile { name, text }]);
    for problem in loaded.errors.iter().chain(&loaded.warnings) {
        assert!(!problem.to_string().is_empty());
    }
    let compiled = compile(&loaded.resources, &CompileOptions::default());
    let again = compile(&loaded.resources, &CompileOptions::default());
    assert_eq!(
        compiled.snapshot, again.snapshot,
        "what is the same is not a change"
    );
    let report = &compiled.report;
    let problems = report.problems.iter().chain(&report.warnings);
    problems.for_each(|problem| assert!(!problem.to_string().is_empty()));
    let _ = report.table();
    serde_json::to_string(report).expect("a report");
    serde_json::to_string(&compiled.snapshot).expect("a snapshot");
    Corpus::Keep
});
