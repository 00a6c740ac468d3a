//! What the admin server says about the traffic.

use egret_testkit::Gateway;
use egret_testkit::client::Response;
use serde_json::Value;

mod destinations;
mod generations;
mod metrics;
mod open;
mod overview;
mod refusals;

/// The JSON that the admin server answers with.
fn json(gateway: &Gateway, path: &str) -> Value {
    let response = gateway.ask(path);
    assert_eq!(response.status, 200, "{path}: {}", response.text());
    assert_eq!(response.header("content-type"), Some("application/json"));
    serde_json::from_slice(&response.body).expect("JSON")
}

/// Asserts that parameters are refused in one line.
fn assert_nonsense(response: &Response) {
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!(response.text().lines().count(), 1, "{}", response.text());
}
