//! ARCHITECTURE.md names files and functions; here is what keeps it true.

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

#[test]
fn every_function_that_the_architecture_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let named = named(&text);
    assert!(named.len() > 25, "{named:?}");
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
