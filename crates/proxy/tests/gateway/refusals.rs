//! Tests of refusals: destinations that must never be reached, and the response, log and metrics of each failure.

use egret_testkit::Response;

mod addresses;
mod failures;
mod heads;
mod policies;
mod words;

fn assert_refused(response: &Response, status: u16, error: &str, what: &str) {
    assert_eq!(response.status, status, "{what}: {response:?}");
    let told = response
        .header("proxy-status")
        .unwrap_or_else(|| panic!("{what}: {response:?}"));
    assert!(
        told.starts_with(&format!("egret; error={error};")),
        "{what}: {told}"
    );
    assert!(told.contains("details=\""), "{what}: {told}");
    assert_eq!(response.text().lines().count(), 1, "{what}: {response:?}");
}
