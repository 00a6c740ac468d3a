//! Documents name files and functions; here is what keeps them true.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::Path;

/// Every `file.rs: function` between backticks.
fn named(text: &str) -> Vec<(String, String)> {
    let code = text.split('`').skip(1).step_by(2);
    let pairs = code.filter_map(|code| code.split_once(": "));
    pairs
        .filter(|(file, _)| file.ends_with(".rs"))
        .map(|(file, name)| (file.to_owned(), name.to_owned()))
        .collect()
}

/// Asserts that what a document names exists.
fn check(document: &str, at_least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(document)).unwrap();
    let named = named(&text);
    assert!(named.len() > at_least, "{named:?}");
    for (file, function) in named {
        let source =
            fs::read_to_string(root.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let declared = [format!("fn {function}("), format!("fn {function}<")];
        assert!(
            declared.iter().any(|text| source.contains(text)),
            "{file} has no function {function}"
        );
    }
}

#[test]
fn every_function_that_the_architecture_names_exists() {
    check("ARCHITECTURE.md", 25);
}

#[test]
fn every_test_that_the_comparison_with_envoy_names_exists() {
    check("docs/envoy.md", 40);
}
